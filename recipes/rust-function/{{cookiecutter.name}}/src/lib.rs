//! {{ cookiecutter.name }}: a function for faas-runtime.

use faas_function as faas;

use faas::LambdaContext;
use serde::{Deserialize, Serialize};

faas::export!(handle);

/// What the function reads of an event. It may have more fields.
#[derive(Deserialize)]
struct Event {
    name: Option<String>,
}

/// The response.
#[derive(Serialize)]
struct Answer {
    greeting: String,
    request_id: String,
}

/// Greets whom the event names.
fn handle(event: Event, context: &LambdaContext) -> Result<Answer, faas::BoxError> {
    let name = event.name.as_deref().unwrap_or("world");
    Ok(Answer {
        greeting: format!("Hello, {name}."),
        request_id: context.request_id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_by_name() {
        let event = serde_json::from_str(r#"{"name":"Ada","age":36}"#).unwrap();
        let context = LambdaContext {
            request_id: "r-1".to_string(),
            ..LambdaContext::default()
        };
        let answer = handle(event, &context).unwrap();
        assert_eq!(answer.greeting, "Hello, Ada.");
        assert_eq!(answer.request_id, "r-1");
    }
}
