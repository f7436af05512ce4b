//! `async` handlers, `init` and hooks.

#![cfg(feature = "tokio")]

mod support;

use faas::{BoxError, LambdaContext};
use faas_function as faas;
use serde::Deserialize;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{mpsc, Mutex};
use std::time::Duration;
use support::{call_hook, invoke, stream};
use tokio::io::AsyncWriteExt;

faas::export!(
    greet,
    by_reference,
    borrowed,
    raw,
    spawns,
    fails,
    panics,
    pieces,
    blocking_too,
    init = connect,
    shutdown = close,
    after_restore = again
);
symbols!(
    greet by_reference borrowed raw spawns fails panics pieces blocking_too;
    faas_init faas_after_restore
);

extern "C" {
    fn faas_shutdown();
}

static CLOSED: AtomicBool = AtomicBool::new(false);
static RAN: AtomicU32 = AtomicU32::new(0);
static DONE: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

struct Greeting(String);

async fn connect() -> Result<Greeting, BoxError> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(Greeting("Hello".into()))
}

async fn close(_: &Greeting) {
    tokio::task::yield_now().await;
    CLOSED.store(true, Ordering::Relaxed);
}

async fn again(greeting: &Greeting) -> Result<(), String> {
    tokio::task::yield_now().await;
    assert_eq!(greeting.0, "Hello");
    Ok(())
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

async fn greet(person: Person, context: &LambdaContext, greeting: &Greeting) -> Result<String, BoxError> {
    tokio::task::yield_now().await;
    Ok(format!("{}, {} ({})", greeting.0, person.name, context.request_id))
}

async fn by_reference(person: &Person, _: &LambdaContext) -> Result<usize, String> {
    tokio::task::yield_now().await;
    Ok(person.name.len())
}

#[derive(Deserialize)]
struct Name<'a> {
    name: &'a str,
}

async fn borrowed(event: Name<'_>, _: &LambdaContext) -> Result<String, String> {
    tokio::task::yield_now().await;
    Ok(event.name.to_uppercase())
}

async fn raw(payload: &[u8], _: &LambdaContext) -> Result<Vec<u8>, String> {
    tokio::task::yield_now().await;
    Ok(payload.to_vec())
}

async fn spawns(_: Value, _: &LambdaContext) -> Result<u32, BoxError> {
    tokio::spawn(async {
        RAN.fetch_add(1, Ordering::Relaxed);
        if let Some(done) = DONE.lock().expect("not poisoned").take() {
            done.send(()).expect("the test waits");
        }
    });
    Ok(tokio::spawn(async { 42 }).await?)
}

async fn fails(_: Value, _: &LambdaContext) -> Result<(), BoxError> {
    tokio::task::yield_now().await;
    Err(faas::Error::new("Function.OutOfStock", "none left"))?
}

async fn panics(_: Value, _: &LambdaContext) -> Result<(), BoxError> {
    tokio::task::yield_now().await;
    panic!("in a future")
}

struct Two(u32);

impl futures_core::Stream for Two {
    type Item = String;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<String>> {
        self.0 += 1;
        std::task::Poll::Ready((self.0 <= 2).then(|| format!("item {}", self.0)))
    }
}

async fn pieces(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let mut out = context.stream("text/plain")?;
    tokio::io::copy(&mut &b"copied"[..], &mut out).await?;
    AsyncWriteExt::flush(&mut out).await?;
    out.send_all(Two(0)).await?;
    Ok(())
}

fn blocking_too(person: Person, _: &LambdaContext, greeting: &Greeting) -> Result<String, String> {
    Ok(format!("{}! {}!", greeting.0, person.name))
}

/// One test, as there is one state.
#[test]
fn all_functions_may_be_async() {
    assert_eq!(call_hook(symbols::faas_init).status, 0);
    assert_eq!(call_hook(symbols::faas_after_restore).status, 0);
    let ada = r#"{"name":"Ada"}"#;
    assert_eq!(invoke(symbols::greet, ada).data(), "\"Hello, Ada (r-1)\"");
    assert_eq!(invoke(symbols::blocking_too, ada).data(), "\"Hello! Ada!\"");
    assert_eq!(invoke(symbols::by_reference, ada).data(), "3");
    assert_eq!(invoke(symbols::borrowed, ada).data(), "\"ADA\"");
    assert_eq!(invoke(symbols::raw, b"\0x").data, b"\0x");
    let (done, wait) = mpsc::channel();
    *DONE.lock().expect("not poisoned") = Some(done);
    assert_eq!(invoke(symbols::spawns, "1").data(), "42");
    wait.recv().expect("the task goes on after its invocation");
    assert_eq!(RAN.load(Ordering::Relaxed), 1);

    assert_eq!(
        invoke(symbols::fails, "1").error(),
        ("Function.OutOfStock", "none left")
    );
    let outcome = invoke(symbols::panics, "1");
    assert_eq!(outcome.error(), ("Function.Panic", "in a future"));
    assert!(outcome.trace()[0].contains("asynchronous.rs:"), "{:?}", outcome.trace());
    let (sent, outcome) = stream(symbols::pieces, "1");
    assert_eq!(sent, ["text/plain: copied", "text/plain: item 1", "text/plain: item 2"]);
    assert_eq!(outcome.data(), "");

    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(move || invoke(symbols::greet, ada).data().to_string()))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), "\"Hello, Ada (r-1)\"");
    }

    // SAFETY: no handler is running.
    unsafe { faas_shutdown() };
    assert!(CLOSED.load(Ordering::Relaxed));
}
