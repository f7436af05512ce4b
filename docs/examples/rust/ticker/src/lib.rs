//! Sends server-sent events, each when it happens.

use faas_function as faas;
use faas_function::{HttpHead, LambdaContext};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tokio::time::sleep;

faas::export!(tick);

async fn tick(event: Value, context: &LambdaContext) -> Result<(), faas::BoxError> {
    let parameters = &event["queryStringParameters"];
    let number = |name: &str| parameters[name].as_str().map(str::parse::<u64>).transpose();
    let (count, pause_ms) = (number("count")?.unwrap_or(3), number("pause_ms")?.unwrap_or(1000));

    let head = HttpHead::new(200)
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-store");
    let mut out = context.http_stream(&head)?;
    for tick in 1..=count {
        if tick > 1 {
            sleep(Duration::from_millis(pause_ms)).await;
        }
        write!(out, "data: {tick}\n\n")?; // the newline at its end sends it
    }
    Ok(())
}
