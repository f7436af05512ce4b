use faas_function::LambdaContext;

faas_function::export!(handle);

fn handle(_: u32, _: &LambdaContext) -> u32 {
    1
}
// refused: line 3: the signature of this function is not one of a handler
// refused: a handler is a `fn(Event, &LambdaContext) -> Result<Answer, E>`
