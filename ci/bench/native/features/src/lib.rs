//! One function for each feature: it says hello to the name in its event, in the way of the feature.

#[cfg(feature = "plain")]
mod plain {
    use faas_function::LambdaContext;
    use serde_json::{json, Value};

    faas_function::export!(handle);

    fn handle(event: Value, _: &LambdaContext) -> Result<Value, String> {
        Ok(json!({"body": event["queryStringParameters"]["name"]}))
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use faas_function::LambdaContext;
    use serde_json::{json, Value};

    faas_function::export!(handle);

    async fn handle(event: Value, _: &LambdaContext) -> Result<Value, String> {
        Ok(json!({"body": event["queryStringParameters"]["name"]}))
    }
}

#[cfg(feature = "tracing")]
mod logs {
    use faas_function::LambdaContext;
    use serde_json::{json, Value};

    faas_function::export!(handle, init = faas_function::logs::init);

    fn handle(event: Value, _: &LambdaContext, _: &()) -> Result<Value, String> {
        let name = &event["queryStringParameters"]["name"];
        tracing::info!(%name, "hello");
        Ok(json!({"body": name}))
    }
}

#[cfg(feature = "http")]
mod http {
    use faas_function::http::{Body, Request, RequestExt, Response};

    faas_function::export!(handle);

    async fn handle(request: Request) -> Result<Response<Body>, String> {
        let parameters = request.query_string_parameters();
        Ok(Response::new(
            parameters.first("name").unwrap_or_default().into(),
        ))
    }
}

#[cfg(feature = "axum")]
mod service {
    use axum::extract::RawQuery;
    use axum::routing::get;
    use axum::Router;

    faas_function::export!(service = handle);

    fn handle() -> Router {
        Router::new().route(
            "/",
            get(|RawQuery(query): RawQuery| async { query.unwrap_or_default() }),
        )
    }
}

#[cfg(feature = "aws_lambda_events")]
mod events {
    use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
    use faas_function::LambdaContext;

    faas_function::export!(handle);

    fn handle(
        event: ApiGatewayV2httpRequest,
        _: &LambdaContext,
    ) -> Result<ApiGatewayV2httpResponse, String> {
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = 200;
        response.body = event.query_string_parameters.first("name").map(Into::into);
        Ok(response)
    }
}
