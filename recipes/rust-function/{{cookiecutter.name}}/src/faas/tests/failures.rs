//! Errors and panics, of handlers and of hooks.

use super::{call_hook, invoke, Handler};
use crate::faas::{run_shutdown, Error};
use serde_json::json;
use std::panic::{catch_unwind, panic_any, resume_unwind, set_hook};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::thread;

/// Hooks of panics are one for the whole process: tests that set one, or count on the one that is set, run alone.
static HOOKS: Mutex<()> = Mutex::new(());

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
    let _alone = HOOKS.lock();
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

static HEARD: AtomicU32 = AtomicU32::new(0);

fn listen() {
    set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
}

fn place_of_a_panic() -> Option<String> {
    invoke::<String>(|_, _| panic!("with a place"), "{}").stack_trace
}

#[test]
fn a_panic_hook_set_in_init_leaves_panics_their_place() {
    let _alone = HOOKS.lock();
    for _ in 0..3 {
        let outcome = call_hook::<String>(|| {
            listen();
            Ok(())
        });
        assert_eq!(outcome.status, 0);
        let heard = HEARD.load(Ordering::Relaxed);
        assert!(place_of_a_panic().expect("a place").contains("failures.rs"));
        assert!(HEARD.load(Ordering::Relaxed) > heard);
    }
}

#[test]
fn a_panic_hook_set_in_the_handler_leaves_later_panics_their_place() {
    let _alone = HOOKS.lock();
    let outcome = invoke::<String>(
        |_, _| {
            listen();
            panic!("heard by the new hook alone")
        },
        "{}",
    );
    assert_eq!(outcome.stack_trace, None);
    assert!(place_of_a_panic().is_some());
}

#[test]
fn threads_panic_each_for_itself() {
    let _alone = HOOKS.lock();
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
    let _alone = HOOKS.lock();
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
