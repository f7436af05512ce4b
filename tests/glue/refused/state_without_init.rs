use faas_function::LambdaContext;

faas_function::export!(handle);

struct Pool;

fn handle(_: u32, _: &LambdaContext, _: &Pool) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: mismatched types
// refused: expected `&Pool`, found `&ExportHasNoInit`
