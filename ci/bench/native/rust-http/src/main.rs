//! AWS's crate for HTTP, with a function that answers with the body of its request.

use lambda_http::{run, service_fn, Body, Error, Request, Response};

async fn echo(request: Request) -> Result<Response<Body>, Error> {
    let response = Response::builder().header("content-type", "text/plain");
    Ok(response.body(request.into_body())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(echo)).await
}
