//! Tests of the glue. They call it as the runtime does.

mod failures;
mod layout;
mod responses;
mod streams;

use super::abi::{Request, Response};
use super::{run, run_hook, Error, LambdaContext};
use serde_json::Value;
use std::ffi::{c_char, c_void, CStr};
use std::mem::size_of;
use std::{ptr, slice};

/// The fields that the runtime reads from a response, copied before the response is released.
#[derive(Debug)]
struct Outcome {
    status: i32,
    data: Vec<u8>,
    content_type: Option<String>,
    error: Option<(String, String)>,
    stack_trace: Option<String>,
}

impl Outcome {
    fn take(status: i32, mut response: Response) -> Self {
        let outcome = Outcome {
            status,
            data: bytes(response.data, response.len).to_vec(),
            content_type: text(response.content_type),
            error: text(response.error_type).zip(text(response.error_message)),
            stack_trace: text(response.stack_trace),
        };
        if let Some(release) = response.release {
            // SAFETY: the response is unchanged since the glue filled it in.
            unsafe { release(&mut response) };
            assert!(response.private_data.is_null());
        }
        outcome
    }

    fn data(&self) -> &str {
        assert_eq!((self.status, &self.error), (0, &None));
        std::str::from_utf8(&self.data).expect("UTF-8")
    }

    fn error(&self) -> (&str, &str) {
        assert_eq!((self.status, self.data.as_slice()), (1, &[][..]));
        let (kind, message) = self.error.as_ref().expect("an error");
        (kind, message)
    }
}

fn bytes<'a>(data: *const c_void, len: usize) -> &'a [u8] {
    if data.is_null() {
        assert_eq!(len, 0);
        return &[];
    }
    // SAFETY: the bytes are valid until the release.
    unsafe { slice::from_raw_parts(data.cast(), len) }
}

fn text(string: *const c_char) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: strings end with a NUL byte.
    let string = unsafe { CStr::from_ptr(string) };
    Some(string.to_str().expect("UTF-8").to_string())
}

fn request(payload: &[u8]) -> Request {
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

fn response() -> Response {
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

type Handler<E> = fn(&Value, &LambdaContext) -> Result<Value, E>;

fn send<E: Into<Error>>(handler: Handler<E>, request: &Request) -> Outcome {
    let mut response = response();
    // SAFETY: both are like those that the runtime passes.
    let status = unsafe { run(handler, request, &mut response) };
    Outcome::take(status, response)
}

fn invoke<E: Into<Error>>(handler: Handler<E>, payload: impl AsRef<[u8]>) -> Outcome {
    send(handler, &request(payload.as_ref()))
}

fn call_hook<E: Into<Error>>(hook: fn() -> Result<(), E>) -> Outcome {
    let mut response = response();
    // SAFETY: it is like the one that the runtime passes.
    let status = unsafe { run_hook(hook, &mut response) };
    Outcome::take(status, response)
}

#[allow(clippy::unnecessary_wraps)]
fn echo(payload: &Value, _: &LambdaContext) -> Result<Value, String> {
    Ok(payload.clone())
}
