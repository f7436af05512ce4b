use faas_function::LambdaContext;

faas_function::export!(handle, init = open, init = open);

fn open() -> Result<(), String> {
    Ok(())
}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: `init` is given twice
