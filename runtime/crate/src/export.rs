//! The macro that exports an author's functions as symbols of the C ABI.

/// Exports handlers and hooks as symbols of the C ABI, and `faas_abi_version`. Use it once in a library.
///
/// ```
/// use faas_function as faas;
/// use faas::LambdaContext;
/// use serde::{Deserialize, Serialize};
///
/// faas::export!(price, init = load);
///
/// #[derive(Deserialize)]
/// struct Order { count: u32 }
///
/// #[derive(Serialize)]
/// struct Price { cents: u32 }
///
/// struct Prices { each: u32 }
///
/// fn load() -> Result<Prices, String> {
///     Ok(Prices { each: 250 })
/// }
///
/// fn price(order: Order, _: &LambdaContext, prices: &Prices) -> Result<Price, String> {
///     Ok(Price { cents: order.count * prices.each })
/// }
/// # fn main() {}
/// ```
///
/// First come the handlers: `export!(put, get)`. [`Handler`](crate::Handler) lists their signatures. `_HANDLER` says
/// which of them a function uses: `library.put`. Then come these, in any order:
///
/// | option | |
/// |---|---|
/// | `init = f` | runs once, before the first invocation. Its answer is the state; a failure ends the process |
/// | `shutdown = f` | runs once, after the last invocation; then the state is dropped |
/// | `before_snapshot = f` | runs before the process is put into a snapshot (SnapStart) |
/// | `after_restore = f` | runs in each process that was restored |
/// | `deadline = cancel` | drops the future of an `async` handler 50 ms before the deadline, and answers an error |
///
/// [`Init`](crate::Init) and [`Hook`](crate::Hook) list the signatures of these functions.
#[macro_export]
macro_rules! export {
    ($($input:tt)*) => {
        #[doc(hidden)]
        #[allow(dead_code)]
        const EXPORT_MAY_BE_USED_ONCE: () = ();
        $crate::__export!(@read [] $($input)*,);
    };
}

/// Reads the arguments of [`export!`] one after the other, then writes the symbols.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    // The options follow the handlers. They go into slots: what makes the state, then `cancel`, then the hooks.
    (@read [$($handler:ident)+] $name:ident = $($rest:tt)+) => {
        $crate::__export!(@options [$($handler)+] [none $crate::__private::no_init] [] [] [] $name = $($rest)+);
    };
    (@read [$($handler:ident)*] $next:ident, $($rest:tt)*) => {
        $crate::__export!(@read [$($handler)* $next] $($rest)*);
    };
    (@read [$($handler:ident)+] $(,)?) => {
        $crate::__export!(@options [$($handler)+] [none $crate::__private::no_init] [] [] []);
    };
    (@read [$($handler:ident)*] $($rest:tt)*) => {
        ::core::compile_error!("expected the names of handlers, then options: export!(put, get, init = connect)");
    };

    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt init = $function:path, $($rest:tt)*) => {
        $crate::__export!(@options $handlers [own $function] $cancel $shutdown $hooks $($rest)*);
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt deadline = cancel, $($rest:tt)*) => {
        $crate::__export!(@options $handlers $init [cancel] $shutdown $hooks $($rest)*);
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt shutdown = $function:path, $($rest:tt)*) => {
        $crate::__export!(@options $handlers $init $cancel [$function] $hooks $($rest)*);
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt [$($hooks:tt)*]
        before_snapshot = $function:path, $($rest:tt)*) => {
        $crate::__export!(@options $handlers $init $cancel $shutdown
            [$($hooks)* faas_before_snapshot = $function,] $($rest)*);
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt [$($hooks:tt)*]
        after_restore = $function:path, $($rest:tt)*) => {
        $crate::__export!(@options $handlers $init $cancel $shutdown
            [$($hooks)* faas_after_restore = $function,] $($rest)*);
    };
    (@options $handlers:tt [$kind:ident $init:path] $cancel:tt $shutdown:tt $hooks:tt $(,)?) => {
        const _: () = {
            static STATE: $crate::__private::StateCell = $crate::__private::StateCell::new();

            #[unsafe(no_mangle)]
            extern "C" fn faas_abi_version() -> u32 {
                $crate::__private::load()
            }

            $crate::__export!(@handlers $handlers [$init] $cancel);
            $crate::__export_init!($kind $init);
            $crate::__export!(@shutdown $kind [$init] $shutdown);
            $crate::__export!(@hooks [$init] $hooks);
        };
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt deadline = $($rest:tt)*) => {
        ::core::compile_error!("the only value of `deadline` is `cancel`");
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt $name:ident = $($rest:tt)*) => {
        ::core::compile_error!(concat!(
            "there is no option `",
            stringify!($name),
            "`; expected init, shutdown, before_snapshot, after_restore or deadline"
        ));
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt $($rest:tt)*) => {
        ::core::compile_error!("options have the form `init = connect`, and follow the handlers");
    };

    (@handlers [$($handler:ident)+] $init:tt $cancel:tt) => {
        $($crate::__export!(@handler $handler $init $cancel);)+
    };
    (@handler $handler:ident [$init:path] [$($cancel:ident)?]) => {
        const _: () = {
            // Its name in Rust is another one, so that `$handler` is the author's function.
            #[unsafe(export_name = stringify!($handler))]
            unsafe extern "C" fn exported(
                request: *const $crate::__private::abi::Request,
                response: *mut $crate::__private::abi::Response,
            ) -> i32 {
                // SAFETY: the runtime passes structures as faas.h describes them.
                unsafe {
                    $crate::__private::serve(request, response, |invocation| {
                        STATE.with($init, |state| {
                            let outcome = $crate::__export!(@call [$($cancel)?] $handler, invocation, state);
                            outcome.map_err(|failure| match failure {
                                $crate::__private::Failure::Refused(error) => $crate::__private::report(&error),
                                $crate::__private::Failure::Returned(error) => $crate::__export!(@report error),
                            })
                        })
                    })
                }
            }
        };
    };
    (@call [] $handler:ident, $invocation:ident, $state:ident) => {
        $crate::__private::call($handler, $invocation, $state)
    };
    (@call [cancel] $handler:ident, $invocation:ident, $state:ident) => {
        $crate::__private::call_until_deadline($handler, $invocation, $state)
    };
    // What is reported of an author's error: `Returned` explains the five traits.
    (@report $error:ident) => {{
        #[allow(unused_imports)]
        use $crate::__private::{AnyError, DeclaredError, DeclaredText, PlainError, PlainText};
        (&&&&&$crate::__private::Returned(&$error)).report()
    }};

    (@shutdown none [$init:path] []) => {};
    (@shutdown own [$init:path] []) => {
        #[unsafe(no_mangle)]
        extern "C" fn faas_shutdown() {
            $crate::__private::shut_down(&STATE, || Ok(()));
        }
    };
    (@shutdown $kind:ident [$init:path] [$function:path]) => {
        #[unsafe(no_mangle)]
        extern "C" fn faas_shutdown() {
            $crate::__private::shut_down(&STATE, || $crate::__export!(@hook [$init] $function));
        }
    };

    (@hooks [$init:path] [$($symbol:ident = $function:path,)*]) => {
        $($crate::__export!(@symbol $symbol [$init] $function);)*
    };
    (@symbol $symbol:ident [$init:path] $function:path) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(response: *mut $crate::__private::abi::Response) -> i32 {
            // SAFETY: the runtime passes a structure as faas.h describes it.
            unsafe { $crate::__private::serve_hook(response, || $crate::__export!(@hook [$init] $function)) }
        }
    };
    (@hook [$init:path] $function:path) => {
        STATE.with($init, |state| {
            $crate::__private::call_hook($function, state).map_err(|error| $crate::__export!(@report error))
        })
    };
}

/// Exports `faas_init`, if there is something to do in it.
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_init {
    (none $init:path) => {};
    (own $init:path) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn faas_init(response: *mut $crate::__private::abi::Response) -> i32 {
            // SAFETY: the runtime passes a structure as faas.h describes it.
            unsafe {
                $crate::__private::serve_hook(response, || {
                    STATE.fill($init).map_err(|error| $crate::__export!(@report error))
                })
            }
        }
    };
}

/// Exports `faas_init`, which starts tokio's runtime as well.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_init {
    ($kind:ident $init:path) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn faas_init(response: *mut $crate::__private::abi::Response) -> i32 {
            // SAFETY: the runtime passes a structure as faas.h describes it.
            unsafe {
                $crate::__private::serve_hook(response, || {
                    $crate::__private::start_runtime();
                    STATE.fill($init).map_err(|error| $crate::__export!(@report error))
                })
            }
        }
    };
}
