//! Answers that are sent in pieces.

use super::{bytes, echo, request, response, text, Handler, Outcome};
use crate::faas::abi::Response;
use crate::faas::{run, Error, LambdaContext, Stream};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::io::{ErrorKind, Write};
use std::ptr;

thread_local! {
    static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn take(stream: *mut c_void, data: *const c_void, len: usize) -> i32 {
    // SAFETY: the stream is the response that the tests below give.
    let content_type = unsafe { text((*stream.cast::<Response>()).content_type) };
    let piece = String::from_utf8_lossy(bytes(data, len)).into_owned();
    SENT.with_borrow_mut(|sent| {
        sent.push(format!("{}: {piece}", content_type.unwrap_or_default()))
    });
    i32::from(piece == "gone")
}

/// Calls a handler that may stream: what was sent, and what was left to the end.
fn stream<E: Into<Error>>(handler: Handler<E>, payload: &str) -> (Vec<String>, Outcome) {
    let mut response = response();
    let mut request = request(payload.as_bytes());
    let response_pointer = ptr::addr_of_mut!(response);
    request.write = Some(take);
    request.stream = response_pointer.cast();
    // SAFETY: both are as the runtime gives them.
    let status = unsafe { run(handler, &request, response_pointer) };
    (SENT.take(), Outcome::take(status, response))
}

#[test]
fn pieces_are_sent_at_once() {
    let (sent, outcome) = stream::<Error>(
        |payload, context| {
            let mut out = context.stream("text/plain")?;
            write!(out, "{}", payload["a"])?;
            out.write_all(b"")?;
            out.write_all("ü".as_bytes())?;
            out.flush()?;
            Ok(Value::Null)
        },
        "{\"a\":1}",
    );
    assert_eq!(sent, ["text/plain: 1", "text/plain: ü"]);
    assert_eq!(
        (outcome.answer(), outcome.content_type.as_deref()),
        ("", Some("text/plain"))
    );
}

#[test]
fn answer_is_sent_last() {
    let (sent, outcome) = stream::<Error>(
        |payload, context| {
            context.stream("text/plain")?;
            let mut out = context.stream("application/x-ndjson")?;
            writeln!(out, "1")
                .map(|()| payload.clone())
                .map_err(Into::into)
        },
        "{}",
    );
    assert_eq!(sent.concat().replace("application/x-ndjson: ", ""), "1\n");
    assert_eq!(
        (outcome.answer(), outcome.content_type.as_deref()),
        ("{}", Some("application/x-ndjson"))
    );
}

#[test]
fn null_is_an_answer_unless_there_is_a_stream() {
    let (sent, outcome) = stream(echo, "null");
    assert_eq!(
        (sent.len(), outcome.answer(), &outcome.content_type),
        (0, "null", &None)
    );
}

#[test]
fn broken_pipe_when_nobody_is_there() {
    let (sent, outcome) = stream::<Error>(
        |_, context| {
            let mut out = context.stream("text/plain")?;
            let error = out.write_all(b"gone").expect_err("nobody is there");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            Err(error.into())
        },
        "{}",
    );
    assert_eq!(sent, ["text/plain: gone"]);
    assert_eq!(
        outcome.error(),
        ("Function.Error", "nobody takes the answer any more")
    );
    assert_eq!(outcome.content_type.as_deref(), Some("text/plain"));
}

#[test]
fn panic_in_mid_stream() {
    let (sent, outcome) = stream::<Error>(
        |_, context| {
            context.stream("text/plain")?.write_all(b"begun")?;
            panic!("half-way");
        },
        "{}",
    );
    assert_eq!(sent, ["text/plain: begun"]);
    assert_eq!(outcome.error(), ("Function.Panic", "half-way"));
}

#[test]
fn no_stream_outlives_its_invocation() {
    let (_, outcome) = stream::<Error>(
        |_, context| {
            let leaked: &'static LambdaContext = Box::leak(Box::new(context.clone()));
            LEAKED.set(Some((leaked, leaked.stream("text/plain")?)));
            Ok(Value::Null)
        },
        "{}",
    );
    assert_eq!(outcome.status, 0);
    let (context, mut out) = LEAKED.take().expect("a stream");
    let error = out.write(b"late").expect_err("it is over");
    assert_eq!(
        (error.kind(), SENT.take().len()),
        (ErrorKind::BrokenPipe, 0)
    );
    let error = context.stream("text/plain").expect_err("it is over");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

thread_local! {
    static LEAKED: Cell<Option<(&'static LambdaContext, Stream<'static>)>> = const { Cell::new(None) };
}
