//! Functions in Rust that answer with their event, one for each form of a handler.

use faas_function::LambdaContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text(String);

#[cfg(not(feature = "tokio"))]
faas_function::export!(value, typed);
#[cfg(feature = "tokio")]
faas_function::export!(value, typed, asynchronous);

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
