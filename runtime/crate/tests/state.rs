//! The state that `init` makes, and the hooks that use it.

mod support;

use faas::LambdaContext;
use faas_function as faas;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use support::{call_hook, invoke};

faas::export!(
    count,
    peek,
    init = open,
    shutdown = close,
    before_snapshot = forget,
    after_restore = again,
);
symbols!(count peek; faas_init faas_before_snapshot faas_after_restore);

extern "C" {
    fn faas_shutdown();
}

static DROPPED: AtomicU32 = AtomicU32::new(0);
static CLOSED_AT: AtomicU32 = AtomicU32::new(0);

struct Counter(AtomicU32);

impl Drop for Counter {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn open() -> Result<Counter, String> {
    Ok(Counter(AtomicU32::new(40)))
}

fn close(counter: &Counter) {
    CLOSED_AT.store(counter.0.load(Ordering::Relaxed), Ordering::Relaxed);
}

fn forget() -> Result<(), String> {
    Ok(())
}

fn again(counter: &Counter) -> Result<(), String> {
    counter.0.fetch_add(100, Ordering::Relaxed);
    Ok(())
}

fn count(_: &Value, _: &LambdaContext, counter: &Counter) -> Result<u32, String> {
    Ok(counter.0.fetch_add(1, Ordering::Relaxed) + 1)
}

fn peek(_: Value, _: &LambdaContext) -> Result<&'static str, String> {
    Ok("needs no state")
}

/// One test, as there is one state.
#[test]
fn the_state_lives_from_init_to_shutdown() {
    let outcome = invoke(symbols::count, "{}");
    assert_eq!(outcome.error(), ("Function.Panic", "the runtime has called faas_init"));

    assert_eq!(call_hook(symbols::faas_init).status, 0);
    assert_eq!(invoke(symbols::count, "{}").data(), "41");
    assert_eq!(invoke(symbols::count, "{}").data(), "42");
    assert_eq!(invoke(symbols::peek, "{}").data(), "\"needs no state\"");
    assert_eq!(call_hook(symbols::faas_before_snapshot).status, 0);
    assert_eq!(call_hook(symbols::faas_after_restore).status, 0);
    assert_eq!(invoke(symbols::count, "{}").data(), "143");
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);

    // SAFETY: no handler is running.
    unsafe { faas_shutdown() };
    assert_eq!(CLOSED_AT.load(Ordering::Relaxed), 143);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
}
