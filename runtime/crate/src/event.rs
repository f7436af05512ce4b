//! Reads an event: straight from its bytes into the author's type, without a `Value` between.

use crate::path::path_at;
use crate::Error;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::de::{Deserializer as Json, SliceRead};
use serde_json::Error as JsonError;

/// Reads an event. Returns it, and whether the author's type wants the bytes themselves, as `&[u8]` does.
pub(crate) fn read<'a, Event: Deserialize<'a>>(payload: &'a [u8]) -> Result<(Event, bool), Error> {
    let text = if payload.is_empty() { b"null" } else { payload };
    let mut json = Json::from_slice(text);
    let mut taken = false;
    let reader = EventReader {
        payload,
        json: &mut json,
        taken: &mut taken,
    };
    let event = Event::deserialize(reader).and_then(|event| {
        if !taken {
            json.end()?;
        }
        Ok(event)
    });
    match event {
        Ok(event) => Ok((event, taken)),
        Err(error) => Err(refused(text, &error)),
    }
}

/// The error for an event that is not JSON, or does not fit the author's type.
fn refused(text: &[u8], error: &JsonError) -> Error {
    let message = if error.is_data() {
        let path = path_at(text, error.line(), error.column());
        format!("the event does not fit: {path}: {error}")
    } else {
        format!("the payload is not JSON: {error}")
    };
    Error::without_backtrace("Function.InvalidPayload", message)
}

/// JSON, except that a type that asks for bytes gets the payload as it is.
struct EventReader<'r, 'a> {
    payload: &'a [u8],
    json: &'r mut Json<SliceRead<'a>>,
    taken: &'r mut bool,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'a>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, JsonError> {
            self.json.$method($($argument,)* visitor)
        })*
    };
}

impl<'a> Deserializer<'a> for EventReader<'_, 'a> {
    type Error = JsonError;

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, JsonError> {
        *self.taken = true;
        visitor.visit_borrowed_bytes(self.payload)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_bytes(visitor)
    }

    forward! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}
