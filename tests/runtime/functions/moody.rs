//! A function that fails in each way that Rust has: replaces `src/lib.rs` of the recipe.

use faas_function as faas;

use faas::LambdaContext;
use serde_json::{json, Value};

faas::export!(handle);

fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String> {
    match payload["mood"].as_str() {
        Some("panic") => panic!("in a bad mood"),
        Some("format") => panic!("number {}", payload["number"]),
        Some("value") => std::panic::panic_any(7),
        Some("error") => Err("not\0today".to_string()),
        _ => Ok(json!([
            [context.request_id, context.invocation_id, context.function_arn, context.trace_id],
            [context.client_context, context.cognito_identity, context.tenant_id],
            [context.function_name, context.function_version, context.log_group, context.log_stream],
            [context.deadline_ms, context.memory_limit_mb],
            context.remaining().map(|left| left.as_secs() > 0),
        ])),
    }
}
