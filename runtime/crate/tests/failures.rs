//! Errors and panics, of handlers and of hooks.

mod support;

use faas::{BoxError, Error, ErrorType, LambdaContext};
use faas_function as faas;
use serde_json::Value;
use std::fmt;
use std::panic::{catch_unwind, panic_any, resume_unwind, set_hook};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use support::{call_hook, Outcome, Symbol};

faas::export!(
    text,
    own_type,
    parsed,
    boxed,
    boxed_own,
    io_error,
    shop,
    shop_text,
    displayed,
    panics,
    caught,
    init = connect,
    before_snapshot = refuse,
    after_restore = panic_at_once
);
symbols!(
    text own_type parsed boxed boxed_own io_error shop shop_text displayed panics caught;
    faas_init faas_before_snapshot faas_after_restore
);

/// The panic hook belongs to the whole process. A test that sets it, or depends on it, takes this lock.
static HOOKS: Mutex<()> = Mutex::new(());

/// Calls a handler. The runtime calls `faas_init` first.
fn invoke(symbol: Symbol, payload: impl AsRef<[u8]>) -> Outcome {
    static INIT: Once = Once::new();
    INIT.call_once(|| assert_eq!(call_hook(symbols::faas_init).status, 0));
    support::invoke(symbol, payload)
}

static MAKES_A_HOOK: AtomicU32 = AtomicU32::new(0);

fn connect() -> Result<(), String> {
    if MAKES_A_HOOK.load(Ordering::Relaxed) > 0 {
        set_counting_hook();
    }
    Ok(())
}

fn refuse() -> Result<(), BoxError> {
    std::fs::read("/no/such/file")
        .map_err(|cause| Error::new("Function.NoSettings", "/no/such/file cannot be read").caused_by(cause))?;
    Ok(())
}

fn panic_at_once() -> Result<(), String> {
    panic!("at once")
}

fn text(_: Value, _: &LambdaContext) -> Result<(), String> {
    Err("not\0today: Grüße".to_string())
}

fn own_type(_: Value, _: &LambdaContext) -> Result<(), Error> {
    Err(Error::new("Function.OutOfStock", "none left"))
}

fn parsed(_: Value, _: &LambdaContext) -> Result<i32, std::num::ParseIntError> {
    "x".parse()
}

#[derive(Debug)]
struct Outer(BoxError);

impl fmt::Display for Outer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the order cannot be read")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let cause: &(dyn std::error::Error + Send + Sync) = self.0.as_ref();
        Some(cause)
    }
}

fn boxed(_: Value, _: &LambdaContext) -> Result<i32, BoxError> {
    Ok("x".parse().map_err(|cause| Outer(Box::new(cause)))?)
}

fn boxed_own(_: Value, _: &LambdaContext) -> Result<i32, BoxError> {
    let cause = Error::new("Function.OutOfStock", "none left");
    Err(Outer(cause.into()).into())
}

fn io_error(_: Value, _: &LambdaContext) -> Result<(), Error> {
    Err(std::io::Error::other(Outer("x".parse::<u8>().unwrap_err().into())))?
}

#[derive(Debug)]
enum Shop {
    Closed(std::num::ParseIntError),
}

impl fmt::Display for Shop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the shop is closed")
    }
}

impl std::error::Error for Shop {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let Shop::Closed(cause) = self;
        Some(cause)
    }
}

impl ErrorType for Shop {
    fn error_type(&self) -> &str {
        "Function.Closed"
    }
}

impl From<Shop> for Error {
    fn from(shop: Shop) -> Self {
        Error::new("Function.FromShop", shop.to_string())
    }
}

fn shop(_: Value, _: &LambdaContext) -> Result<i32, Shop> {
    "x".parse().map_err(Shop::Closed)
}

struct ShopText;

impl fmt::Display for ShopText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed")
    }
}

impl ErrorType for ShopText {
    fn error_type(&self) -> &str {
        "Function.Text"
    }
}

fn shop_text(_: Value, _: &LambdaContext) -> Result<i32, ShopText> {
    Err(ShopText)
}

/// It has no `Debug`, is not `Send`, and is no `std::error::Error`.
struct Displayed(std::rc::Rc<str>);

impl fmt::Display for Displayed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn displayed(_: Value, _: &LambdaContext) -> Result<i32, Displayed> {
    Err(Displayed("displayed".into()))
}

#[test]
fn errors() {
    for (symbol, kind, message, trace) in [
        (
            symbols::text as Symbol,
            "Function.Error",
            "not\u{fffd}today: Grüße",
            &[][..],
        ),
        (symbols::own_type, "Function.OutOfStock", "none left", &[]),
        (symbols::parsed, "Function.Error", "invalid digit found in string", &[]),
        (
            symbols::boxed,
            "Function.Error",
            "the order cannot be read",
            &["caused by: invalid digit found in string"],
        ),
        (
            symbols::boxed_own,
            "Function.OutOfStock",
            "the order cannot be read",
            &["caused by: none left"],
        ),
        (
            symbols::io_error,
            "Function.Error",
            "the order cannot be read",
            &["caused by: invalid digit found in string"],
        ),
        (
            symbols::shop,
            "Function.Closed",
            "the shop is closed",
            &["caused by: invalid digit found in string"],
        ),
        (symbols::shop_text, "Function.Text", "closed", &[]),
        (symbols::displayed, "Function.Error", "displayed", &[]),
    ] {
        let outcome = invoke(symbol, "{}");
        assert_eq!(outcome.error(), (kind, message));
        assert_eq!(causes(&outcome.trace()), trace, "{message}");
    }
}

/// The causes in a stack trace, without the frames that RUST_BACKTRACE adds.
fn causes<'a>(trace: &[&'a str]) -> Vec<&'a str> {
    trace
        .iter()
        .copied()
        .filter(|line| line.starts_with("caused by: "))
        .collect()
}

fn panics(event: Value, _: &LambdaContext) -> Result<(), String> {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("and again");
        }
    }
    match event.as_str() {
        Some("text") => fail(),
        Some("number") => panic_any(7),
        Some("bomb") => panic_any(Bomb),
        Some("silent") => resume_unwind(Box::new("silent")),
        Some("hook") => {
            set_counting_hook();
            panic!("seen by the new hook only")
        }
        _ => panic!("thread {event}\0"),
    }
}

const LINE_OF_THE_PANIC: u32 = line!() + 3;

fn fail() -> Result<(), String> {
    panic!("something is wrong");
}

#[test]
fn panics_are_errors_with_a_place() {
    let _alone = HOOKS.lock();
    let outcome = invoke(symbols::panics, "\"text\"");
    assert_eq!(outcome.error(), ("Function.Panic", "something is wrong"));
    let place = outcome.trace()[0].to_string();
    assert!(
        place.ends_with(&format!("failures.rs:{LINE_OF_THE_PANIC}:5")),
        "{place}"
    );

    let outcome = invoke(symbols::panics, "7");
    assert_eq!(outcome.error(), ("Function.Panic", "thread 7\u{fffd}"));
    assert!(outcome.trace.is_some());
}

/// The frames are there if RUST_BACKTRACE asks for them.
#[test]
fn a_backtrace_has_only_frames_of_the_author() {
    let _alone = HOOKS.lock();
    let trace = invoke(symbols::panics, "\"text\"");
    for outcome in [trace, invoke(symbols::own_type, "{}")] {
        let strange: Vec<_> = outcome
            .trace()
            .into_iter()
            .filter(|line| line.contains("faas_function::") || line.starts_with("core::"))
            .map(String::from)
            .collect();
        assert_eq!(strange, [""; 0]);
    }
}

#[test]
fn panics_with_other_values() {
    for event in ["\"number\"", "\"bomb\""] {
        let outcome = invoke(symbols::panics, event);
        assert_eq!(outcome.error(), ("Function.Panic", "the function panicked"));
    }
}

fn caught(_: Value, _: &LambdaContext) -> Result<(), String> {
    assert!(catch_unwind(|| panic!("caught")).is_err());
    Err("an error".to_string())
}

#[test]
fn the_place_is_never_that_of_an_older_panic() {
    let outcome = invoke(symbols::caught, "{}");
    assert_eq!((outcome.error().1, &outcome.trace), ("an error", &None));
    let outcome = invoke(symbols::panics, "\"silent\"");
    assert_eq!((outcome.error().1, &outcome.trace), ("silent", &None));
}

static HOOK_CALLS: AtomicU32 = AtomicU32::new(0);

fn set_counting_hook() {
    set_hook(Box::new(|_| {
        HOOK_CALLS.fetch_add(1, Ordering::Relaxed);
    }));
}

fn place_of_a_panic() -> Option<String> {
    invoke(symbols::panics, "1").trace
}

#[test]
fn a_panic_hook_set_in_init_keeps_places() {
    let _alone = HOOKS.lock();
    MAKES_A_HOOK.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(call_hook(symbols::faas_init).status, 0);
        let calls = HOOK_CALLS.load(Ordering::Relaxed);
        assert!(place_of_a_panic().expect("a place").contains("failures.rs"));
        assert!(HOOK_CALLS.load(Ordering::Relaxed) > calls);
    }
    MAKES_A_HOOK.store(0, Ordering::Relaxed);
}

#[test]
fn a_panic_hook_set_in_the_handler_keeps_places_of_later_panics() {
    let _alone = HOOKS.lock();
    assert_eq!(invoke(symbols::panics, "\"hook\"").trace, None);
    assert!(place_of_a_panic().is_some());
}

#[test]
fn each_thread_reports_its_own_panic() {
    let _alone = HOOKS.lock();
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for _ in 0..8 {
                    let outcome = invoke(symbols::panics, number.to_string());
                    assert_eq!(outcome.error().1, format!("thread {number}\u{fffd}"));
                    assert!(outcome.trace.is_some());
                }
            });
        }
    });
}

#[test]
fn hooks() {
    let _alone = HOOKS.lock();
    let outcome = call_hook(symbols::faas_init);
    assert_eq!((outcome.status, outcome.error), (0, None));
    let outcome = call_hook(symbols::faas_before_snapshot);
    assert_eq!(outcome.error(), ("Function.NoSettings", "/no/such/file cannot be read"));
    assert_eq!(
        causes(&outcome.trace()),
        ["caused by: No such file or directory (os error 2)"]
    );
    let outcome = call_hook(symbols::faas_after_restore);
    assert_eq!(outcome.error(), ("Function.Panic", "at once"));
    assert!(outcome.trace.is_some());
}
