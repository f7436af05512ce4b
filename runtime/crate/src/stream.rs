//! A response that is sent in pieces.

use crate::abi::{Request, Response, Write as WriteFunction};
use crate::answer::Payload;
use crate::error::{report, Report};
use crate::Error;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_void, CString};
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::marker::PhantomData;

/// How many bytes are kept back at most.
const BUFFER: usize = 8192;

const HTTP: &str = "application/vnd.awslambda.http-integration-response";

/// The head of an HTTP response that is sent in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    status_code: u16,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
}

impl HttpHead {
    /// The head of a response with this status code.
    #[must_use]
    pub fn new(status_code: u16) -> Self {
        HttpHead {
            status_code,
            headers: BTreeMap::new(),
            cookies: Vec::new(),
        }
    }

    /// The same head with another header. Values of the same name, in any case, are joined with commas.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|earlier| *earlier = format!("{earlier}, {value}"))
            .or_insert(value);
        self
    }

    /// The same head with another cookie, as in the header `Set-Cookie`.
    #[must_use]
    pub fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.cookies.push(cookie.into());
        self
    }

    /// The bytes before the body, as Lambda wants them: the head in JSON, then eight NUL bytes.
    pub(crate) fn prelude(&self) -> Vec<u8> {
        let mut head = json!({"statusCode": self.status_code});
        if !self.headers.is_empty() {
            head["headers"] = json!(self.headers);
        }
        if !self.cookies.is_empty() {
            head["cookies"] = json!(self.cookies);
        }
        let mut bytes = head.to_string().into_bytes();
        bytes.extend([0; 8]);
        bytes
    }
}

/// A response that is sent in pieces. Dropping it does not end the response: the handler's return does.
///
/// Bytes are sent when a write ends with a newline, when 8 KiB have come together, on `flush`, and when the handler
/// returns. One `write!` is one write, however many arguments it has. The error `BrokenPipe` means that the caller no
/// longer receives the response; then return from the handler.
///
/// A write returns when its bytes were passed on, so a slow caller slows the handler down. Under `tokio` it is an
/// `AsyncWrite` as well, whose writes block the handler's own task in the same way; spawned tasks go on.
#[derive(Debug)]
pub struct Stream<'a> {
    _context: PhantomData<&'a ()>,
    _on_its_thread: PhantomData<*const ()>,
}

impl Write for Stream<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        with_peer(|peer| peer.write(data)).unwrap_or_else(|| Err(over()))?;
        Ok(data.len())
    }

    /// Sends what was kept back.
    fn flush(&mut self) -> io::Result<()> {
        with_peer(Peer::flush).unwrap_or_else(|| Err(over()))
    }

    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        match arguments.as_str() {
            Some(text) => self.write_all(text.as_bytes()),
            None => self.write_all(arguments.to_string().as_bytes()),
        }
    }
}

// A leaked context lets a stream outlive its invocation.
fn over() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "the invocation is over")
}

/// Whether the handler that this thread runs can open its stream.
#[cfg(feature = "http")]
pub(crate) fn is_offered() -> bool {
    with_peer(|_| ()).is_some()
}

pub(crate) fn open<'a>(content_type: &str) -> io::Result<Stream<'a>> {
    let content_type = c_string(content_type);
    with_peer(|peer| peer.open(content_type))
        .ok_or_else(|| io::Error::new(ErrorKind::Unsupported, "streaming is not available"))?;
    Ok(Stream {
        _context: PhantomData,
        _on_its_thread: PhantomData,
    })
}

pub(crate) fn open_http<'a>(head: &HttpHead) -> io::Result<Stream<'a>> {
    let mut stream = open(HTTP)?;
    stream.write_all(&head.prelude())?;
    Ok(stream)
}

/// The receiver of the pieces, during one call of the handler.
struct Peer {
    write: WriteFunction,
    stream: *mut c_void,
    response: *mut Response,
    /// Set when the stream is opened; the response points to it.
    content_type: Option<CString>,
    /// What was written and not yet sent.
    kept: Vec<u8>,
    /// Whether a piece was sent.
    begun: bool,
}

impl Peer {
    fn open(&mut self, content_type: CString) {
        // SAFETY: the response is valid as long as there is a peer, and nothing else refers to it.
        unsafe { (*self.response).content_type = content_type.as_ptr() };
        self.content_type = Some(content_type);
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if self.kept.len() + data.len() > BUFFER {
            self.flush()?;
        }
        if data.len() >= BUFFER {
            return self.send(data);
        }
        self.kept.extend_from_slice(data);
        if data.ends_with(b"\n") {
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let kept = std::mem::take(&mut self.kept);
        let outcome = self.send(&kept);
        self.kept = kept; // its memory is used again
        self.kept.clear();
        outcome
    }

    fn send(&mut self, data: &[u8]) -> io::Result<()> {
        self.begun = true;
        // SAFETY: the handler is running, and `data` is valid during the call.
        let status = unsafe { (self.write)(self.stream, data.as_ptr().cast(), data.len()) };
        if status == 0 {
            return Ok(());
        }
        Err(io::Error::new(
            ErrorKind::BrokenPipe,
            "the caller no longer receives the response",
        ))
    }
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
/// The request and the response stay valid, as `faas.h` describes them, until `end` is called.
pub(crate) unsafe fn offer(request: &Request, response: *mut Response) {
    PEER.set(request.write.map(|write| Peer {
        write,
        stream: request.stream,
        response,
        content_type: None,
        kept: Vec::new(),
        begun: false,
    }));
}

/// Called when the handler has returned an answer: what is sent after the pieces.
pub(crate) fn finish(answer: Payload) -> Result<Payload, Report> {
    let sent = with_peer(|peer| peer.content_type.is_some().then(|| peer.flush())).flatten();
    match sent {
        None => Ok(answer),
        Some(Err(error)) => Err(report(&Error::from(error))),
        Some(Ok(())) if answer.content_type.is_none() && answer.data == b"null" => Ok(Payload::default()),
        Some(Ok(())) => Ok(answer),
    }
}

/// Called after the handler. The response still points to the returned content type.
///
/// After a failure, what was kept back is sent as well if the response has begun. Otherwise it is dropped, so that the
/// caller gets an ordinary error.
pub(crate) fn end() -> Option<CString> {
    PEER.take().and_then(|mut peer| {
        if peer.begun {
            let _ = peer.flush(); // a caller that has gone does not hear of the failure either
        }
        peer.content_type
    })
}

/// The text as a C string. U+FFFD replaces NUL bytes inside it.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
