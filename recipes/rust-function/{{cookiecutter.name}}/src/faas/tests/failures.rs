//! Errors and panics, of handlers and of hooks.

use super::{call_hook, invoke, Handler};
use crate::faas::{run_shutdown, Error};
use serde_json::json;
use std::panic::{catch_unwind, panic_any, resume_unwind, set_hook};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;
use std::thread;

/// The panic hook belongs to the whole process. A test that sets it, or depends on it, takes this lock.
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
fn panics_are_errors_with_a_location() {
    let _alone = HOOKS.lock();
    let outcome = invoke::<String>(|_, _| panic!("something is wrong"), "{}");
    let line = line!() - 1;
    assert_eq!(outcome.error(), ("Function.Panic", "something is wrong"));
    let location = outcome.stack_trace.expect("a location");
    assert!(
        location.contains(&format!("failures.rs:{line}:")),
        "{location}"
    );

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
fn location_is_never_that_of_an_older_panic() {
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

static HOOK_CALLS: AtomicU32 = AtomicU32::new(0);

fn set_counting_hook() {
    set_hook(Box::new(|_| {
        HOOK_CALLS.fetch_add(1, Ordering::Relaxed);
    }));
}

fn location_of_a_panic() -> Option<String> {
    invoke::<String>(|_, _| panic!("with a location"), "{}").stack_trace
}

#[test]
fn a_panic_hook_set_in_init_keeps_locations() {
    let _alone = HOOKS.lock();
    for _ in 0..3 {
        let outcome = call_hook::<String>(|| {
            set_counting_hook();
            Ok(())
        });
        assert_eq!(outcome.status, 0);
        let calls = HOOK_CALLS.load(Ordering::Relaxed);
        assert!(location_of_a_panic()
            .expect("a location")
            .contains("failures.rs"));
        assert!(HOOK_CALLS.load(Ordering::Relaxed) > calls);
    }
}

#[test]
fn a_panic_hook_set_in_the_handler_keeps_locations_of_later_panics() {
    let _alone = HOOKS.lock();
    let outcome = invoke::<String>(
        |_, _| {
            set_counting_hook();
            panic!("seen by the new hook only")
        },
        "{}",
    );
    assert_eq!(outcome.stack_trace, None);
    assert!(location_of_a_panic().is_some());
}

#[test]
fn each_thread_reports_its_own_panic() {
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
