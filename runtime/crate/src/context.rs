//! The context of an invocation.

use crate::abi::Request;
use crate::stream::{self, HttpHead, Stream};
use std::ffi::{c_char, CStr};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The context of an invocation. A field that was not given is empty.
///
/// In a unit test, make one by hand:
///
/// ```
/// use faas_function::LambdaContext;
///
/// let context = LambdaContext { request_id: "r-1".into(), ..LambdaContext::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct LambdaContext {
    /// Identifies the request.
    pub request_id: String,
    /// Identifies this attempt at the request.
    pub invocation_id: String,
    /// The deadline, in milliseconds since 1970-01-01 UTC; 0 if it was not given.
    pub deadline_ms: i64,
    /// The ARN that was invoked.
    pub function_arn: String,
    /// The X-Ray tracing header.
    pub trace_id: String,
    /// JSON, from mobile SDKs and tracing.
    pub client_context: String,
    /// JSON, from mobile SDKs.
    pub cognito_identity: String,
    /// The tenant, for a function with tenant isolation.
    pub tenant_id: String,
    /// The name of the function.
    pub function_name: String,
    /// The version of the function, such as `$LATEST`.
    pub function_version: String,
    /// The memory configured for the function, in MiB; 0 if it was not given.
    pub memory_limit_mb: u32,
    /// The CloudWatch log group.
    pub log_group: String,
    /// The CloudWatch log stream.
    pub log_stream: String,
}

impl LambdaContext {
    /// The time until the deadline: zero after it, and `None` without a deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let deadline_ms = u64::try_from(self.deadline_ms).ok()?;
        if deadline_ms == 0 {
            return None;
        }
        let deadline = UNIX_EPOCH.checked_add(Duration::from_millis(deadline_ms))?;
        let left = deadline.duration_since(SystemTime::now());
        Some(left.unwrap_or(Duration::ZERO))
    }

    /// Opens the response as a stream of this content type. The handler's answer is sent last, except `()` and
    /// `Value::Null`, which add nothing. Another call can change the content type until the first bytes are sent.
    ///
    /// ```no_run
    /// use faas_function::{BoxError, LambdaContext};
    /// use std::io::Write;
    ///
    /// fn lines(count: u32, context: &LambdaContext) -> Result<(), BoxError> {
    ///     let mut out = context.stream("text/plain")?;
    ///     for number in 0..count {
    ///         writeln!(out, "{number}")?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// `Unsupported` if the runtime cannot stream, or if this is not the handler's thread.
    pub fn stream(&self, content_type: &str) -> io::Result<Stream<'_>> {
        stream::open(content_type)
    }

    /// Opens the response as the stream of an HTTP response: what is written is its body.
    ///
    /// ```no_run
    /// use faas_function::{BoxError, HttpHead, LambdaContext};
    /// use serde_json::Value;
    /// use std::io::Write;
    ///
    /// fn events(_: Value, context: &LambdaContext) -> Result<(), BoxError> {
    ///     let head = HttpHead::new(200).header("content-type", "text/event-stream");
    ///     let mut out = context.http_stream(&head)?;
    ///     write!(out, "data: started\n\n")?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`stream`](Self::stream).
    pub fn http_stream(&self, head: &HttpHead) -> io::Result<Stream<'_>> {
        stream::open_http(head)
    }

    /// # Safety
    /// The strings of the request are NULL or end with a NUL byte.
    pub(crate) unsafe fn read(request: &Request) -> Self {
        // SAFETY: as above, for each of them.
        let text = |string| unsafe { text(string) };
        LambdaContext {
            request_id: text(request.request_id),
            invocation_id: text(request.invocation_id),
            deadline_ms: request.deadline_ms,
            function_arn: text(request.function_arn),
            trace_id: text(request.trace_id),
            client_context: text(request.client_context),
            cognito_identity: text(request.cognito_identity),
            tenant_id: text(request.tenant_id),
            function_name: text(request.function_name),
            function_version: text(request.function_version),
            memory_limit_mb: request.memory_limit_mb,
            log_group: text(request.log_group),
            log_stream: text(request.log_stream),
        }
    }
}

/// # Safety
/// The string is NULL or ends with a NUL byte.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: it is not NULL, so it ends with a NUL byte.
    let string = unsafe { CStr::from_ptr(string) };
    string.to_string_lossy().into_owned()
}
