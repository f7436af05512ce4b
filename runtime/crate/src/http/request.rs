//! The request in an event.

use super::{format_2, Request};
use crate::call::Invocation;
use crate::{Error, LambdaContext};
use lambda_http::http::HeaderValue;
use lambda_http::lambda_runtime::Config;
use lambda_http::request::RequestContext;
use lambda_http::{Context, RequestExt};
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
    let request = match from_slice(invocation.payload) {
        Ok(event) => format_2::request(event),
        Err(_) => other_format(invocation.payload)?,
    };
    let caller = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(_)) => Caller::RestApi,
        Some(RequestContext::Alb(_)) => Caller::LoadBalancer,
        _ => Caller::HttpApi,
    };
    let mut request = request.with_lambda_context(context(&invocation.context));
    if let Ok(trace_id) = HeaderValue::from_str(&invocation.context.trace_id) {
        if !trace_id.is_empty() {
            request.headers_mut().insert("x-amzn-trace-id", trace_id);
        }
    }
    request.extensions_mut().insert(invocation.context.clone());
    Ok((request, caller))
}

/// Reads a request of a REST API or a load balancer: format 2.0 has a field that they lack, and they have some that it
/// lacks.
fn other_format(payload: &[u8]) -> Result<Request, Error> {
    let text = std::str::from_utf8(payload).map_err(|error| refused(&error.to_string()))?;
    lambda_http::request::from_str(text).map_err(|error| refused(&error.to_string()))
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
