//! Prices an order that arrives over an HTTP API. The event and the response have the types of AWS.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use faas_function as faas;
use faas_function::LambdaContext;
use serde::{Deserialize, Serialize};

faas::export!(price);

#[derive(Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Serialize)]
struct Price<'a> {
    item: &'a str,
    cents: u32,
    request_id: &'a str,
}

const CENTS_EACH: u32 = 250;

fn price(event: ApiGatewayV2httpRequest, context: &LambdaContext) -> Result<ApiGatewayV2httpResponse, faas::BoxError> {
    let body = event.body.unwrap_or_default();
    let order: Order = match serde_json::from_str(&body) {
        Ok(order) => order,
        Err(error) => return Ok(response(400, error.to_string())),
    };
    let price = Price {
        item: &order.item,
        cents: order.count.checked_mul(CENTS_EACH).ok_or("that is too much")?,
        request_id: &context.request_id,
    };
    Ok(response(200, serde_json::to_string(&price)?))
}

fn response(status: i64, body: String) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    response.body = Some(body.into());
    response
}
