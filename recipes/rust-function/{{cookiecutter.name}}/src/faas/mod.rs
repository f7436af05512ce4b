//! The glue between a function in Rust and faas-runtime: the C ABI of `faas.h`, version 1.
//!
//! ```ignore
//! faas::export!(handle);
//!
//! fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String> { ... }
//! ```
//!
//! - What it returns is the answer, as JSON. An empty payload counts as `null`.
//! - An `Err` is an error of the type `Function.Error`. The `String` may be any type that can be displayed, or
//!   [`Error`], which has a type of its own.
//! - A panic is an error of the type `Function.Panic` with the place where it happened. It is also printed on
//!   standard error as ever; a panic hook set in `init` replaces that and leaves the rest as it is.
//! - A payload that is not JSON is an error of the type `Function.InvalidPayload`; the handler is not called.
//! - [`LambdaContext::stream`] sends the answer in pieces.
//!
//! Hooks are named after the handler, in any order:
//!
//! ```ignore
//! faas::export!(handle, init = connect, shutdown = close, before_snapshot = close, after_restore = connect);
//! ```
//!
//! - `init`, once before the first invocation: `fn() -> Result<(), String>`; a failure ends the process.
//! - `shutdown`, once after the last one: `fn()`.
//! - `before_snapshot` and `after_restore`, around a snapshot (Lambda's SnapStart): `fn() -> Result<(), String>`.

mod abi;
mod call;
mod context;
mod error;
mod panics;
#[cfg(test)]
mod tests;

pub use abi::{Request, Response, ABI_VERSION};
pub use call::{run, run_hook, run_shutdown};
pub use context::{LambdaContext, Stream};
pub use error::Error;

/// Exports `faas_abi_version`, the named function and its hooks as symbols of the C ABI.
macro_rules! export {
    ($handler:ident $(, $hook:ident = $function:path)* $(,)?) => {
        mod faas_exports {
            use $crate::faas;

            #[unsafe(no_mangle)]
            extern "C" fn faas_abi_version() -> u32 {
                faas::ABI_VERSION
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn $handler(
                request: *const faas::Request,
                response: *mut faas::Response,
            ) -> i32 {
                // SAFETY: the runtime hands over structures as faas.h describes them.
                unsafe { faas::run(super::$handler, request, response) }
            }
        }
        $($crate::faas::export!(@ $hook $function);)*
    };
    (@ init $function:path) => {
        $crate::faas::export!(@ faas_init: $function);
    };
    (@ before_snapshot $function:path) => {
        $crate::faas::export!(@ faas_before_snapshot: $function);
    };
    (@ after_restore $function:path) => {
        $crate::faas::export!(@ faas_after_restore: $function);
    };
    (@ $symbol:ident: $function:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $symbol(response: *mut $crate::faas::Response) -> i32 {
                // SAFETY: the runtime hands over a structure as faas.h describes it.
                unsafe { $crate::faas::run_hook($function, response) }
            }
        };
    };
    (@ shutdown $function:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn faas_shutdown() {
                $crate::faas::run_shutdown($function);
            }
        };
    };
    (@ $hook:ident $function:path) => {
        compile_error!(concat!(
            "there is no hook `",
            stringify!($hook),
            "`; there are init, shutdown, before_snapshot and after_restore"
        ));
    };
}
pub(crate) use export;
