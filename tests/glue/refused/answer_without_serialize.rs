use faas_function::LambdaContext;

faas_function::export!(handle);

struct Answer;

fn handle(_: u32, _: &LambdaContext) -> Result<Answer, String> {
    Ok(Answer)
}
// refused: line 3: the signature of this function is not one of a handler
// refused: `Answer` implements `serde::Serialize` or is a `faas_function::Reply`; `E` implements `Display`
