//! The context of an invocation, and the stream for a response that is sent in pieces.

use super::abi::{Request, Response, Write as WriteFunction};
use std::cell::RefCell;
use std::ffi::{c_char, c_void, CStr, CString};
use std::io::{self, ErrorKind, Write};
use std::marker::PhantomData;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The context of an invocation. A field that was not given is empty.
#[derive(Clone, Debug, Default)]
pub struct LambdaContext {
    pub request_id: String,
    pub invocation_id: String,
    /// The deadline, in milliseconds since 1970-01-01 UTC; 0 if it was not given.
    pub deadline_ms: i64,
    pub function_arn: String,
    pub trace_id: String,
    pub client_context: String,
    pub cognito_identity: String,
    pub tenant_id: String,
    pub function_name: String,
    pub function_version: String,
    /// In MiB; 0 if it was not given.
    pub memory_limit_mb: u32,
    pub log_group: String,
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

    /// Opens the response as a stream. Each write returns when its bytes were sent. The handler's return value is
    /// sent last, except `Value::Null`, which adds nothing. Another call can change the content type until the first
    /// write.
    ///
    /// # Errors
    /// `Unsupported` if the runtime cannot stream, or if this is not the handler's thread.
    pub fn stream(&self, content_type: &str) -> io::Result<Stream<'_>> {
        let content_type = c_string(content_type);
        with_peer(|peer| {
            // SAFETY: the response is valid as long as there is a peer, and nothing else refers to it.
            unsafe { (*peer.response).content_type = content_type.as_ptr() };
            peer.content_type = Some(content_type);
        })
        .ok_or_else(|| io::Error::new(ErrorKind::Unsupported, "streaming is not available"))?;
        Ok(Stream {
            _context: PhantomData,
            _on_its_thread: PhantomData,
        })
    }

    /// # Safety
    /// The strings of the request are NULL or end with a NUL byte.
    pub(super) unsafe fn read(request: &Request) -> Self {
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

/// The text as a C string. U+FFFD replaces NUL bytes inside it.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// A response that is sent in pieces. The error `BrokenPipe` means that the caller no longer receives it.
#[derive(Debug)]
pub struct Stream<'a> {
    _context: PhantomData<&'a LambdaContext>,
    _on_its_thread: PhantomData<*const ()>,
}

impl Write for Stream<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A leaked context lets a stream outlive its invocation; then there is no peer.
        let Some((write, stream)) = with_peer(|peer| (peer.write, peer.stream)) else {
            return Err(io::Error::new(
                ErrorKind::BrokenPipe,
                "the invocation is over",
            ));
        };
        if data.is_empty() {
            return Ok(0);
        }
        // SAFETY: the handler is running, and `data` is valid during the call.
        let status = unsafe { write(stream, data.as_ptr().cast(), data.len()) };
        if status == 0 {
            return Ok(data.len());
        }
        Err(io::Error::new(
            ErrorKind::BrokenPipe,
            "the caller no longer receives the response",
        ))
    }

    /// Does nothing: `write` keeps no bytes back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiver of the pieces, during one call of the handler.
struct Peer {
    write: WriteFunction,
    stream: *mut c_void,
    response: *mut Response,
    /// Set when the stream is opened; the response points to it.
    content_type: Option<CString>,
}

thread_local! {
    static PEER: RefCell<Option<Peer>> = const { RefCell::new(None) };
}

fn with_peer<T>(action: impl FnOnce(&mut Peer) -> T) -> Option<T> {
    PEER.with_borrow_mut(|peer| peer.as_mut().map(action))
}

/// Allows the handler that this thread is about to call to open its stream.
///
/// # Safety
/// The request and the response stay valid, as `faas.h` describes them, until `end_stream` is called.
pub(super) unsafe fn offer_stream(request: &Request, response: *mut Response) {
    PEER.set(request.write.map(|write| Peer {
        write,
        stream: request.stream,
        response,
        content_type: None,
    }));
}

/// Whether the handler has opened its stream.
pub(super) fn is_streaming() -> bool {
    with_peer(|peer| peer.content_type.is_some()).unwrap_or(false)
}

/// Called after the handler has returned. The response still points to the returned content type.
pub(super) fn end_stream() -> Option<CString> {
    PEER.take().and_then(|peer| peer.content_type)
}
