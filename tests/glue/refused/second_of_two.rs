use faas_function::LambdaContext;

faas_function::export!(put, get);

fn put(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}

fn get() -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: the signature of this function is not one of a handler
// refused: {get}
