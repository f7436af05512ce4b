//! Write functions in Rust for [faas-runtime], which runs native code behind the AWS Lambda API.
//!
//! ```
//! use faas_function as faas;
//! use faas::LambdaContext;
//! use serde::{Deserialize, Serialize};
//!
//! faas::export!(greet);
//!
//! #[derive(Deserialize)]
//! struct Person {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Greeting {
//!     text: String,
//! }
//!
//! fn greet(person: Person, context: &LambdaContext) -> Result<Greeting, faas::BoxError> {
//!     let text = format!("Hello, {}. This is request {}.", person.name, context.request_id);
//!     Ok(Greeting { text })
//! }
//! # fn main() {}
//! ```
//!
//! - [`export!`] lists what a library can export, [`Handler`] the signatures of handlers.
//! - A handler may return any error that implements `Display`. `?` works as everywhere. The caller gets the error's
//!   text, its type (see [`ErrorType`]) and its causes; a panic's place comes with it as well.
//! - A payload that does not fit the event's type is an error of the type `Function.InvalidPayload`, which names the
//!   field, if serde tells where it was. The handler is not called. An empty payload counts as `null`.
//! - [`LambdaContext::stream`] and [`LambdaContext::http_stream`] send a response in pieces.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `tokio` | handlers, `init` and hooks may be `async`. Needs Rust 1.85 |
//! | `http` | handlers of HTTP requests, and services of tower, such as an axum `Router`. Implies `tokio` |
//! | `tracing` | the function's own lines in the log have Lambda's form, with the request id |
//!
//! The newest versions of what `http` depends on need Rust 1.88. With an older one, let cargo take versions that fit:
//! `resolver.incompatible-rust-versions = "fallback"` in its configuration, and `rust-version` in your manifest.
//!
//! [faas-runtime]: https://github.com/faas-runtime/faas-runtime
#![warn(missing_docs)]

mod answer;
#[cfg(feature = "tokio")]
mod asynchronous;
mod call;
mod context;
mod crashes;
mod error;
mod event;
mod export;
mod handler;
#[cfg(feature = "http")]
pub mod http;
mod http_export;
#[cfg(feature = "tracing")]
pub mod logs;
mod panics;
mod path;
mod state;
mod stream;

pub use answer::{Answer, Reply};
pub use context::LambdaContext;
pub use error::{BoxError, Error, ErrorType};
pub use handler::Handler;
pub use state::{Hook, Init};
pub use stream::{HttpHead, Stream};

#[doc(hidden)]
pub mod abi;

/// What `export!` calls. It changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::abi;
    #[cfg(feature = "tokio")]
    pub use crate::asynchronous::start_runtime;
    pub use crate::call::{load, serve, serve_hook, Invocation};
    pub use crate::error::{report, AnyError, DeclaredError, DeclaredText, PlainError, PlainText, Report, Returned};
    pub use crate::handler::{call, call_until_deadline, Failure};
    #[cfg(feature = "http")]
    pub use crate::http::private::{call_streaming, call_streaming_until_deadline, service};
    pub use crate::state::{call_hook, no_init, shut_down, StateCell};
}

/// The example in README.md is compiled like those in the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
