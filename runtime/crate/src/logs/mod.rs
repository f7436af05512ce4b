//! The function's own lines in the log, in Lambda's form. With the feature `tracing`.
//!
//! What the function says with the macros of the crate [`tracing`] goes to standard error, one line for each event:
//!
//! ```
//! use faas_function as faas;
//! use faas::LambdaContext;
//!
//! faas::export!(order, init = start);
//!
//! fn start() -> Result<(), faas::BoxError> {
//!     faas::logs::init()
//! }
//!
//! fn order(count: u32, _: &LambdaContext, _: &()) -> Result<u32, String> {
//!     tracing::info!(count, "an order");
//!     Ok(count)
//! }
//! # fn main() {}
//! ```
//!
//! | variable | |
//! |---|---|
//! | `AWS_LAMBDA_LOG_FORMAT` | `JSON`: each line is a JSON object, as below. Otherwise: text |
//! | `AWS_LAMBDA_LOG_LEVEL` | `TRACE`, `DEBUG`, `INFO` (the default), `WARN`, `ERROR` or `FATAL`: what is less is left out |
//!
//! On managed instances, lines are always JSON. An object has `timestamp`, `level`, `message` and `target` (the module),
//! then the fields of the spans around the event, from the outside to the inside, then those of the event. A field with
//! a name that is taken replaces the earlier one, but not those first four: then `_` follows its name.
//!
//! ```json
//! {"timestamp":"2026-11-29T12:00:00.000Z","level":"INFO","message":"an order","target":"shop","requestId":"…","count":2}
//! ```
//!
//! A text line has the same, after tabs: `[INFO]`, the timestamp, the request id, the message, the other fields.
//!
//! # The invocation
//!
//! The handler runs in a span with the fields `requestId`, `xrayTraceId` and `tenantId`, as far as they are given. So
//! they are in its lines, and in those of all that an `async` handler awaits. A task or a thread of its own begins
//! outside of all spans. Take the span along:
//!
//! ```no_run
//! # fn work() {}
//! let span = tracing::Span::current();
//! std::thread::spawn(move || span.in_scope(work));
//! ```
//!
//! For a task, `tracing::Instrument` does it: `tokio::spawn(work().in_current_span())`.

mod fields;
mod line;

use crate::{BoxError, LambdaContext};
use fields::Fields;
use line::{Format, Line};
use std::env;
use std::io::{stderr, Write};
use std::time::SystemTime;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, EnteredSpan, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Makes a [`layer`] the process's subscriber. Call it once, in the function's `init`.
///
/// # Errors
/// If the process has a subscriber already.
pub fn init() -> Result<(), BoxError> {
    let subscriber = tracing_subscriber::registry().with(layer());
    Ok(tracing::subscriber::set_global_default(subscriber)?)
}

/// The layer that writes the lines, for a subscriber with other layers as well. It reads the variables now. The level
/// holds for this layer only.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let subscriber = tracing_subscriber::registry().with(faas_function::logs::layer());
/// // with(…), then tracing::subscriber::set_global_default(subscriber)
/// ```
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> Filtered<Logs, LevelFilter, S> {
    let variable = |name| env::var(name).unwrap_or_default();
    let is_managed = variable("AWS_LAMBDA_INITIALIZATION_TYPE") == "lambda-managed-instances";
    let is_json = is_managed || variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json");
    let format = if is_json { Format::Json } else { Format::Text };
    Logs { format }.with_filter(level(&variable("AWS_LAMBDA_LOG_LEVEL")))
}

fn level(name: &str) -> LevelFilter {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" => LevelFilter::ERROR,
        "FATAL" => LevelFilter::OFF, // no event has this level
        _ => LevelFilter::INFO,
    }
}

/// Writes a line for each event. [`layer`] makes it.
#[derive(Debug)]
pub struct Logs {
    format: Format,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        };
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        let message = fields.of_event(event);
        let line = Line {
            time: SystemTime::now(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            message,
            fields,
        };
        // In one piece: other threads write at the same time. If standard error is closed, the function goes on.
        let _ = stderr().write_all(line.encode(self.format).as_bytes());
    }
}

/// Enters the span of an invocation. Its level is the highest, so that no filter of levels takes it away.
pub(crate) fn enter(context: &LambdaContext) -> EnteredSpan {
    fn given(text: &str) -> Option<&str> {
        Some(text).filter(|text| !text.is_empty())
    }
    tracing::error_span!(
        "invocation",
        requestId = given(&context.request_id),
        xrayTraceId = given(&context.trace_id),
        tenantId = given(&context.tenant_id),
    )
    .entered()
}
