//! Many invocations at the same time, of all forms. It has no test harness, so that sanitizers see nothing but this.

mod support;

use faas::{BoxError, LambdaContext};
use faas_function as faas;
use serde_json::{json, Value};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{call_hook, invoke, stream};

faas::export!(handle, init = open);
symbols!(handle; faas_init);

extern "C" {
    fn faas_shutdown();
}

const THREADS: u64 = 4;

fn open() -> Result<AtomicU64, String> {
    Ok(AtomicU64::new(0))
}

fn handle(event: &Value, context: &LambdaContext, calls: &AtomicU64) -> Result<Value, BoxError> {
    calls.fetch_add(1, Ordering::Relaxed);
    match event["mood"].as_str() {
        Some("panic") => panic!("in a bad mood"),
        Some("error") => Err("refused".into()),
        Some("stream") => {
            let mut out = context.stream("text/plain")?;
            for number in 0..10 {
                writeln!(out, "{number}")?;
            }
            Ok(Value::Null)
        }
        Some("count") => Ok(json!(calls.load(Ordering::Relaxed))),
        _ => Ok(event.clone()),
    }
}

fn rounds(rounds: u64) {
    for number in 0..rounds {
        let event = json!({"n": number}).to_string();
        assert_eq!(invoke(symbols::handle, &event).data(), event);
        assert_eq!(
            invoke(symbols::handle, r#"{"mood":"panic"}"#).error().1,
            "in a bad mood"
        );
        assert_eq!(invoke(symbols::handle, r#"{"mood":"error"}"#).error().1, "refused");
        let (sent, outcome) = stream(symbols::handle, r#"{"mood":"stream"}"#);
        assert_eq!((sent.len(), outcome.data()), (10, ""));
    }
}

/// Makes the rounds on all threads.
fn all_threads(count: u64) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| rounds(count));
        }
    });
}

/// The memory of this process, in KiB; 0 where the system does not tell it in a file.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_default()
}

/// The rounds that each thread makes are the argument; each has an answer, a panic, an error and a stream. Prints by how
/// much the memory has grown since a first tenth of them.
fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(50);
    std::panic::set_hook(Box::new(|_| ()));
    assert_eq!(call_hook(symbols::faas_init).status, 0);
    all_threads(count / 10);
    let before = memory_kib();
    all_threads(count - count / 10);
    println!("grown by {} KiB", memory_kib().saturating_sub(before));
    let calls = invoke(symbols::handle, r#"{"mood":"count"}"#).data().parse();
    assert_eq!(calls, Ok(THREADS * count * 4 + 1));
    // SAFETY: no handler is running.
    unsafe { faas_shutdown() };
}
