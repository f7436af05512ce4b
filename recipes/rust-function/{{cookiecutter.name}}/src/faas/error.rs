//! What a handler may return as its error.

use std::fmt::Display;

/// An error with a type: `Error::new("Function.OutOfStock", "none left")`.
///
/// Whatever can be displayed becomes one of the type `Function.Error`, so `?` works on most errors in a
/// function that returns `Result<Value, Error>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) location: Option<String>,
}

impl Error {
    /// Lambda counts types of the form `Function.SomethingWrong`, letters only after the dot; others work, but
    /// count as `Function.Unknown`.
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
