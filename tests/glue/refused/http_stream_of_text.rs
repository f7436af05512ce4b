use faas_function::http::Request;

faas_function::export!(handle, response = stream);

async fn handle(_: Request) -> Result<String, String> {
    Ok(String::new())
}

// refused: line 3: `String` cannot be sent as a stream
// refused: `response = stream` needs a `Response<B>`
