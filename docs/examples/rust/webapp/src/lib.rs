//! An application with axum. Only `export!` knows that it does not listen on a port.

use axum::extract::{Path, Query};
use axum::http::header::SET_COOKIE;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::convert::Infallible;

faas_function::export!(service = app, response = stream);

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "It works.\n" }))
        .route("/hello/{name}", get(hello))
        .route("/upper", post(|text: String| async move { text.to_uppercase() }))
        .route("/login", post(login))
        .route("/events", get(events))
}

async fn hello(
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    head: HeaderMap,
) -> Json<Value> {
    let agent = head
        .get("user-agent")
        .map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
    Json(json!({"name": name, "query": query, "agent": agent}))
}

async fn login() -> impl IntoResponse {
    AppendHeaders([(SET_COOKIE, "session=1; HttpOnly"), (SET_COOKIE, "theme=dark")])
}

async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::iter(
        (1..=3).map(|number| Ok(Event::default().data(number.to_string()))),
    ))
}
