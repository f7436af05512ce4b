use faas_function::LambdaContext;

faas_function::export!(handle, start = open);

fn handle(_: u32, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: there is no option `start`; expected init, shutdown, before_snapshot, after_restore, deadline or response
