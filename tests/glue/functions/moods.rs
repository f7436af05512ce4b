//! A function that uses much of the crate: replaces `src/lib.rs` of the recipe.

use faas_function as faas;

use faas::{BoxError, Error, LambdaContext};
use serde_json::{json, Value};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

faas::export!(
    handle,
    after_restore = hooks::after_restore,
    before_snapshot = hooks::before_snapshot,
    init = hooks::init,
    shutdown = hooks::shutdown,
);

static CALLS: AtomicU32 = AtomicU32::new(0);

mod hooks {
    use super::{Ordering, CALLS};

    pub fn init() -> Result<(), std::fmt::Error> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub fn before_snapshot() -> Result<(), String> {
        CALLS.fetch_add(10, Ordering::Relaxed);
        Err("still connected".to_string())
    }

    pub fn after_restore() -> Result<(), String> {
        CALLS.fetch_add(100, Ordering::Relaxed);
        panic!("no connection");
    }

    pub fn shutdown() {
        println!("shut down after {}", CALLS.load(Ordering::Relaxed));
    }
}

fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, BoxError> {
    match payload["mood"].as_str() {
        Some("panic") => panic!("in a bad mood"),
        Some("value") => std::panic::panic_any(vec![0_u8; 64]),
        Some("error") => Err("not\0today".into()),
        Some("type") => Err(Error::new("Function.OutOfStock", "none left").into()),
        Some("number") => Ok(json!("x".parse::<u8>()?)),
        Some("stream") => {
            let mut out = context.stream("text/plain")?;
            out.write_all("Grüße".as_bytes())?;
            out.flush()?;
            write!(out, " {}", 1)?;
            Ok(payload["last"].clone())
        }
        _ => Ok(json!([
            [context.request_id, context.invocation_id, context.function_arn, context.trace_id],
            [context.client_context, context.cognito_identity, context.tenant_id],
            [context.function_name, context.function_version, context.log_group, context.log_stream],
            [context.deadline_ms, context.memory_limit_mb],
        ])),
    }
}
