use faas_function::http::Request;

faas_function::export!(handle);

async fn handle(_: Request) -> Result<u32, String> {
    Ok(1)
}

// refused: line 3: the signature of this function is not one of a handler
// refused: with the feature `http`, a `fn(http::Request) -> Result<R, E>` is a handler too; `R` is an `IntoResponse`
