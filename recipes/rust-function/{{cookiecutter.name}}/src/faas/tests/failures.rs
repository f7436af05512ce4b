//! Errors and panics, of handlers and of hooks.

use super::{call_hook, invoke, Handler};
use crate::faas::{run_shutdown, Error};
use serde_json::json;
use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::thread;

#[test]
fn errors() {
    let outcome = invoke(|_, _| Err("not\0today: Grüße".to_string()), "{}");
    assert_eq!(
        outcome.error(),
        ("Function.Error", "not\u{fffd}today: Grüße")
    );
    assert_eq!(outcome.stack_trace, None);

    let outcome = invoke(
        |_, _| Err(Error::new("Function.OutOfStock", "none left")),
        "{}",
    );
    assert_eq!(outcome.error(), ("Function.OutOfStock", "none left"));

    let outcome = invoke::<Error>(|_, _| Ok(json!("x".parse::<i32>()?)), "{}");
    assert_eq!(
        outcome.error(),
        ("Function.Error", "invalid digit found in string")
    );
}

#[test]
fn panics_are_errors_with_their_place() {
    let outcome = invoke::<String>(|_, _| panic!("in a bad mood"), "{}");
    let line = line!() - 1;
    assert_eq!(outcome.error(), ("Function.Panic", "in a bad mood"));
    let place = outcome.stack_trace.expect("a place");
    assert!(place.contains(&format!("failures.rs:{line}:")), "{place}");

    let outcome = invoke::<String>(|payload, _| panic!("number {payload}\0"), "7");
    assert_eq!(outcome.error(), ("Function.Panic", "number 7\u{fffd}"));
    assert!(outcome.stack_trace.is_some());
}

#[test]
fn panics_with_other_values() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("and again");
        }
    }
    let outcome = invoke::<String>(|_, _| panic_any(7), "{}");
    assert_eq!(outcome.error(), ("Function.Panic", "the function panicked"));
    let outcome = invoke::<String>(|_, _| panic_any(Bomb), "{}");
    assert_eq!(outcome.error(), ("Function.Panic", "the function panicked"));
}

#[test]
fn place_is_never_that_of_an_older_panic() {
    let outcome = invoke(
        |_, _| {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            Err("an error".to_string())
        },
        "{}",
    );
    assert_eq!(
        (outcome.error().1, &outcome.stack_trace),
        ("an error", &None)
    );
    let outcome = invoke::<String>(|_, _| resume_unwind(Box::new("silent")), "{}");
    assert_eq!((outcome.error().1, &outcome.stack_trace), ("silent", &None));
}

#[test]
fn threads_panic_each_for_itself() {
    let handler: Handler<String> = |payload, _| panic!("thread {payload}");
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for _ in 0..8 {
                    let outcome = invoke(handler, number.to_string());
                    assert_eq!(outcome.error().1, format!("thread {number}"));
                    assert!(outcome.stack_trace.is_some());
                }
            });
        }
    });
}

#[test]
fn hooks() {
    let outcome = call_hook::<String>(|| Ok(()));
    assert_eq!((outcome.status, outcome.error), (0, None));
    let outcome = call_hook(|| Err("no database"));
    assert_eq!(outcome.error(), ("Function.Error", "no database"));
    let outcome = call_hook::<String>(|| panic!("at once"));
    assert_eq!(outcome.error(), ("Function.Panic", "at once"));
    assert!(outcome.stack_trace.is_some());
    run_shutdown(|| ());
    run_shutdown(|| panic!("stopped here"));
}
