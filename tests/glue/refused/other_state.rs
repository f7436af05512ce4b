use faas_function::LambdaContext;

faas_function::export!(handle, init = open);

struct Pool;

fn open() -> Result<u32, String> {
    Ok(1)
}

fn handle(_: u32, _: &LambdaContext, _: &Pool) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: mismatched types
// refused: expected `&Pool`, found `&u32`
