use faas_function::LambdaContext;

faas_function::export!(handle);

struct Event;

fn handle(_: Event, _: &LambdaContext) -> Result<u32, String> {
    Ok(1)
}
// refused: line 3: the signature of this function is not one of a handler
// refused: `Event` is a type that implements `serde::Deserialize`, a reference to one, or `&[u8]`
