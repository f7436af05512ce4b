//! The fields of spans and events.

use crate::error::chain;
use serde_json::Value;
use std::error::Error;
use std::fmt::Debug;
use tracing::field::{Field, Visit};
use tracing::Event;

/// The names that a line has in any case.
const TAKEN: [&str; 4] = ["timestamp", "level", "message", "target"];

/// Names and values, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Value)> {
        self.0.iter()
    }

    /// Takes over the fields of an outer span.
    pub(super) fn extend(&mut self, outer: &Fields) {
        for (name, value) in outer.iter() {
            self.set(name, value.clone());
        }
    }

    /// Adds the fields of an event, except for its message, which is returned.
    pub(super) fn of_event(&mut self, event: &Event<'_>) -> String {
        let mut visitor = EventFields {
            fields: self,
            message: Value::Null,
        };
        event.record(&mut visitor);
        match visitor.message {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, earlier)) => *earlier = value,
            None => self.0.push((name.to_string(), value)),
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        if TAKEN.contains(&name) {
            self.set(&format!("{name}_"), value);
        } else {
            self.set(name, value);
        }
    }
}

/// Both visitors turn values into JSON in the same way.
macro_rules! visit {
    () => {
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.take(field, value.into()); // null if it is not a number
        }

        fn record_i64(&mut self, field: &Field, value: i64) {
            self.take(field, value.into());
        }

        fn record_u64(&mut self, field: &Field, value: u64) {
            self.take(field, value.into());
        }

        fn record_bool(&mut self, field: &Field, value: bool) {
            self.take(field, value.into());
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            self.take(field, value.into());
        }

        fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
            let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
            self.take(field, texts.join(": ").into());
        }

        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.take(field, format!("{value:?}").into());
        }
    };
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        self.add(field.name(), value);
    }
}

impl Visit for Fields {
    visit! {}
}

struct EventFields<'a> {
    fields: &'a mut Fields,
    message: Value,
}

impl EventFields<'_> {
    fn take(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.add(field.name(), value);
        }
    }
}

impl Visit for EventFields<'_> {
    visit! {}
}
