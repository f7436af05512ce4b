//! Payloads, responses and the context.

use super::{echo, invoke, request, send};
use crate::faas::LambdaContext;
use serde_json::json;
use std::ptr;

#[test]
fn json_is_returned_unchanged() {
    for payload in [
        "[1,2.5,null]",
        r#"{"a":{"b":"Grüße \" \\ \n"}}"#,
        "\"\"",
        "0",
    ] {
        assert_eq!(invoke(echo, payload).data(), payload);
    }
}

#[test]
fn empty_payload_is_null() {
    assert_eq!(invoke(echo, "").data(), "null");
    let mut request = request(&[]);
    request.payload = ptr::null();
    assert_eq!(send(echo, &request).data(), "null");
}

#[test]
fn huge_payload() {
    let payload = format!("[\"{}\",\"end\"]", "Grüße ".repeat(4 << 20));
    assert!(payload.len() > 32 << 20);
    assert!(invoke(echo, &payload).data() == payload);
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
    let outcome = invoke::<String>(|_, _| unreachable!(), payload);
    let (kind, message) = outcome.error();
    assert_eq!(kind, "Function.InvalidPayload");
    assert!(
        message.starts_with("the payload is not JSON: "),
        "{message}"
    );
    assert_eq!(outcome.stack_trace, None);
}

#[test]
fn context_holds_the_fields_of_the_request() {
    let mut request = request(b"{}");
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
    let outcome = send::<String>(
        |_, context| {
            assert!(context.remaining().expect("a deadline").as_secs() > 0);
            assert!(context.stream("text/plain").is_err());
            Ok(json!([
                [
                    context.request_id,
                    context.invocation_id,
                    context.function_arn,
                    context.trace_id
                ],
                [
                    context.client_context,
                    context.cognito_identity,
                    context.tenant_id
                ],
                [
                    context.function_name,
                    context.function_version,
                    context.log_group
                ],
                [
                    context.log_stream,
                    context.deadline_ms,
                    context.memory_limit_mb
                ],
            ]))
        },
        &request,
    );
    let expected = json!([
        ["r-1", "i-1", "arn:1", "Root=1"],
        ["{\"w3c\":{}}", "{\"id\":1}", "tenant"],
        ["name", "$LATEST", "group"],
        ["not UTF-8: \u{fffd}", 99_000_000_000_123_i64, 512],
    ]);
    assert_eq!(outcome.data(), expected.to_string());
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
