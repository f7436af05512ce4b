faas_function::export!(handle);

fn handle(_: u32) -> Result<u32, String> {
    Ok(1)
}
// refused: line 1: the signature of this function is not one of a handler
// refused: a handler is a `fn(Event, &LambdaContext) -> Result<Answer, E>`
