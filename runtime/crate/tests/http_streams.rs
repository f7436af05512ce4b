//! Responses over HTTP that are sent in pieces.

#![cfg(feature = "http")]

mod support;

use faas::http::HeaderMap;
use faas::http::{Body, Request, Response};
use faas::BoxError;
use faas_function as faas;
use http_body::Frame;
use serde_json::{json, Value};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use support::{invoke, stream};

faas::export!(handle, response = stream, deadline = cancel);
symbols!(handle);

/// A body that waits before each piece. Its last piece fails if that is asked for.
struct Pieces {
    left: Vec<&'static str>,
    is_late: bool,
}

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Self::Data>>>> {
        self.is_late = !self.is_late;
        if self.is_late {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.left.pop() {
            None => None,
            Some("fails") => Some(Err(io::Error::other("the source has gone"))),
            Some("trailers") => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some("waits") => return Poll::Pending,
            Some(piece) => Some(Ok(Frame::data(piece.into()))),
        })
    }
}

/// A body of both kinds.
enum Either {
    Known(Body),
    Unknown(Pieces),
}

impl http_body::Body for Either {
    type Data = bytes::Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        match self.get_mut() {
            Either::Known(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Either::Unknown(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Either::Known(body) => body.size_hint(),
            Either::Unknown(body) => body.size_hint(),
        }
    }
}

async fn handle(request: Request) -> Result<Response<Either>, BoxError> {
    tokio::task::yield_now().await;
    let pieces = |last| {
        Either::Unknown(Pieces {
            left: vec![last, "trailers", "two", "one"],
            is_late: false,
        })
    };
    let body = match request.uri().path() {
        "/known" => Either::Known("all at once".into()),
        "/empty" => Either::Known(Body::Empty),
        "/pieces" => pieces("end"),
        "/fails" => pieces("fails"),
        "/waits" => pieces("waits"),
        _ => return Err("no such path".into()),
    };
    let response = Response::builder().status(201).header("vary", "a").header("vary", "b");
    Ok(response
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2")
        .body(body)?)
}

fn event(path: &str) -> String {
    json!({
        "version": "2.0", "rawPath": path, "headers": {"host": "example.com"},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "path": path}},
    })
    .to_string()
}

const HTTP: &str = "application/vnd.awslambda.http-integration-response: ";

/// What was sent: the head, then the pieces.
fn split(sent: Vec<String>) -> (Value, Vec<String>) {
    let mut pieces: Vec<String> = sent
        .into_iter()
        .map(|piece| piece.strip_prefix(HTTP).expect("the content type").to_string())
        .collect();
    let first = pieces.remove(0);
    let (head, rest) = first.split_once("\0\0\0\0\0\0\0\0").expect("a head");
    if !rest.is_empty() {
        pieces.insert(0, format!("with the head: {rest}"));
    }
    (serde_json::from_str(head).expect("JSON"), pieces)
}

fn head() -> Value {
    json!({"statusCode": 201, "headers": {"vary": "a, b"}, "cookies": ["a=1", "b=2"]})
}

#[test]
fn pieces_go_out_one_by_one_after_the_head() {
    let (sent, outcome) = stream(symbols::handle, &event("/pieces"));
    assert_eq!(split(sent), (head(), vec!["one".into(), "two".into(), "end".into()]));
    assert_eq!(outcome.data(), "");
}

#[test]
fn a_body_that_is_there_goes_out_with_the_head() {
    let (sent, _) = stream(symbols::handle, &event("/known"));
    assert_eq!(split(sent), (head(), vec!["with the head: all at once".into()]));
    let (sent, _) = stream(symbols::handle, &event("/empty"));
    assert_eq!(split(sent), (head(), vec![]));
}

#[test]
fn a_body_may_fail() {
    let (sent, outcome) = stream(symbols::handle, &event("/fails"));
    assert_eq!(split(sent).1, ["one", "two"]);
    assert_eq!(outcome.error(), ("Function.Error", "the source has gone"));
    let (sent, outcome) = stream(symbols::handle, &event("/other"));
    assert_eq!((sent.len(), outcome.error()), (0, ("Function.Error", "no such path")));
}

#[test]
fn who_cannot_take_a_stream_gets_the_document() {
    let whole = |outcome: &support::Outcome| serde_json::from_str::<Value>(outcome.data()).expect("JSON");
    let response = whole(&invoke(symbols::handle, event("/pieces")));
    assert_eq!(
        (&response["statusCode"], &response["body"]),
        (&json!(201), &json!("onetwoend"))
    );
    let balancer = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:x"}}, "httpMethod": "GET", "path": "/pieces",
        "headers": {"host": "example.com"}, "body": "", "isBase64Encoded": false,
    });
    let (sent, outcome) = stream(symbols::handle, &balancer.to_string());
    assert_eq!((sent.len(), &whole(&outcome)["body"]), (0, &json!("onetwoend")));
}

#[test]
fn a_stream_is_cancelled_shortly_before_the_deadline() {
    let event = event("/waits");
    let mut request = support::request(event.as_bytes());
    request.deadline_ms = 1; // long ago
    let outcome = support::send(symbols::handle, &request);
    assert_eq!(outcome.error().0, "Function.DeadlineReached");
}
