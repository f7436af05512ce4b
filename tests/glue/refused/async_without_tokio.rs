use faas_function::LambdaContext;

faas_function::export!(handle);

async fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: the signature of this function is not one of a handler
// refused: an `async fn` needs the feature `tokio` of the crate `faas-function`
