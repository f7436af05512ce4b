//! The body of a request.

use super::Body;
use lambda_http::aws_lambda_events::encodings::Base64Data;
use serde::de::Deserialize;
use serde_json::Value;

/// Reads the body of an event. What is not base64, but should be, is an error, and no panic as in `lambda_http`.
pub(super) fn read(text: Option<String>, is_base64: bool) -> Result<Body, String> {
    match text {
        None => Ok(Body::Empty),
        Some(text) if is_base64 => match Base64Data::deserialize(Value::String(text)) {
            Ok(data) => Ok(Body::Binary(data.0)),
            Err(error) => Err(format!("body: no base64: {error}")),
        },
        Some(text) => Ok(Body::Text(text)),
    }
}
