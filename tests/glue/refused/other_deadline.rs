use faas_function::LambdaContext;

faas_function::export!(handle, deadline = soon);

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: the only value of `deadline` is `cancel`
