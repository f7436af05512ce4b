//! The response as a JSON document, for a caller that takes it as a whole.

use super::request::Caller;
use crate::answer::Payload;
use crate::Error;
use lambda_http::http::header::SET_COOKIE;
use lambda_http::http::{HeaderMap, Response};
use lambda_http::Body;
use serde_json::{json, Map, Value};

/// The document that this caller understands.
pub(super) fn encode(caller: Caller, response: Response<Body>) -> Result<Payload, Error> {
    let (parts, body) = response.into_parts();
    let mut document = Map::new();
    document.insert("statusCode".into(), parts.status.as_u16().into());
    document.insert("isBase64Encoded".into(), matches!(body, Body::Binary(_)).into());
    match caller {
        Caller::RestApi => {
            document.insert("multiValueHeaders".into(), lists(&parts.headers));
        }
        Caller::HttpApi => {
            document.insert("headers".into(), joined(&parts.headers));
            document.insert("cookies".into(), cookies(&parts.headers).into());
        }
        Caller::LoadBalancer => {
            let reason = parts.status.canonical_reason().unwrap_or_default();
            document.insert(
                "statusDescription".into(),
                format!("{} {reason}", parts.status.as_u16()).trim_end().into(),
            );
            let mut headers = joined(&parts.headers);
            if let Some(cookie) = cookies(&parts.headers).into_iter().next() {
                headers["set-cookie"] = cookie.into();
            }
            document.insert("headers".into(), headers);
            document.insert("multiValueHeaders".into(), lists(&parts.headers));
        }
    }
    match body {
        Body::Empty => {}
        Body::Text(text) => {
            document.insert("body".into(), text.into());
        }
        binary => {
            document.insert("body".into(), json!(binary)); // in base64
        }
    }
    Ok(Payload {
        data: serde_json::to_vec(&document)?,
        content_type: None,
    })
}

/// The values of all cookies.
pub(super) fn cookies(headers: &HeaderMap) -> Vec<String> {
    values(headers, SET_COOKIE.as_str())
}

/// The values of a header. What is not UTF-8 becomes U+FFFD.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// All headers except cookies, each once.
pub(super) fn single(headers: &HeaderMap) -> impl Iterator<Item = (&str, String)> {
    let names = headers.keys().filter(|name| *name != SET_COOKIE);
    names.map(|name| (name.as_str(), values(headers, name.as_str()).join(", ")))
}

fn joined(headers: &HeaderMap) -> Value {
    single(headers)
        .map(|(name, value)| (name.to_string(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn lists(headers: &HeaderMap) -> Value {
    let names = headers.keys().map(|name| name.as_str());
    names
        .map(|name| (name.to_string(), Value::from(values(headers, name))))
        .collect::<Map<_, _>>()
        .into()
}
