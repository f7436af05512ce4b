//! Asks another server, over connections that all invocations share.

use faas_function as faas;
use faas_function::LambdaContext;
use serde::{Deserialize, Serialize};
use std::env;

faas::export!(convert, init = connect);

struct Rates {
    client: reqwest::Client,
    url: String,
}

fn connect() -> Result<Rates, faas::BoxError> {
    Ok(Rates {
        client: reqwest::Client::builder().build()?,
        url: env::var("RATES_URL").map_err(|error| format!("RATES_URL: {error}"))?,
    })
}

#[derive(Deserialize)]
struct Amount {
    euros: f64,
}

#[derive(Serialize)]
struct Converted {
    dollars: f64,
}

async fn convert(amount: Amount, _: &LambdaContext, rates: &Rates) -> Result<Converted, faas::BoxError> {
    let answer = rates.client.get(&rates.url).send().await?.error_for_status()?;
    let rate: f64 = answer.text().await?.trim().parse()?;
    Ok(Converted {
        dollars: amount.euros * rate,
    })
}
