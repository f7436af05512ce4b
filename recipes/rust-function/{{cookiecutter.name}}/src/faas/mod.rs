//! The glue between a function in Rust and faas-runtime. It implements version 1 of the C ABI in `faas.h`.
//!
//! ```ignore
//! faas::export!(handle);
//!
//! fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String> { ... }
//! ```
//!
//! - The return value is sent as the response, in JSON. An empty payload counts as `null`.
//! - An `Err` becomes an error of the type `Function.Error`. Instead of `String`, it may hold any type that
//!   implements `Display`, or an [`Error`] with a type of its own.
//! - A panic becomes an error of the type `Function.Panic` with the place where it happened. As usual, it is also
//!   printed on standard error. A panic hook set in `init` replaces the printing only.
//! - A payload that is not JSON is an error of the type `Function.InvalidPayload`; the handler is not called.
//! - [`LambdaContext::stream`] sends the response in pieces.
//!
//! Hooks follow the handler, in any order:
//!
//! ```ignore
//! faas::export!(handle, init = connect, shutdown = close, before_snapshot = close, after_restore = connect);
//! ```
//!
//! - `init` runs once, before the first invocation: `fn() -> Result<(), String>`. A failure ends the process.
//! - `shutdown` runs once, after the last invocation: `fn()`.
//! - `before_snapshot` and `after_restore` run around a snapshot (Lambda's SnapStart): `fn() -> Result<(), String>`.

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
                // SAFETY: the runtime passes structures as faas.h describes them.
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
                // SAFETY: the runtime passes a structure as faas.h describes it.
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
            "`; expected init, shutdown, before_snapshot or after_restore"
        ));
    };
}
pub(crate) use export;
