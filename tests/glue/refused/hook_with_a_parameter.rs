use faas_function::LambdaContext;

faas_function::export!(handle, shutdown = close);

fn close(_: u32, _: u32) {}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: the signature of this function is not one of a hook
// refused: a hook is a `fn() -> Result<(), E>` or a `fn(&State) -> Result<(), E>`
