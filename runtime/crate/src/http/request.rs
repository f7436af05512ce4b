//! The request in an event.

use super::{format_1, format_2, Request};
use crate::call::Invocation;
use crate::{Error, LambdaContext};
use lambda_http::http::HeaderValue;
use lambda_http::lambda_runtime::Config;
use lambda_http::{Context, RequestExt};
use serde::de::IgnoredAny;
use serde_json::{from_slice, from_str};
use std::sync::Arc;

/// Who has sent the event, and so what it understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A REST API of API Gateway: payload format 1.0.
    RestApi,
    /// An HTTP API of API Gateway or a function URL: payload format 2.0.
    HttpApi,
    /// An Application Load Balancer.
    LoadBalancer,
}

/// Reads the request, and says who has sent it.
pub(super) fn read(invocation: &Invocation<'_>) -> Result<(Request, Caller), Error> {
    let (request, caller) = request(invocation.payload).map_err(|reason| refused(&reason))?;
    let mut request = request.with_lambda_context(context(&invocation.context));
    if let Ok(trace_id) = HeaderValue::from_str(&invocation.context.trace_id) {
        if !trace_id.is_empty() {
            request.headers_mut().insert("x-amzn-trace-id", trace_id);
        }
    }
    request.extensions_mut().insert(invocation.context.clone());
    Ok((request, caller))
}

/// The request, in whichever of the three formats the event is. Format 2.0 has a field that the others lack, and each of
/// them has some that the next one lacks.
fn request(payload: &[u8]) -> Result<(Request, Caller), String> {
    if let Ok(event) = from_slice(payload) {
        return Ok((format_2::request(event)?, Caller::HttpApi));
    }
    if let Ok(event) = from_slice(payload) {
        return Ok((format_1::of_rest_api(event)?, Caller::RestApi));
    }
    match from_slice(payload) {
        Ok(event) => Ok((format_1::of_load_balancer(event)?, Caller::LoadBalancer)),
        Err(_) => Err(why_none(payload)),
    }
}

/// Why an event is in none of the formats.
fn why_none(payload: &[u8]) -> String {
    match from_slice::<IgnoredAny>(payload) {
        Ok(_) => "it is none of API Gateway, of a load balancer or of a function URL".into(),
        Err(error) => error.to_string(),
    }
}

fn refused(reason: &str) -> Error {
    Error::without_backtrace(
        "Function.InvalidPayload",
        format!("the event is not an HTTP request: {reason}"),
    )
}

/// The context, as functions for `lambda_http` know it.
fn context(own: &LambdaContext) -> Context {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut context = Context::default();
    context.request_id.clone_from(&own.request_id);
    context.deadline = u64::try_from(own.deadline_ms).unwrap_or_default();
    context.invoked_function_arn.clone_from(&own.function_arn);
    context.xray_trace_id = given(&own.trace_id);
    context.client_context = from_str(&own.client_context).ok();
    context.identity = from_str(&own.cognito_identity).ok();
    context.tenant_id = given(&own.tenant_id);
    context.env_config = Arc::new(Config {
        function_name: own.function_name.clone(),
        memory: i32::try_from(own.memory_limit_mb).unwrap_or(i32::MAX),
        version: own.function_version.clone(),
        log_stream: own.log_stream.clone(),
        log_group: own.log_group.clone(),
    });
    context
}
