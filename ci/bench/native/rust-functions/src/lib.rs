//! Functions in Rust that answer with their event, one for each form of a handler.

use faas_function::LambdaContext;
#[cfg(feature = "http")]
use faas_function::{
    http::{Body, Request, Response},
    BoxError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text(String);

#[cfg(not(any(feature = "tokio", feature = "http")))]
faas_function::export!(value, typed);
#[cfg(feature = "tokio")]
faas_function::export!(value, typed, asynchronous);
#[cfg(feature = "http")]
faas_function::export!(value, typed, http);

fn value(event: &Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(event.clone())
}

fn typed(event: Text, _: &LambdaContext) -> Result<Text, String> {
    Ok(event)
}

#[cfg(feature = "tokio")]
async fn asynchronous(event: Text, _: &LambdaContext) -> Result<Text, String> {
    Ok(event)
}

#[cfg(feature = "http")]
async fn http(request: Request) -> Result<Response<Body>, BoxError> {
    let response = Response::builder().header("content-type", "text/plain");
    Ok(response.body(request.into_body())?)
}
