// The function that is built with the crate when that is verified. It answers like the function in C of the recipes.
use faas_function as faas;
use faas_function::LambdaContext;
use serde_json::{json, Value};

faas::export!(handle);

fn handle(event: &Value, context: &LambdaContext) -> Result<Value, faas::BoxError> {
    Ok(json!({
        "event": event,
        "function": env!("CARGO_PKG_NAME"),
        "request_id": context.request_id,
    }))
}
