//! {{ cookiecutter.name }}: a function for faas-runtime.

pub mod faas;

use faas::LambdaContext;
use serde_json::{json, Value};

faas::export!(handle);

const NAME: &str = env!("CARGO_PKG_NAME");

/// Returns the event, the name of the function and the request id.
fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String> {
    Ok(json!({
        "event": payload,
        "function": NAME,
        "request_id": context.request_id,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_event_and_the_request_id() {
        let context = LambdaContext {
            request_id: "r-1".to_string(),
            ..LambdaContext::default()
        };
        let response = handle(&json!({"a": 1}), &context);
        let expected = json!({"event": {"a": 1}, "function": NAME, "request_id": "r-1"});
        assert_eq!(response, Ok(expected));
    }
}
