//! The error type of handlers and hooks.

use std::fmt::Display;

/// An error with a type: `Error::new("Function.OutOfStock", "none left")`.
///
/// Any value that implements `Display` converts into an error of the type `Function.Error`. So `?` works on most
/// errors in a function that returns `Result<Value, Error>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) location: Option<String>,
}

impl Error {
    /// Lambda's metrics count types of the form `Function.SomethingWrong`, with only letters after the dot. Other
    /// types work too, but count as `Function.Unknown`.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Error {
            kind: kind.into(),
            message: message.into(),
            location: None,
        }
    }
}

impl<T: Display> From<T> for Error {
    fn from(error: T) -> Self {
        Error::new("Function.Error", error.to_string())
    }
}
