//! A response that is sent in pieces.

use super::{document, IntoResponse, Response};
use crate::{BoxError, Error, HttpHead, LambdaContext};
use bytes::Buf;
use http_body::Body as HttpBody;
use lambda_http::http::response::Parts;
use std::fmt::Debug;
use std::future::{poll_fn, Future};
use std::io::Write;
use std::pin::pin;

/// What a handler or a service answers under `response = stream`: a `Response` whose body is any `http_body::Body`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a stream",
    label = "`response = stream` needs a `Response<B>`",
    note = "`B` is a type that implements `http_body::Body`, `Send` and `Unpin`, and its errors become a `BoxError`"
)]
pub trait StreamedResponse: IntoResponse {
    /// Sends the head, then the body.
    #[doc(hidden)]
    fn send(self, context: &LambdaContext) -> impl Future<Output = Result<(), Error>>;
}

impl<B> StreamedResponse for Response<B>
where
    B: HttpBody + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Debug + Into<BoxError>,
{
    async fn send(self, context: &LambdaContext) -> Result<(), Error> {
        let (parts, body) = self.into_parts();
        let is_there_already = body.size_hint().exact().is_some();
        let mut out = context.http_stream(&head(&parts))?;
        if !is_there_already {
            out.flush()?;
        }
        let mut body = pin!(body);
        while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            let frame = frame.map_err(|error| Error::from(error.into()))?;
            let Ok(mut data) = frame.into_data() else {
                continue; // trailers
            };
            while data.has_remaining() {
                out.write_all(data.chunk())?;
                data.advance(data.chunk().len());
            }
            if !is_there_already {
                out.flush()?;
            }
        }
        Ok(())
    }
}

fn head(parts: &Parts) -> HttpHead {
    let mut head = HttpHead::new(parts.status.as_u16());
    for (name, value) in document::single(&parts.headers) {
        head = head.header(name, value);
    }
    for cookie in document::cookies(&parts.headers) {
        head = head.cookie(cookie);
    }
    head
}
