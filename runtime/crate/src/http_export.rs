//! What `export!` does with `service = app` and with `response = stream`.

/// Exports the function that makes a service as a handler, whose state is the service.
#[cfg(feature = "http")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_service {
    ($app:ident, $($rest:tt)*) => {
        $crate::__export!(@options [$app] [service $crate::__private::service($app)] [] [] [] $($rest)*);
    };
    ($($rest:tt)*) => {
        ::core::compile_error!("expected the name of a function that makes a service: export!(service = app)");
    };
}

/// Goes on with the options after `response = stream`.
#[cfg(feature = "http")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_stream {
    ($($slots_and_rest:tt)*) => {
        $crate::__export!(@options $($slots_and_rest)*);
    };
}

/// Says what a service needs.
#[cfg(not(feature = "http"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_service {
    ($($rest:tt)*) => {
        ::core::compile_error!("`service` needs the feature `http` of the crate `faas-function`");
    };
}

/// Says what `response = stream` needs.
#[cfg(not(feature = "http"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_stream {
    ($($slots_and_rest:tt)*) => {
        ::core::compile_error!("`response = stream` needs the feature `http` of the crate `faas-function`");
    };
}
