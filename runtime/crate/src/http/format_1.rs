//! A request of a REST API (payload format 1.0) or of a load balancer.
//!
//! Like that of `lambda_http`, with two differences: nothing that a client writes can make it panic, and all values of a
//! header are kept where the event has `headers` beside `multiValueHeaders`.

use super::uri::{uri, with_stage};
use super::{request_body, HeaderMap, Request, RequestExt};
use lambda_http::aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequest;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::request::RequestContext;

pub(super) fn of_rest_api(event: ApiGatewayProxyRequest) -> Result<Request, String> {
    let raw_path = event.path.unwrap_or_default();
    let context = event.request_context;
    let path = with_stage(context.stage.as_deref().unwrap_or("$default"), &raw_path);
    let headers = merged(event.multi_value_headers, event.headers);
    let parameters = preferred(event.multi_value_query_string_parameters, event.query_string_parameters);

    let mut request = Request::new(request_body::read(event.body, event.is_base64_encoded)?);
    *request.method_mut() = event.http_method;
    let query = parameters.to_query_string();
    *request.uri_mut() = uri(&path, &query, &headers, context.domain_name.as_deref());
    *request.headers_mut() = headers;
    Ok(request
        .with_raw_http_path(raw_path)
        .with_query_string_parameters(parameters)
        .with_path_parameters(event.path_parameters)
        .with_stage_variables(event.stage_variables)
        .with_request_context(RequestContext::ApiGatewayV1(context)))
}

pub(super) fn of_load_balancer(event: AlbTargetGroupRequest) -> Result<Request, String> {
    let raw_path = event.path.unwrap_or_default();
    let headers = merged(event.multi_value_headers, event.headers);
    let encoded = preferred(event.multi_value_query_string_parameters, event.query_string_parameters);
    let query = still_encoded(&encoded);
    let parameters: QueryMap = query.parse().unwrap_or_default();

    let mut request = Request::new(request_body::read(event.body, event.is_base64_encoded)?);
    *request.method_mut() = event.http_method;
    *request.uri_mut() = uri(&raw_path, &query, &headers, None);
    *request.headers_mut() = headers;
    Ok(request
        .with_raw_http_path(raw_path)
        .with_query_string_parameters(parameters)
        .with_request_context(RequestContext::Alb(event.request_context)))
}

/// All values of each header. `single` has the last value of each.
fn merged(mut multiple: HeaderMap, single: HeaderMap) -> HeaderMap {
    for (name, value) in &single {
        multiple.entry(name).or_insert_with(|| value.clone());
    }
    multiple
}

/// The parameters with all their values, if the event has them.
fn preferred(multiple: QueryMap, single: QueryMap) -> QueryMap {
    if multiple.is_empty() {
        single
    } else {
        multiple
    }
}

/// The query of these parameters, which a load balancer leaves as the client has encoded them.
fn still_encoded(parameters: &QueryMap) -> String {
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}
