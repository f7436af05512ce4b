//! Panics, caught and described: none may cross into C.

use super::Error;
use std::any::Any;
use std::cell::RefCell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// Where this thread panicked last; only a panic hook is told.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls what the author wrote; a panic becomes an error.
pub(super) fn catch<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    note_locations();
    LOCATION.take(); // of a panic that the function caught itself
                     // Half-changed values that a panic leaves behind are the author's: the process lives on, as a thread would.
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    outcome.unwrap_or_else(|panicked| {
        let location = LOCATION.take();
        let message = message(panicked);
        Err(Error {
            location,
            ..Error::new("Function.Panic", message)
        })
    })
}

/// Whether the hook below is set.
static NOTES: AtomicBool = AtomicBool::new(false);

/// Belongs to the hook, and so tells when somebody has set another one in its place.
struct Noting;

impl Drop for Noting {
    fn drop(&mut self) {
        NOTES.store(false, Ordering::Release);
    }
}

/// Notes from now on where panics happen, besides what was done about them before: printing them, usually.
fn note_locations() {
    if NOTES.load(Ordering::Acquire) || NOTES.swap(true, Ordering::AcqRel) {
        return;
    }
    let noting = Noting;
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        let _kept = &noting;
        let location = information.location().map(ToString::to_string);
        // A thread that is about to end may have no LOCATION any more.
        let _ = LOCATION.try_with(|last| last.replace(location));
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
    // Its destructor is the author's as well, and may panic in turn.
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(panicked))) {
        mem::forget(again);
    }
    "the function panicked".to_string()
}
