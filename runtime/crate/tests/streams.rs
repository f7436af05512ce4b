//! Responses that are sent in pieces.

mod support;

use faas::{BoxError, HttpHead, LambdaContext, Stream};
use faas_function as faas;
use serde_json::{json, Value};
use std::cell::Cell;
use std::io::{ErrorKind, Write};
use support::{sent, stream};

faas::export!(pieces, last, echo, gone, fails_early, fails_late, panics, leaks, http);
symbols!(pieces last echo gone fails_early fails_late panics leaks http);

fn pieces(event: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let mut out = context.stream("text/plain")?;
    write!(out, "{} and ", event["a"])?;
    writeln!(out, "{}", event["b"])?; // a newline sends all that was written
    out.write_all(b"")?;
    out.write_all("ü".as_bytes())?;
    out.flush()?;
    out.flush()?;
    out.write_all(&[b'x'; 8000])?;
    out.write_all(&[b'y'; 500])?; // together more than is kept back
    out.write_all(&[b'z'; 9000])?; // so long that it is not copied
    out.write_all(b"end")?;
    Ok(())
}

#[test]
fn pieces_are_sent_with_a_newline_when_many_came_together_and_at_the_end() {
    let (sent, outcome) = stream(symbols::pieces, r#"{"a":1,"b":2}"#);
    let plain = |text: String| format!("text/plain: {text}");
    assert_eq!(
        sent,
        [
            plain("1 and 2\n".into()),
            plain("ü".into()),
            plain("x".repeat(8000)),
            plain("y".repeat(500)),
            plain("z".repeat(9000)),
            plain("end".into())
        ]
    );
    assert_eq!(
        (outcome.data(), outcome.content_type.as_deref()),
        ("", Some("text/plain"))
    );
}

fn last(event: Value, context: &LambdaContext) -> Result<Value, BoxError> {
    context.stream("text/plain")?;
    let mut out = context.stream("application/x-ndjson")?;
    out.write_all(b"1")?;
    Ok(event)
}

#[test]
fn the_answer_is_sent_last() {
    let (sent, outcome) = stream(symbols::last, "{}");
    assert_eq!(sent, ["application/x-ndjson: 1"]);
    assert_eq!(
        (outcome.data(), outcome.content_type.as_deref()),
        ("{}", Some("application/x-ndjson"))
    );
    assert_eq!(stream(symbols::last, "null").1.data(), "");
}

fn echo(event: Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(event)
}

#[test]
fn null_is_returned_unless_there_is_a_stream() {
    let (sent, outcome) = stream(symbols::echo, "null");
    assert_eq!((sent.len(), outcome.data(), &outcome.content_type), (0, "null", &None));
}

fn gone(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let error = context
        .stream("text/plain")?
        .write_all(b"gone\n")
        .expect_err("the caller is gone");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    Err(error.into())
}

#[test]
fn broken_pipe_when_the_caller_is_gone() {
    let (sent, outcome) = stream(symbols::gone, "{}");
    assert_eq!(sent, ["text/plain: gone\n"]);
    let message = "the caller no longer receives the response";
    assert_eq!(outcome.error(), ("Function.Error", message));
    assert_eq!(outcome.content_type.as_deref(), Some("text/plain"));
}

fn fails_early(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    context.stream("text/plain")?.write_all(b"kept back")?;
    Err("too early".into())
}

fn fails_late(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let mut out = context.stream("text/plain")?;
    writeln!(out, "sent")?;
    out.write_all(b"kept back")?;
    Err("too late".into())
}

fn panics(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    context.stream("text/plain")?.write_all(b"begun\n")?;
    panic!("in the middle");
}

#[test]
fn a_failure_before_the_first_piece_is_an_ordinary_one() {
    let (sent, outcome) = stream(symbols::fails_early, "{}");
    assert_eq!((sent.len(), outcome.error()), (0, ("Function.Error", "too early")));
}

#[test]
fn a_failure_in_the_middle_follows_all_that_was_written() {
    let (sent, outcome) = stream(symbols::fails_late, "{}");
    assert_eq!(sent, ["text/plain: sent\n", "text/plain: kept back"]);
    assert_eq!(outcome.error(), ("Function.Error", "too late"));
    let (sent, outcome) = stream(symbols::panics, "{}");
    assert_eq!(sent, ["text/plain: begun\n"]);
    assert_eq!(outcome.error(), ("Function.Panic", "in the middle"));
}

fn http(event: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let head = HttpHead::new(201)
        .header("Content-Type", "text/event-stream")
        .header("Vary", "a")
        .header("vary", "b")
        .cookie("a=1; Secure")
        .cookie("b=2");
    let head = if event == Value::Null { HttpHead::new(204) } else { head };
    let mut out = context.http_stream(&head)?;
    writeln!(out, "data: 1")?;
    Ok(())
}

#[test]
fn the_head_of_an_http_response_is_sent_first() {
    let (sent, outcome) = stream(symbols::http, "{}");
    let http = "application/vnd.awslambda.http-integration-response";
    assert_eq!(outcome.content_type.as_deref(), Some(http));
    let text = sent.concat();
    let (head, body) = text
        .strip_prefix(&format!("{http}: "))
        .and_then(|text| text.split_once("\0\0\0\0\0\0\0\0"))
        .expect("a head and a body");
    assert_eq!(
        serde_json::from_str::<Value>(head).expect("JSON"),
        json!({
            "statusCode": 201,
            "headers": {"content-type": "text/event-stream", "vary": "a, b"},
            "cookies": ["a=1; Secure", "b=2"],
        })
    );
    assert_eq!(body, "data: 1\n");
    let (sent, _) = stream(symbols::http, "null");
    assert!(sent.concat().contains(": {\"statusCode\":204}\0"), "{sent:?}");
}

fn leaks(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    let leaked: &'static LambdaContext = Box::leak(Box::new(context.clone()));
    LEAKED.set(Some((leaked, leaked.stream("text/plain")?)));
    Ok(())
}

#[test]
fn no_stream_outlives_its_invocation() {
    let (_, outcome) = stream(symbols::leaks, "{}");
    assert_eq!(outcome.status, 0);
    let (context, mut out) = LEAKED.take().expect("a stream");
    for error in [
        out.write(b"late").expect_err("the invocation is over"),
        out.flush().expect_err("the invocation is over"),
    ] {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    assert_eq!(sent().len(), 0);
    let error = context.stream("text/plain").expect_err("the invocation is over");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // SAFETY: `leaks` made it of a box, and the stream, which does not read it, is not used any more.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(context).cast_mut()) });
}

thread_local! {
    static LEAKED: Cell<Option<(&'static LambdaContext, Stream<'static>)>> = const { Cell::new(None) };
}
