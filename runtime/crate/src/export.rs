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
/// | `response = stream` | sends the response of an HTTP handler in pieces; `faas_function::http` says when to use it |
///
/// With the feature `http`, `service = app` can take the place of the handlers. `app` makes a service of tower, such as
/// an axum `Router`, and is the name of the handler.
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
    (@read [] service = $($rest:tt)*) => {
        $crate::__export_service!($($rest)*);
    };
    // The options follow the handlers. They go into slots: what makes the state, then `cancel` and `stream`, then the
    // hooks.
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
        ::core::compile_error!("expected the names of handlers, then options: export!(put, get, init = connect); bring a handler of \
             another module in with `use`");
    };

    (@options $handlers:tt [service $init:expr] $cancel:tt $shutdown:tt $hooks:tt init = $($rest:tt)*) => {
        ::core::compile_error!("a service has no `init`: the function that makes it takes its place");
    };
    // An option whose slot is filled is given twice.
    (@options $handlers:tt [own $init:expr] $cancel:tt $shutdown:tt $hooks:tt init = $($rest:tt)*) => {
        ::core::compile_error!("`init` is given twice");
    };
    (@options $handlers:tt $init:tt [cancel $($mode:ident)?] $shutdown:tt $hooks:tt deadline = $($rest:tt)*) => {
        ::core::compile_error!("`deadline` is given twice");
    };
    (@options $handlers:tt $init:tt [stream cancel] $shutdown:tt $hooks:tt deadline = $($rest:tt)*) => {
        ::core::compile_error!("`deadline` is given twice");
    };
    (@options $handlers:tt $init:tt [stream $($mode:ident)?] $shutdown:tt $hooks:tt response = $($rest:tt)*) => {
        ::core::compile_error!("`response` is given twice");
    };
    (@options $handlers:tt $init:tt [cancel stream] $shutdown:tt $hooks:tt response = $($rest:tt)*) => {
        ::core::compile_error!("`response` is given twice");
    };
    (@options $handlers:tt $init:tt $cancel:tt [$shutdown:path] $hooks:tt shutdown = $($rest:tt)*) => {
        ::core::compile_error!("`shutdown` is given twice");
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt [faas_before_snapshot $($hooks:tt)*]
        before_snapshot = $($rest:tt)*) => {
        ::core::compile_error!("`before_snapshot` is given twice");
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt [faas_after_restore $($hooks:tt)*]
        after_restore = $($rest:tt)*) => {
        ::core::compile_error!("`after_restore` is given twice");
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt init = $function:path, $($rest:tt)*) => {
        $crate::__export!(@options $handlers [own $function] $cancel $shutdown $hooks $($rest)*);
    };
    (@options $handlers:tt $init:tt [$($mode:ident)*] $shutdown:tt $hooks:tt deadline = cancel, $($rest:tt)*) => {
        $crate::__export!(@options $handlers $init [$($mode)* cancel] $shutdown $hooks $($rest)*);
    };
    (@options $handlers:tt $init:tt [$($mode:ident)*] $shutdown:tt $hooks:tt response = stream, $($rest:tt)*) => {
        $crate::__export_stream!($handlers $init [$($mode)* stream] $shutdown $hooks $($rest)*);
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
    (@options $handlers:tt [$kind:ident $init:expr] $cancel:tt $shutdown:tt $hooks:tt $(,)?) => {
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
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt response = $($rest:tt)*) => {
        ::core::compile_error!("the only value of `response` is `stream`");
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt $name:ident = $($rest:tt)*) => {
        ::core::compile_error!(concat!(
            "there is no option `",
            stringify!($name),
            "`; expected init, shutdown, before_snapshot, after_restore, deadline or response"
        ));
    };
    (@options $handlers:tt $init:tt $cancel:tt $shutdown:tt $hooks:tt $($rest:tt)*) => {
        ::core::compile_error!("options have the form `init = connect`, and follow the handlers");
    };

    (@handlers [$($handler:ident)+] $init:tt $cancel:tt) => {
        $($crate::__export!(@handler $handler $init $cancel);)+
    };
    (@handler $handler:ident [$init:expr] $mode:tt) => {
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
                            let outcome = $crate::__export!(@call $mode $handler, invocation, state);
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
    (@call [stream] $handler:ident, $invocation:ident, $state:ident) => {
        $crate::__private::call_streaming($handler, $invocation, $state)
    };
    (@call [cancel stream] $handler:ident, $invocation:ident, $state:ident) => {
        $crate::__private::call_streaming_until_deadline($handler, $invocation, $state)
    };
    (@call [stream cancel] $handler:ident, $invocation:ident, $state:ident) => {
        $crate::__private::call_streaming_until_deadline($handler, $invocation, $state)
    };
    // What is reported of an author's error: `Returned` explains the five traits.
    (@report $error:ident) => {{
        #[allow(unused_imports)]
        use $crate::__private::{AnyError, DeclaredError, DeclaredText, PlainError, PlainText};
        (&&&&&$crate::__private::Returned(&$error)).report()
    }};

    (@shutdown none [$init:expr] []) => {};
    (@shutdown $kind:ident [$init:expr] []) => {
        #[unsafe(no_mangle)]
        extern "C" fn faas_shutdown() {
            $crate::__private::shut_down(&STATE, || Ok(()));
        }
    };
    (@shutdown $kind:ident [$init:expr] [$function:path]) => {
        #[unsafe(no_mangle)]
        extern "C" fn faas_shutdown() {
            $crate::__private::shut_down(&STATE, || $crate::__export!(@hook [$init] $function));
        }
    };

    (@hooks [$init:expr] [$($symbol:ident = $function:path,)*]) => {
        $($crate::__export!(@symbol $symbol [$init] $function);)*
    };
    (@symbol $symbol:ident [$init:expr] $function:path) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(response: *mut $crate::__private::abi::Response) -> i32 {
            // SAFETY: the runtime passes a structure as faas.h describes it.
            unsafe { $crate::__private::serve_hook(response, || $crate::__export!(@hook [$init] $function)) }
        }
    };
    (@hook [$init:expr] $function:path) => {
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
    (none $init:expr) => {};
    (own $init:expr) => {
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

/// Exports `faas_init`, which starts tokio's runtime as well, if there is something else to do in it.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_init {
    // Calling `faas_init` costs the runtime more than a millisecond of the start, so there is none for tokio alone.
    (none $init:expr) => {};
    ($kind:ident $init:expr) => {
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
