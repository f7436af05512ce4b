use faas_function::LambdaContext;

faas_function::export!(put);
faas_function::export!(get);

fn put(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}

fn get(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 4: the name `EXPORT_MAY_BE_USED_ONCE` is defined multiple times
