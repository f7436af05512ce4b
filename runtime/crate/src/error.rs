//! Errors: the type that this crate offers, the trait for an author's own, and what is reported of any error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error as StdError;
use std::fmt::{self, Display};

/// Any error, as `?` makes it: the usual type for handlers that need no type of their own.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The type of an error that names none.
pub const DEFAULT_TYPE: &str = "Function.Error";

/// An error with a type: `Error::new("Function.OutOfStock", "none left")`.
///
/// It may have a cause, which is reported as well:
///
/// ```
/// let cause = "x".parse::<u32>().unwrap_err();
/// let error = faas_function::Error::new("Function.BadCount", "the count is not a number").caused_by(cause);
/// assert_eq!(error.to_string(), "the count is not a number");
/// ```
///
/// The type is found through [`BoxError`] and through `anyhow::Error` too. So a handler that returns one of them can
/// end with `Err(Error::new(…))?`.
#[derive(Debug)]
pub struct Error {
    pub(crate) kind: String,
    pub(crate) message: String,
    source: Option<BoxError>,
    backtrace: Backtrace,
}

impl Error {
    /// An error of this type. Lambda's metrics count types of the form `Function.SomethingWrong`, with only letters
    /// after the dot. Other types work too, but count as `Function.Unknown`.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Error {
            kind: kind.into(),
            message: message.into(),
            source: None,
            backtrace: Backtrace::capture(),
        }
    }

    /// An error that this crate has found in what it was given. Nobody needs its backtrace.
    pub(crate) fn without_backtrace(kind: &str, message: String) -> Self {
        Error {
            kind: kind.to_string(),
            message,
            source: None,
            backtrace: Backtrace::disabled(),
        }
    }

    /// The same error, with the error that led to it.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<BoxError>) -> Self {
        Error {
            source: Some(cause.into()),
            ..self
        }
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + Send + Sync) = self.source.as_deref()?;
        Some(source)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Error::new(DEFAULT_TYPE, message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Error::new(DEFAULT_TYPE, message)
    }
}

macro_rules! from_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                let error: BoxError = error.into();
                let kind = declared_type(&*error).unwrap_or(DEFAULT_TYPE).to_string();
                Error::new(kind, error.to_string()).caused_by(error)
            }
        })*
    };
}

from_errors!(BoxError, std::io::Error, serde_json::Error);

/// What type an author's own error has.
///
/// A handler may return any error that implements `Display`; its type is then `Function.Error`. Implement this trait
/// for an error with a type of its own. The handler has to return that error itself, as in `Result<Answer, Shop>`:
/// inside a [`BoxError`], only an [`Error`] keeps its type.
///
///
/// ```
/// # use std::fmt;
/// enum Shop { OutOfStock, Closed }
/// # impl fmt::Display for Shop {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("closed") }
/// # }
///
/// impl faas_function::ErrorType for Shop {
///     fn error_type(&self) -> &str {
///         match self {
///             Shop::OutOfStock => "Function.OutOfStock",
///             Shop::Closed => "Function.Closed",
///         }
///     }
/// }
/// ```
pub trait ErrorType {
    /// The type: `Function.` and a name of letters, if Lambda's metrics are to count it.
    fn error_type(&self) -> &str {
        DEFAULT_TYPE
    }
}

impl ErrorType for Error {
    fn error_type(&self) -> &str {
        &self.kind
    }
}

/// What the runtime is told about a failure.
pub struct Report {
    pub(crate) kind: String,
    pub(crate) message: String,
    /// One line for each cause, then the frames, if there are any.
    pub(crate) trace: Vec<String>,
}

impl Report {
    fn of_chain(kind: &str, error: &(dyn StdError + 'static)) -> Self {
        let mut report = Report {
            kind: kind.to_string(),
            message: error.to_string(),
            trace: Vec::new(),
        };
        let mut last = report.message.clone();
        for cause in chain(error).skip(1) {
            let text = cause.to_string();
            if text != last {
                report
                    .trace
                    .extend(format!("caused by: {text}").lines().map(String::from));
                last = text;
            }
        }
        if let Some(own) = chain(error).find_map(|error| error.downcast_ref::<Error>()) {
            report.trace.extend(frames(&own.backtrace));
        }
        report
    }
}

pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// The type that the first [`Error`] among the causes names.
fn declared_type<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a str> {
    chain(error).find_map(|error| error.downcast_ref::<Error>().map(|own| own.kind.as_str()))
}

/// The author's frames of a backtrace, if RUST_BACKTRACE switches it on: `name at file:line:column`.
pub(crate) fn frames(backtrace: &Backtrace) -> Vec<String> {
    if backtrace.status() != BacktraceStatus::Captured {
        return Vec::new();
    }
    let mut frames: Vec<String> = Vec::new();
    for line in backtrace.to_string().lines().map(str::trim) {
        match (line.starts_with("at "), frames.last_mut()) {
            (true, Some(frame)) => *frame += &format!(" {line}"),
            _ => frames.push(line.split_once(": ").map_or(line, |(_, name)| name).to_string()),
        }
    }
    // Above the author's frames are those that record the backtrace, below them those that call the author's code.
    let above = frames.iter().rposition(|frame| has_any(frame, &RECORDING));
    let mut own = frames.split_off(above.map_or(0, |index| index + 1));
    let below = own.iter().position(|frame| has_any(frame, &CALLING));
    own.truncate(below.unwrap_or(own.len()));
    own.retain(|frame| !has_any(frame, &BETWEEN) && !STANDARD.iter().any(|root| frame.starts_with(root)));
    own
}

const RECORDING: [&str; 4] = [
    "core::panicking",
    "begin_panic",
    "rust_begin_unwind",
    "faas_function::error::Error",
];
const CALLING: [&str; 4] = ["faas_function::", "::exported", "catch_unwind", "__rust_try"];
const BETWEEN: [&str; 4] = [" as core::", " as std::", " as alloc::", "tokio::"];
const STANDARD: [&str; 3] = ["core::", "std::", "alloc::"];

fn has_any(frame: &str, words: &[&str]) -> bool {
    words.iter().any(|word| frame.contains(word))
}

/// An error that a handler or a hook has returned.
///
/// `export!` knows its exact type, and asks for a report by method call. So the compiler takes the first of the traits
/// below that the type has: its own error type if it declares one, and its causes if it can tell them.
pub struct Returned<'a, E>(pub &'a E);

/// The report of an error that declares its type and has causes.
pub trait DeclaredError {
    /// See [`Report`].
    fn report(&self) -> Report;
}

impl<E: ErrorType + StdError + 'static> DeclaredError for &&&&Returned<'_, E> {
    fn report(&self) -> Report {
        Report::of_chain(self.0.error_type(), self.0)
    }
}

/// The report of an error that declares its type and is a text otherwise.
pub trait DeclaredText {
    /// See [`Report`].
    fn report(&self) -> Report;
}

impl<E: ErrorType + Display> DeclaredText for &&&Returned<'_, E> {
    fn report(&self) -> Report {
        Report {
            kind: self.0.error_type().to_string(),
            message: self.0.to_string(),
            trace: Vec::new(),
        }
    }
}

/// The report of a container of any error: [`BoxError`], `anyhow::Error`.
pub trait AnyError {
    /// See [`Report`].
    fn report(&self) -> Report;
}

impl<E: AsRef<dyn StdError + Send + Sync + 'static>> AnyError for &&Returned<'_, E> {
    fn report(&self) -> Report {
        let error: &(dyn StdError + 'static) = self.0.as_ref();
        Report::of_chain(declared_type(error).unwrap_or(DEFAULT_TYPE), error)
    }
}

/// The report of an error with causes.
pub trait PlainError {
    /// See [`Report`].
    fn report(&self) -> Report;
}

impl<E: StdError + 'static> PlainError for &Returned<'_, E> {
    fn report(&self) -> Report {
        Report::of_chain(declared_type(self.0).unwrap_or(DEFAULT_TYPE), self.0)
    }
}

/// The report of a text.
pub trait PlainText {
    /// See [`Report`].
    fn report(&self) -> Report;
}

impl<E: Display> PlainText for Returned<'_, E> {
    fn report(&self) -> Report {
        Report {
            kind: DEFAULT_TYPE.to_string(),
            message: self.0.to_string(),
            trace: Vec::new(),
        }
    }
}

/// The report of this crate's own error.
#[must_use]
pub fn report(error: &Error) -> Report {
    Report::of_chain(&error.kind, error)
}
