//! `deadline = cancel`.

#![cfg(feature = "tokio")]

mod support;

use faas::LambdaContext;
use faas_function as faas;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{invoke, request, send, Outcome};

faas::export!(never, at_once, deadline = cancel);
symbols!(never at_once);

static DROPPED: AtomicBool = AtomicBool::new(false);

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.store(true, Ordering::Relaxed);
    }
}

async fn never(_: Value, _: &LambdaContext) -> Result<(), String> {
    let _guard = Guard;
    std::future::pending().await
}

async fn at_once(event: Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(event)
}

/// Calls a handler whose deadline is this far away.
fn send_with(symbol: support::Symbol, left: Duration) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut request = request(b"1");
    request.deadline_ms = i64::try_from((now + left).as_millis()).expect("small");
    send(symbol, &request)
}

#[test]
fn the_future_is_dropped_before_the_deadline() {
    for left in [Duration::ZERO, Duration::from_millis(80)] {
        DROPPED.store(false, Ordering::Relaxed);
        let outcome = send_with(symbols::never, left);
        assert_eq!(
            outcome.error(),
            (
                "Function.DeadlineReached",
                "the function was cancelled 50 ms before its deadline"
            )
        );
        assert!(DROPPED.load(Ordering::Relaxed));
    }
}

#[test]
fn what_is_ready_in_time_is_answered() {
    assert_eq!(send_with(symbols::at_once, Duration::from_secs(60)).data(), "1");
    assert_eq!(invoke(symbols::at_once, "1").data(), "1"); // without a deadline
}
