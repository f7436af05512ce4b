//! What the tests share: they call exported symbols as the runtime does.

#![allow(dead_code)] // each test file uses some of it

use faas_function::__private::abi::{Request, Response};
use std::cell::RefCell;
use std::ffi::{c_char, c_void, CStr};
use std::mem::size_of;
use std::{ptr, slice};

/// A handler's symbol.
pub type Symbol = unsafe extern "C" fn(*const Request, *mut Response) -> i32;

/// The symbol of a hook.
pub type HookSymbol = unsafe extern "C" fn(*mut Response) -> i32;

/// Declares symbols that `export!` has made, in a module of its own, as they are called like the author's functions.
#[macro_export]
macro_rules! symbols {
    ($($name:ident)* $(; $($hook:ident)*)?) => {
        mod symbols {
            use faas_function::__private::abi::{Request, Response};
            extern "C" {
                $(pub fn $name(request: *const Request, response: *mut Response) -> i32;)*
                $($(pub fn $hook(response: *mut Response) -> i32;)*)?
            }
        }
    };
}

/// The fields that the runtime reads from a response, copied before the response is released.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub data: Vec<u8>,
    pub content_type: Option<String>,
    pub error: Option<(String, String)>,
    pub trace: Option<String>,
}

impl Outcome {
    pub fn take(status: i32, mut response: Response) -> Self {
        let outcome = Outcome {
            status,
            data: bytes(response.data, response.len).to_vec(),
            content_type: text(response.content_type),
            error: text(response.error_type).zip(text(response.error_message)),
            trace: text(response.stack_trace),
        };
        if let Some(release) = response.release {
            // SAFETY: the response is unchanged since the crate filled it in.
            unsafe { release(&mut response) };
            assert!(response.private_data.is_null());
        }
        outcome
    }

    pub fn data(&self) -> &str {
        assert_eq!((self.status, &self.error), (0, &None));
        std::str::from_utf8(&self.data).expect("UTF-8")
    }

    pub fn error(&self) -> (&str, &str) {
        assert_eq!((self.status, self.data.as_slice()), (1, &[][..]));
        let (kind, message) = self.error.as_ref().expect("an error");
        (kind, message)
    }

    /// The lines of the stack trace.
    pub fn trace(&self) -> Vec<&str> {
        self.trace.as_deref().unwrap_or_default().lines().collect()
    }
}

pub fn bytes<'a>(data: *const c_void, len: usize) -> &'a [u8] {
    if data.is_null() {
        assert_eq!(len, 0);
        return &[];
    }
    // SAFETY: the bytes are valid until the release.
    unsafe { slice::from_raw_parts(data.cast(), len) }
}

pub fn text(string: *const c_char) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: strings end with a NUL byte.
    let string = unsafe { CStr::from_ptr(string) };
    Some(string.to_str().expect("UTF-8").to_string())
}

/// A request with this payload and nothing else.
pub fn request(payload: &[u8]) -> Request {
    Request {
        struct_size: u32::try_from(size_of::<Request>()).expect("small"),
        memory_limit_mb: 0,
        payload: payload.as_ptr().cast(),
        payload_len: payload.len(),
        request_id: c"r-1".as_ptr(),
        invocation_id: ptr::null(),
        deadline_ms: 0,
        function_arn: ptr::null(),
        trace_id: ptr::null(),
        client_context: ptr::null(),
        cognito_identity: ptr::null(),
        tenant_id: ptr::null(),
        function_name: ptr::null(),
        function_version: ptr::null(),
        log_group: ptr::null(),
        log_stream: ptr::null(),
        write: None,
        stream: ptr::null_mut(),
    }
}

/// A response as the runtime passes it.
pub fn response() -> Response {
    Response {
        struct_size: u32::try_from(size_of::<Response>()).expect("small"),
        reserved: 0,
        data: ptr::null(),
        len: 0,
        content_type: ptr::null(),
        error_type: ptr::null(),
        error_message: ptr::null(),
        stack_trace: ptr::null(),
        release: None,
        private_data: ptr::null_mut(),
    }
}

pub fn send(symbol: Symbol, request: &Request) -> Outcome {
    let mut response = response();
    // SAFETY: both are like those that the runtime passes.
    let status = unsafe { symbol(request, &mut response) };
    Outcome::take(status, response)
}

pub fn invoke(symbol: Symbol, payload: impl AsRef<[u8]>) -> Outcome {
    send(symbol, &request(payload.as_ref()))
}

pub fn call_hook(symbol: HookSymbol) -> Outcome {
    let mut response = response();
    // SAFETY: it is like the one that the runtime passes.
    let status = unsafe { symbol(&mut response) };
    Outcome::take(status, response)
}

thread_local! {
    static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn take(stream: *mut c_void, data: *const c_void, len: usize) -> i32 {
    // SAFETY: the stream is the response that `stream` below passes.
    let content_type = unsafe { text((*stream.cast::<Response>()).content_type) };
    let piece = String::from_utf8_lossy(bytes(data, len)).into_owned();
    SENT.with_borrow_mut(|sent| sent.push(format!("{}: {piece}", content_type.unwrap_or_default())));
    i32::from(piece.contains("gone"))
}

/// What was sent since the last call of this or of `stream`, on this thread.
pub fn sent() -> Vec<String> {
    SENT.take()
}

/// Calls a handler that may stream. Returns the pieces that were sent, each after its content type, and the outcome. The
/// caller goes away after a piece with the word "gone".
pub fn stream(symbol: Symbol, payload: &str) -> (Vec<String>, Outcome) {
    let mut response = response();
    let mut request = request(payload.as_bytes());
    let response_pointer = ptr::addr_of_mut!(response);
    request.write = Some(take);
    request.stream = response_pointer.cast();
    // SAFETY: both are like those that the runtime passes.
    let status = unsafe { symbol(&request, response_pointer) };
    (sent(), Outcome::take(status, response))
}
