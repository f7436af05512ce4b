//! Catches panics and turns them into errors. No panic may unwind into C.

use crate::error::{frames, Report};
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// Where this thread panicked last: the place, then the frames. Only a panic hook can find that out.
    static TRACE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Calls the author's code and turns a panic into an error.
pub(crate) fn catch<T>(call: impl FnOnce() -> Result<T, Report>) -> Result<T, Report> {
    note_places();
    TRACE.take(); // may hold an older panic that the function caught itself

    // A panic may leave values half changed. They are the author's, and the process goes on, as after a panic in a
    // thread.
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    outcome.unwrap_or_else(|panicked| {
        let trace = TRACE.take();
        Err(Report {
            kind: "Function.Panic".to_string(),
            message: message(panicked),
            trace,
        })
    })
}

/// Whether the hook of `note_places` is set.
static NOTING: AtomicBool = AtomicBool::new(false);

/// Owned by the hook: it is dropped, and clears `NOTING`, when another hook replaces this one.
struct HookGuard;

impl Drop for HookGuard {
    fn drop(&mut self) {
        NOTING.store(false, Ordering::Release);
    }
}

/// Sets a panic hook that notes where a panic happened, and then calls the previous hook, which usually prints it.
fn note_places() {
    if NOTING.load(Ordering::Acquire) || NOTING.swap(true, Ordering::AcqRel) {
        return;
    }
    let guard = HookGuard;
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let _kept = &guard;
        let mut trace: Vec<_> = information.location().map(ToString::to_string).into_iter().collect();
        trace.extend(frames(&Backtrace::capture()));
        // A thread that is about to end may have destroyed its TRACE.
        let _ = TRACE.try_with(|last| last.replace(trace));
        previous(information);
    }));
}

fn message(panicked: Box<dyn Any + Send>) -> String {
    let panicked = match panicked.downcast::<String>() {
        Ok(text) => return *text,
        Err(other) => other,
    };
    let panicked = match panicked.downcast::<&str>() {
        Ok(text) => return (*text).to_string(),
        Err(other) => other,
    };
    drop_quietly(panicked);
    "the function panicked".to_string()
}

/// Drops what a panic carried. Its destructor is the author's code too, and may panic, with a value that has a
/// destructor again.
fn drop_quietly(mut panicked: Box<dyn Any + Send>) {
    for _ in 0..8 {
        match panic::catch_unwind(AssertUnwindSafe(|| drop(panicked))) {
            Ok(()) => return,
            Err(again) => panicked = again,
        }
    }
    mem::forget(panicked);
}
