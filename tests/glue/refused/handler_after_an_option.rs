use faas_function::LambdaContext;

faas_function::export!(handle, init = open, get);

fn open() -> Result<(), String> {
    Ok(())
}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: options have the form `init = connect`, and follow the handlers
