//! Handlers of HTTP requests.

#![cfg(feature = "http")]

mod support;

use faas::http::lambda_http::{self, Context};
use faas::http::{Body, IntoResponse, Request, RequestExt, RequestPayloadExt, Response, StatusCode};
use faas::{BoxError, LambdaContext};
use faas_function as faas;
use serde_json::{json, Value};
use std::sync::Once;
use support::{call_hook, invoke, send, stream, Outcome, Symbol};

faas::export!(
    blocking,
    written_for_lambda_http,
    stateful,
    echo,
    headers,
    fails,
    contexts,
    init = connect
);
symbols!(blocking written_for_lambda_http stateful echo headers fails contexts; faas_init);

fn connect() -> Result<String, String> {
    Ok("the state".into())
}

fn blocking(request: Request) -> Result<Response<Body>, String> {
    Ok(Response::new(format!("{} {}", request.method(), request.uri()).into()))
}

async fn written_for_lambda_http(request: Request) -> Result<impl IntoResponse, lambda_http::Error> {
    #[derive(serde::Deserialize)]
    struct Name {
        name: String,
    }
    let name: Option<Name> = request.payload()?;
    let parameters = request.query_string_parameters();
    let greeting = parameters.first("greeting").unwrap_or("Hello");
    Ok((
        StatusCode::CREATED,
        json!({"text": format!("{greeting}, {}", name.map_or_else(String::new, |found| found.name))}),
    ))
}

async fn stateful(_: Request, context: &LambdaContext, state: &String) -> Result<String, BoxError> {
    tokio::task::yield_now().await;
    Ok(format!("{} has {state}", context.request_id))
}

async fn echo(request: Request) -> Result<Response<Body>, BoxError> {
    let kind = request.headers()["content-type"].clone();
    let body = request.body().to_vec().into();
    Ok(Response::builder().header("content-type", kind).body(body)?)
}

async fn headers(request: Request) -> Result<Response<Body>, BoxError> {
    let mut response = Response::builder().status(204);
    for cookies in request.headers().get_all("cookie") {
        for cookie in cookies.to_str()?.split("; ") {
            response = response.header("set-cookie", format!("{cookie}; Secure"));
        }
    }
    Ok(response.header("vary", "a").header("vary", "b").body(Body::Empty)?)
}

async fn fails(_: Request, _: &LambdaContext) -> Result<Response<Body>, BoxError> {
    Err(faas::Error::new("Function.OutOfStock", "none left"))?
}

fn contexts(request: Request) -> Result<String, BoxError> {
    let theirs: Context = request.lambda_context();
    let own: &LambdaContext = request.extensions().get().ok_or("no context")?;
    let trace = request
        .headers()
        .get("x-amzn-trace-id")
        .map(|id| id.to_str().expect("ASCII"));
    Ok(format!(
        "{} {} {:?} {trace:?}",
        theirs.request_id, own.request_id, theirs.xray_trace_id
    ))
}

/// Whoever sends the event.
#[derive(Clone, Copy)]
enum From {
    Rest,
    Http,
    Balancer,
}

/// An event with this body, and these headers beside a cookie.
fn event(from: From, kind: &str, body: &str, is_base64: bool) -> Value {
    let lists = json!({"content-type": [kind], "cookie": ["a=1; b=2"], "host": ["example.com"]});
    let single = json!({"content-type": kind, "host": "example.com"});
    match from {
        From::Rest => json!({
            "resource": "/{proxy+}", "path": "/x", "httpMethod": "POST",
            "headers": single, "multiValueHeaders": lists,
            "queryStringParameters": {"greeting": "Salut"}, "multiValueQueryStringParameters": {"greeting": ["Salut"]},
            "requestContext": {"stage": "$default", "httpMethod": "POST", "identity": {}},
            "body": body, "isBase64Encoded": is_base64,
        }),
        From::Http => json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/x", "rawQueryString": "greeting=Salut",
            "cookies": ["a=1", "b=2"], "headers": single,
            "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/x"}},
            "body": body, "isBase64Encoded": is_base64,
        }),
        From::Balancer => json!({
            "requestContext": {"elb": {"targetGroupArn": "arn:x"}}, "httpMethod": "POST", "path": "/x",
            "multiValueQueryStringParameters": {"greeting": ["Salut"]}, "multiValueHeaders": lists,
            "body": body, "isBase64Encoded": is_base64,
        }),
    }
}

/// Makes the state before the first call.
fn initialize() {
    static INIT: Once = Once::new();
    INIT.call_once(|| assert_eq!(call_hook(symbols::faas_init).status, 0));
}

fn ask(symbol: Symbol, event: &Value) -> Value {
    initialize();
    answer(&invoke(symbol, event.to_string()))
}

fn answer(outcome: &Outcome) -> Value {
    assert_eq!(outcome.content_type, None);
    serde_json::from_str(outcome.data()).expect("JSON")
}

const ALL: [From; 3] = [From::Rest, From::Http, From::Balancer];

#[test]
fn each_caller_is_answered_in_its_own_form() {
    let ask = |from| ask(symbols::headers, &event(from, "text/plain", "", false));
    let lists = json!({"set-cookie": ["a=1; Secure", "b=2; Secure"], "vary": ["a", "b"]});
    assert_eq!(
        ask(From::Rest),
        json!({"statusCode": 204, "isBase64Encoded": false, "body": "", "multiValueHeaders": lists})
    );
    assert_eq!(
        ask(From::Http),
        json!({
            "statusCode": 204, "isBase64Encoded": false, "body": "",
            "headers": {"vary": "a, b"}, "cookies": ["a=1; Secure", "b=2; Secure"],
        })
    );
    assert_eq!(
        ask(From::Balancer),
        json!({
            "statusCode": 204, "statusDescription": "204 No Content", "isBase64Encoded": false, "body": "",
            "headers": {"vary": "a, b", "set-cookie": "a=1; Secure"}, "multiValueHeaders": lists,
        })
    );
}

#[test]
fn bodies_are_text_or_base64() {
    for from in ALL {
        let text = ask(symbols::echo, &event(from, "text/plain", "Grüße", false));
        assert_eq!(
            (&text["body"], &text["isBase64Encoded"]),
            (&json!("Grüße"), &json!(false))
        );
        let binary = ask(symbols::echo, &event(from, "image/png", "AP/+", true));
        assert_eq!(
            (&binary["body"], &binary["isBase64Encoded"]),
            (&json!("AP/+"), &json!(true))
        );
    }
}

#[test]
fn a_function_for_lambda_http_answers() {
    for from in ALL {
        let event = event(from, "application/json", r#"{"name":"Ada"}"#, false);
        let response = ask(symbols::written_for_lambda_http, &event);
        assert_eq!(
            (&response["statusCode"], &response["body"]),
            (&json!(201), &json!(r#"{"text":"Salut, Ada"}"#))
        );
    }
}

#[test]
fn a_handler_may_block_and_may_take_context_and_state() {
    let event = event(From::Http, "text/plain", "", false);
    let response = ask(symbols::blocking, &event);
    assert_eq!(response["body"], "POST https://example.com/x?greeting=Salut");
    assert_eq!(ask(symbols::stateful, &event)["body"], "r-1 has the state");
}

#[test]
fn a_request_has_both_contexts() {
    let event = event(From::Http, "text/plain", "", false).to_string();
    let mut request = support::request(event.as_bytes());
    initialize();
    assert_eq!(answer(&send(symbols::contexts, &request))["body"], "r-1 r-1 None None");
    request.trace_id = c"Root=1".as_ptr();
    let body = "r-1 r-1 Some(\"Root=1\") Some(\"Root=1\")";
    assert_eq!(answer(&send(symbols::contexts, &request))["body"], body);
}

#[test]
fn a_query_may_hold_anything() {
    let mut event = event(From::Http, "text/plain", "", false);
    event["rawPath"] = json!("/a?b");
    event["rawQueryString"] = json!("greeting=<b>\"ü\"&x=%zz");
    let uri = "https://example.com/a%3Fb?greeting=%3Cb%3E%22%C3%BC%22&x=%zz";
    assert_eq!(ask(symbols::blocking, &event)["body"], format!("POST {uri}"));
    let response = ask(symbols::written_for_lambda_http, &event);
    assert_eq!(response["statusCode"], 201);
}

#[test]
fn a_wrong_host_is_left_out_of_the_uri() {
    for from in ALL {
        let mut event = event(from, "text/plain", "", false);
        for (host, authority) in [
            ("a b", ""),
            ("xn--a", "https://xn--a"),
            ("a:99999", "https://a:99999"),
            ("[", ""),
        ] {
            event["headers"]["host"] = json!(host);
            event["multiValueHeaders"]["host"] = json!([host]);
            let uri = format!("{authority}/x?greeting=Salut");
            assert_eq!(ask(symbols::blocking, &event)["body"], format!("POST {uri}"), "{host}");
        }
        let path = if matches!(from, From::Http) { "rawPath" } else { "path" };
        event[path] = json!(":x ü/../\\");
        let uri = "/:x%20%C3%BC/../%5C?greeting=Salut";
        assert_eq!(ask(symbols::blocking, &event)["body"], format!("POST {uri}"));
    }
}

#[test]
fn all_values_of_a_header_are_kept() {
    let mut event = event(From::Rest, "text/plain", "", false);
    event["multiValueHeaders"]["cookie"] = json!(["a=1", "b=2"]);
    event["headers"]["cookie"] = json!("b=2");
    let cookies = &ask(symbols::headers, &event)["multiValueHeaders"]["set-cookie"];
    assert_eq!(cookies, &json!(["a=1; Secure", "b=2; Secure"]));
}

#[test]
fn a_query_is_decoded_once() {
    let mut event = event(From::Balancer, "text/plain", "", false);
    event["multiValueQueryStringParameters"] = json!({"greeting": ["%26%2B+%25"]});
    let uri = "https://example.com/x?greeting=%26%2B+%25";
    assert_eq!(ask(symbols::blocking, &event)["body"], format!("POST {uri}"));
    let text = r#"{"text":"&+ %, "}"#;
    assert_eq!(ask(symbols::written_for_lambda_http, &event)["body"], text);
}

#[test]
fn a_body_that_is_not_base64_is_refused() {
    initialize();
    for from in ALL {
        let outcome = invoke(symbols::echo, event(from, "image/png", "AP/+?", true).to_string());
        let (kind, message) = outcome.error();
        assert_eq!(kind, "Function.InvalidPayload");
        let start = "the event is not an HTTP request: body: no base64: ";
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn an_error_is_a_failure_of_the_function() {
    initialize();
    let event = event(From::Http, "text/plain", "", false).to_string();
    assert_eq!(
        invoke(symbols::fails, event).error(),
        ("Function.OutOfStock", "none left")
    );
}

#[test]
fn an_event_without_a_request_is_refused() {
    initialize();
    for event in [
        &b"{}"[..],
        b"",
        b"[",
        b"\xff",
        br#"{"requestContext":{"elb":{}},"httpMethod":1}"#,
    ] {
        let outcome = invoke(symbols::blocking, event);
        let (kind, message) = outcome.error();
        assert_eq!(kind, "Function.InvalidPayload");
        assert!(message.starts_with("the event is not an HTTP request: "), "{message}");
    }
}

#[test]
fn without_the_option_nothing_is_streamed() {
    let event = event(From::Http, "text/plain", "all at once", false).to_string();
    initialize();
    let (sent, outcome) = stream(symbols::echo, &event);
    assert_eq!((sent.len(), &answer(&outcome)["body"]), (0, &json!("all at once")));
}
