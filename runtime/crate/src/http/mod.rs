//! Handlers of HTTP requests, and services of tower. With the feature `http`.
//!
//! A handler takes the request of an event of API Gateway, of a load balancer or of a function URL, in the types of the
//! crate [`lambda_http`]. So a function that was written for `lambda_http` needs one other line: `export!` in the place
//! of `main`.
//!
//! ```
//! use faas_function as faas;
//! use faas::http::{Body, Request, RequestExt, Response};
//!
//! faas::export!(hello);
//!
//! async fn hello(request: Request) -> Result<Response<Body>, faas::BoxError> {
//!     let parameters = request.query_string_parameters();
//!     let name = parameters.first("name").unwrap_or("world");
//!     let text = format!("Hello, {name}.\n");
//!     Ok(Response::builder().header("content-type", "text/plain").body(text.into())?)
//! }
//! # fn main() {}
//! ```
//!
//! [`HttpHandler`] lists the signatures, and [`MakeService`] those of the function that makes a service, such as an
//! axum `Router`: `export!(service = app)`.
//!
//! # What a request has
//!
//! The methods of [`RequestExt`] give what else the event has: path parameters, the authorizer, the stage. Its
//! `lambda_context` is filled in. This crate's own [`LambdaContext`] is among the request's extensions.
//!
//! The URI has the path and the query as the client wrote them; what no URI may have is percent-encoded. It has only
//! these two where the header `Host` is missing or is no host. An event whose body should be base64 and is not is an
//! error of the type `Function.InvalidPayload`. `lambda_http` itself panics on both.
//!
//! # How the response is sent
//!
//! | the caller | what the function answers |
//! |---|---|
//! | a REST API | JSON with the headers in `multiValueHeaders` |
//! | an HTTP API, a function URL | JSON with `headers` and `cookies`. Values of the same name are joined with commas |
//! | a load balancer | JSON with both. Of several cookies, it takes one, unless its multi-value headers are on |
//! | any of them, with `response = stream` | a stream. A load balancer cannot take one, and gets JSON |
//!
//! In JSON, a body is text if its content type is one of text, JSON, XML, YAML or JavaScript and it has no content
//! encoding. Other bodies are in base64. A body that is not of a known size is read to its end first.
//!
//! **Streams.** Nothing in an event says whether its caller takes a stream. A function URL does if its invoke mode is
//! `RESPONSE_STREAM`, and a REST API if the response transfer mode of the integration is `STREAM`. Such a caller does
//! not understand the JSON, and the others do not understand a stream. So the author says which of them it is:
//! `export!(handler, response = stream)`. Then each response goes out as a stream. The head is sent at once, and each
//! piece of the body as soon as it is there. If the whole body is there already, it is sent with the head. Where the
//! runtime cannot stream, the response is JSON. `faas-runtime serve` takes both. Trailers of a body are dropped: no
//! caller can receive them.
//!
//! ```
//! use faas_function as faas;
//! use faas::http::{Body, Request, Response};
//!
//! faas::export!(events, response = stream);
//!
//! // Any `http_body::Body` can take the place of this one.
//! async fn events(_: Request) -> Result<Response<Body>, faas::BoxError> {
//!     Ok(Response::builder().header("content-type", "text/event-stream").body("data: 1\n\n".into())?)
//! }
//! # fn main() {}
//! ```
//!
//! [`LambdaContext`]: crate::LambdaContext

mod body;
mod document;
mod format_1;
mod format_2;
mod handler;
mod request;
mod request_body;
mod service;
mod uri;

pub use body::StreamedResponse;
pub use handler::HttpHandler;
pub use lambda_http::http::{header, HeaderMap, Method, StatusCode, Uri};
pub use lambda_http::{self, Body, IntoResponse, Request, RequestExt, RequestPayloadExt, Response};
pub use service::MakeService;

/// What `export!` calls. It changes without notice.
#[doc(hidden)]
pub mod private {
    pub use super::handler::{call_streaming, call_streaming_until_deadline};
    pub use super::service::service;
}
