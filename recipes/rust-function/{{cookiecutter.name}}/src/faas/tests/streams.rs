//! Responses that are sent in pieces.

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
    // SAFETY: the stream is the response that `stream` below passes.
    let content_type = unsafe { text((*stream.cast::<Response>()).content_type) };
    let piece = String::from_utf8_lossy(bytes(data, len)).into_owned();
    SENT.with_borrow_mut(|sent| {
        sent.push(format!("{}: {piece}", content_type.unwrap_or_default()))
    });
    i32::from(piece == "gone")
}

/// Calls a handler that may stream. Returns the pieces that were sent, and the outcome.
fn stream<E: Into<Error>>(handler: Handler<E>, payload: &str) -> (Vec<String>, Outcome) {
    let mut response = response();
    let mut request = request(payload.as_bytes());
    let response_pointer = ptr::addr_of_mut!(response);
    request.write = Some(take);
    request.stream = response_pointer.cast();
    // SAFETY: both are like those that the runtime passes.
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
        (outcome.data(), outcome.content_type.as_deref()),
        ("", Some("text/plain"))
    );
}

#[test]
fn return_value_is_sent_last() {
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
        (outcome.data(), outcome.content_type.as_deref()),
        ("{}", Some("application/x-ndjson"))
    );
}

#[test]
fn null_is_returned_unless_there_is_a_stream() {
    let (sent, outcome) = stream(echo, "null");
    assert_eq!(
        (sent.len(), outcome.data(), &outcome.content_type),
        (0, "null", &None)
    );
}

#[test]
fn broken_pipe_when_the_caller_is_gone() {
    let (sent, outcome) = stream::<Error>(
        |_, context| {
            let mut out = context.stream("text/plain")?;
            let error = out.write_all(b"gone").expect_err("the caller is gone");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            Err(error.into())
        },
        "{}",
    );
    assert_eq!(sent, ["text/plain: gone"]);
    assert_eq!(
        outcome.error(),
        (
            "Function.Error",
            "the caller no longer receives the response"
        )
    );
    assert_eq!(outcome.content_type.as_deref(), Some("text/plain"));
}

#[test]
fn panic_in_a_stream() {
    let (sent, outcome) = stream::<Error>(
        |_, context| {
            context.stream("text/plain")?.write_all(b"begun")?;
            panic!("in the middle");
        },
        "{}",
    );
    assert_eq!(sent, ["text/plain: begun"]);
    assert_eq!(outcome.error(), ("Function.Panic", "in the middle"));
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
    let error = out.write(b"late").expect_err("the invocation is over");
    assert_eq!(
        (error.kind(), SENT.take().len()),
        (ErrorKind::BrokenPipe, 0)
    );
    let error = context
        .stream("text/plain")
        .expect_err("the invocation is over");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

thread_local! {
    static LEAKED: Cell<Option<(&'static LambdaContext, Stream<'static>)>> = const { Cell::new(None) };
}
