//! Services of tower.

#![cfg(feature = "http")]

mod support;

use faas::http::lambda_http::Service;
use faas::http::{Body, Request, Response};
use faas::BoxError;
use faas_function as faas;
use serde_json::{json, Value};
use std::cell::Cell;
use std::future::{ready, Ready};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::thread;
use support::{call_hook, invoke};

faas::export!(service = app, shutdown = close, before_snapshot = pause);
symbols!(app; faas_init faas_before_snapshot);

extern "C" {
    fn faas_shutdown();
}

static MADE: AtomicU32 = AtomicU32::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);

/// A service that counts its own calls. It is not `Sync`, and wants to be asked whether it is ready.
#[derive(Clone)]
struct Counter {
    calls: Cell<u32>,
    is_ready: bool,
}

impl Service<Request> for Counter {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(self.is_ready);
        self.calls.set(self.calls.get() + 1);
        ready(match request.uri().path() {
            "/fails" => Err(faas::Error::new("Function.OutOfStock", "none left").into()),
            path => Ok(Response::new(format!("{path} {}", self.calls.get()).into())),
        })
    }
}

async fn app() -> Result<Counter, BoxError> {
    tokio::task::yield_now().await;
    MADE.fetch_add(1, Ordering::Relaxed);
    Ok(Counter {
        calls: Cell::new(0),
        is_ready: false,
    })
}

fn close() {
    CLOSED.store(true, Ordering::Relaxed);
}

fn pause() -> Result<(), String> {
    Err("not now".into())
}

fn event(path: &str) -> String {
    json!({
        "version": "2.0", "rawPath": path, "headers": {"host": "example.com"},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "path": path}},
    })
    .to_string()
}

/// One test, as there is one service.
#[test]
fn a_service_is_made_once_and_each_invocation_has_a_clone() {
    assert_eq!(call_hook(symbols::faas_init).status, 0);
    for _ in 0..2 {
        let response: Value = serde_json::from_str(invoke(symbols::app, event("/a")).data()).expect("JSON");
        assert_eq!(response["body"], "/a 1");
    }
    assert_eq!(
        invoke(symbols::app, event("/fails")).error(),
        ("Function.OutOfStock", "none left")
    );
    let threads: Vec<_> = (0..4)
        .map(|_| thread::spawn(|| invoke(symbols::app, event("/b")).data().contains("/b 1")))
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().expect("no panic")));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert_eq!(
        call_hook(symbols::faas_before_snapshot).error(),
        ("Function.Error", "not now")
    );
    // SAFETY: no handler is running.
    unsafe { faas_shutdown() };
    assert!(CLOSED.load(Ordering::Relaxed));
}
