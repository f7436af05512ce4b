//! What a handler may return, and how it becomes the bytes of a response.

use crate::Error;
use serde::Serialize;
use std::any::Any;

/// A response with a content type of its own.
///
/// ```
/// use faas_function::{LambdaContext, Reply};
///
/// fn picture(event: &[u8], _: &LambdaContext) -> Result<Reply, String> {
///     Ok(Reply::new("image/png", event.to_vec()))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The media type.
    pub content_type: String,
    /// The bytes of the response.
    pub data: Vec<u8>,
}

impl Reply {
    /// A response of this media type.
    pub fn new(content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Reply {
            content_type: content_type.into(),
            data: data.into(),
        }
    }
}

/// The bytes of a response. Without a content type, they are JSON.
#[derive(Default)]
pub struct Payload {
    pub(crate) data: Vec<u8>,
    pub(crate) content_type: Option<String>,
}

/// What a handler may return: [`Reply`], or any type that implements `serde::Serialize` and borrows nothing.
///
/// A `Vec<u8>` is an array of numbers in JSON, as for all of serde. Only after an event that was taken as `&[u8]` it is
/// the response itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a handler",
    label = "neither `serde::Serialize` nor `faas_function::Reply`",
    note = "derive `serde::Serialize` for it; for bytes with a content type, return `faas_function::Reply`"
)]
pub trait Answer {
    /// Turns it into bytes. `raw`: the event was taken as bytes.
    #[doc(hidden)]
    fn into_payload(self, raw: bool) -> Result<Payload, Error>;
}

impl<T: Serialize + 'static> Answer for T {
    fn into_payload(self, raw: bool) -> Result<Payload, Error> {
        let mut answer = self;
        if raw {
            if let Some(bytes) = (&mut answer as &mut dyn Any).downcast_mut::<Vec<u8>>() {
                return Ok(Payload {
                    data: std::mem::take(bytes),
                    content_type: None,
                });
            }
        }
        Ok(Payload {
            data: serde_json::to_vec(&answer)?,
            content_type: None,
        })
    }
}

impl Answer for Reply {
    fn into_payload(self, _: bool) -> Result<Payload, Error> {
        Ok(Payload {
            data: self.data,
            content_type: Some(self.content_type),
        })
    }
}
