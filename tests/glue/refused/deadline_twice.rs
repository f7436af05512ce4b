use faas_function::LambdaContext;

faas_function::export!(handle, deadline = cancel, deadline = cancel);

fn open() -> Result<(), String> {
    Ok(())
}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: `deadline` is given twice
