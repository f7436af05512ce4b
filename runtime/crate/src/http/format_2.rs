//! A request in payload format 2.0, of HTTP APIs and function URLs.
//!
//! It is like that of `lambda_http`, except that nothing that a client writes can make it panic: a function URL passes on
//! what is in the query.

use super::uri::{uri, with_stage};
use super::{request_body, Request, RequestExt};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::{header, HeaderValue};
use lambda_http::request::RequestContext;

pub(super) fn request(event: ApiGatewayV2httpRequest) -> Result<Request, String> {
    let raw_path = event.raw_path.unwrap_or_default();
    let query = event.raw_query_string.unwrap_or_default();
    let context = event.request_context;
    let path = with_stage(context.stage.as_deref().unwrap_or("$default"), &raw_path);

    let mut request = Request::new(request_body::read(event.body, event.is_base64_encoded)?);
    *request.method_mut() = context.http.method.clone();
    *request.uri_mut() = uri(&path, &query, &event.headers, context.domain_name.as_deref());
    *request.headers_mut() = event.headers;
    let cookies = event.cookies.unwrap_or_default().join("; ");
    if let Ok(cookies) = HeaderValue::from_str(&cookies) {
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
    }
    let parameters: QueryMap = query.parse().unwrap_or_default();
    Ok(request
        .with_raw_http_path(raw_path)
        .with_query_string_parameters(parameters)
        .with_path_parameters(event.path_parameters)
        .with_stage_variables(event.stage_variables)
        .with_request_context(RequestContext::ApiGatewayV2(context)))
}
