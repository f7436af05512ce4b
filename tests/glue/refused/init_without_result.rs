use faas_function::LambdaContext;

faas_function::export!(handle, init = open);

fn open() -> u32 {
    1
}

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: `init` returns `u32`, which is not a `Result<State, E>`
