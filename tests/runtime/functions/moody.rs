//! A function that fails in each way that Rust has: replaces `src/lib.rs` of the recipe.

pub mod faas;

use faas::LambdaContext;
use serde_json::{json, Value};

faas::export!(handle);

fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String> {
    match payload["mood"].as_str() {
        Some("panic") => panic!("in a bad mood"),
        Some("format") => panic!("number {}", payload["number"]),
        Some("value") => std::panic::panic_any(7),
        Some("error") => Err("not\0today".to_string()),
        _ => Ok(json!({
            "arn": context.function_arn,
            "has_time": context.remaining().is_some_and(|left| left.as_secs() > 0),
            "memory": context.memory_limit_mb,
            "tenant": context.tenant_id,
        })),
    }
}
