//! The span of the invocation in `async` handlers and in their tasks.

#![cfg(all(feature = "tokio", feature = "tracing"))]

mod support;

use faas::{BoxError, LambdaContext};
use faas_function as faas;
use serde_json::{json, Value};
use support::{call_hook, invoke};
use tracing::{Instrument, Span};

faas::export!(handle, init = faas::logs::init);
symbols!(handle; faas_init);

fn span() -> Option<&'static str> {
    Span::current().metadata().map(tracing::Metadata::name)
}

async fn handle(_: Value, _: &LambdaContext, _: &()) -> Result<Value, BoxError> {
    let before = span();
    tokio::task::yield_now().await;
    let after = span();
    let task = tokio::spawn(async { span() }.in_current_span()).await?;
    let alone = tokio::spawn(async { span() }).await?;
    Ok(json!([before, after, task, alone]))
}

#[test]
fn what_a_handler_awaits_is_in_the_span() {
    assert_eq!(call_hook(symbols::faas_init).status, 0);
    let outcome = invoke(symbols::handle, "null");
    assert_eq!(outcome.data(), r#"["invocation","invocation","invocation",null]"#);
    assert_eq!(span(), None);
}
