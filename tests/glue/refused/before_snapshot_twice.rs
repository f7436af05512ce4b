use faas_function::LambdaContext;

faas_function::export!(handle, before_snapshot = open, before_snapshot = open);

fn open() -> Result<(), String> {
    Ok(())
}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: `before_snapshot` is given twice
