//! The signatures of handlers, events, answers and the context.

mod support;

use faas::{LambdaContext, Reply};
use faas_function as faas;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::ptr;
use support::{invoke, request, send};

faas::export!(
    echo,
    by_value,
    typed,
    borrowed,
    by_reference,
    raw,
    raw_reply,
    bytes,
    reply,
    unit,
    context
);
symbols!(echo by_value typed borrowed by_reference raw raw_reply bytes reply unit context);

fn echo(payload: &Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(payload.clone())
}

fn by_value(payload: Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(payload)
}

#[derive(Deserialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    count: u32,
}

#[derive(Serialize)]
struct Total {
    total: u32,
}

fn typed(order: Order, _: &LambdaContext) -> Result<Total, String> {
    Ok(Total {
        total: order.items.iter().map(|item| item.count).sum(),
    })
}

fn by_reference(order: &Order, _: &LambdaContext) -> Result<usize, String> {
    Ok(order.items.len())
}

#[derive(Deserialize)]
struct Name<'a> {
    name: &'a str,
}

fn borrowed(event: Name<'_>, _: &LambdaContext) -> Result<String, String> {
    Ok(event.name.to_uppercase())
}

fn raw(payload: &[u8], _: &LambdaContext) -> Result<Vec<u8>, String> {
    Ok(payload.iter().rev().copied().collect())
}

fn raw_reply(payload: &[u8], _: &LambdaContext) -> Result<Reply, String> {
    Ok(Reply::new("image/png", payload))
}

fn bytes(_: Value, _: &LambdaContext) -> Result<Vec<u8>, String> {
    Ok(vec![1, 2])
}

fn reply(_: Value, _: &LambdaContext) -> Result<Reply, String> {
    Ok(Reply::new("text/plain", "Grüße"))
}

fn unit(_: Value, _: &LambdaContext) -> Result<(), String> {
    Ok(())
}

fn context(payload: Value, context: &LambdaContext) -> Result<Value, String> {
    if payload != Value::Null {
        return Ok(Value::Null);
    }
    assert!(context.remaining().expect("a deadline").as_secs() > 0);
    assert!(context.stream("text/plain").is_err());
    Ok(json!([
        [
            context.request_id,
            context.invocation_id,
            context.function_arn,
            context.trace_id
        ],
        [context.client_context, context.cognito_identity, context.tenant_id],
        [context.function_name, context.function_version, context.log_group],
        [context.log_stream, context.deadline_ms, context.memory_limit_mb],
    ]))
}

#[test]
fn json_is_returned_unchanged() {
    for payload in ["[1,2.5,null]", r#"{"a":{"b":"Grüße \" \\ \n"}}"#, "\"\"", "0"] {
        assert_eq!(invoke(symbols::echo, payload).data(), payload);
        assert_eq!(invoke(symbols::by_value, payload).data(), payload);
    }
}

#[test]
fn empty_payload_is_null() {
    assert_eq!(invoke(symbols::echo, "").data(), "null");
    let mut request = request(&[]);
    request.payload = ptr::null();
    assert_eq!(send(symbols::by_value, &request).data(), "null");
    assert_eq!(send(symbols::raw, &request).data(), "");
}

#[test]
fn huge_payload() {
    let payload = format!("[\"{}\",\"end\"]", "Grüße ".repeat(4 << 20));
    assert!(payload.len() > 32 << 20);
    assert!(invoke(symbols::echo, &payload).data() == payload);
}

#[test]
fn typed_events() {
    let event = r#"{"items":[{"count":1},{"count":41}]}"#;
    assert_eq!(invoke(symbols::typed, event).data(), r#"{"total":42}"#);
    assert_eq!(invoke(symbols::by_reference, event).data(), "2");
    assert_eq!(invoke(symbols::borrowed, r#"{"name":"ada"}"#).data(), "\"ADA\"");
}

#[test]
fn an_event_that_does_not_fit_is_refused_with_its_field() {
    for symbol in [symbols::typed, symbols::by_reference] {
        let outcome = invoke(symbol, r#"{"items":[{"count":1},{"count":"x"}]}"#);
        assert_eq!(
            outcome.error(),
            (
                "Function.InvalidPayload",
                "the event does not fit: items[1].count: invalid type: string \"x\", expected u32 at line 1 column 34"
            )
        );
    }
    let outcome = invoke(symbols::typed, "null");
    assert!(outcome
        .error()
        .1
        .starts_with("the event does not fit: the whole event: "));
}

#[test]
fn a_payload_that_is_not_json_is_refused() {
    let deep = "[".repeat(100_000);
    for payload in ["{", "{} {}", "nul\0", &deep] {
        refused(payload);
    }
    refused(b"\"\xff\"");
    refused(b"\xff");
}

fn refused(payload: impl AsRef<[u8]>) {
    let outcome = invoke(symbols::by_value, payload);
    let (kind, message) = outcome.error();
    assert_eq!(kind, "Function.InvalidPayload");
    assert!(message.starts_with("the payload is not JSON: "), "{message}");
    assert_eq!(outcome.trace, None);
}

#[test]
fn raw_events_are_the_payload_as_it_is() {
    let outcome = invoke(symbols::raw, b"{\xff\0");
    assert_eq!(
        (outcome.data.as_slice(), &outcome.content_type),
        (&b"\0\xff{"[..], &None)
    );
    let outcome = invoke(symbols::raw_reply, "\u{1}");
    assert_eq!(
        (outcome.data(), outcome.content_type.as_deref()),
        ("\u{1}", Some("image/png"))
    );
}

#[test]
fn answers() {
    assert_eq!(invoke(symbols::bytes, "{}").data(), "[1,2]");
    assert_eq!(invoke(symbols::unit, "{}").data(), "null");
    let outcome = invoke(symbols::reply, "{}");
    assert_eq!(
        (outcome.data(), outcome.content_type.as_deref()),
        ("Grüße", Some("text/plain"))
    );
}

#[test]
fn context_holds_the_fields_of_the_request() {
    let mut request = request(b"");
    request.memory_limit_mb = 512;
    request.invocation_id = c"i-1".as_ptr();
    request.deadline_ms = 99_000_000_000_123;
    request.function_arn = c"arn:1".as_ptr();
    request.trace_id = c"Root=1".as_ptr();
    request.client_context = c"{\"w3c\":{}}".as_ptr();
    request.cognito_identity = c"{\"id\":1}".as_ptr();
    request.tenant_id = c"tenant".as_ptr();
    request.function_name = c"name".as_ptr();
    request.function_version = c"$LATEST".as_ptr();
    request.log_group = c"group".as_ptr();
    request.log_stream = c"not UTF-8: \xff".as_ptr();
    let expected = json!([
        ["r-1", "i-1", "arn:1", "Root=1"],
        ["{\"w3c\":{}}", "{\"id\":1}", "tenant"],
        ["name", "$LATEST", "group"],
        ["not UTF-8: \u{fffd}", 99_000_000_000_123_i64, 512],
    ]);
    assert_eq!(send(symbols::context, &request).data(), expected.to_string());
}

#[test]
fn deadlines() {
    let with = |deadline_ms| LambdaContext {
        deadline_ms,
        ..LambdaContext::default()
    };
    assert_eq!(with(0).remaining(), None);
    assert_eq!(with(-1).remaining(), None);
    assert_eq!(with(1).remaining().map(|left| left.as_nanos()), Some(0));
}
