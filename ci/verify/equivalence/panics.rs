//! The handler of the Rust recipe, which panics: for the gate `equivalence`.

use faas_function as faas;

use faas::LambdaContext;
use serde_json::Value;

fn handle(payload: &Value, _context: &LambdaContext) -> Result<Value, String> {
    panic!("no answer to {payload}")
}

faas::export!(handle);
