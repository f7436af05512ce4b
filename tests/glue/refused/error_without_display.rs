use faas_function::LambdaContext;

faas_function::export!(handle);

struct Failed;

fn handle(_: u32, _: &LambdaContext) -> Result<u32, Failed> {
    Err(Failed)
}
// refused: line 3: the signature of this function is not one of a handler
// refused: `Answer` implements `serde::Serialize` or is a `faas_function::Reply`; `E` implements `Display`
