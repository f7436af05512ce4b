use faas_function::LambdaContext;
use serde_json::Value;

faas_function::export!(handle, response = stream);

fn handle(_: Value, _: &LambdaContext) -> Result<(), String> {
    Ok(())
}

// refused: line 4: `response = stream` needs the feature `http` of the crate `faas-function`
