//! Calls the author's functions by the rules of `faas.h`, and owns the memory that a response points to.

use super::abi::{Request, Response};
use super::context::{c_string, end_stream, is_streaming, offer_stream};
use super::panics::catch;
use super::{Error, LambdaContext};
use serde_json::Value;
use std::ffi::CString;
use std::{mem, ptr, slice};

/// Calls the handler with a request and fills in the response. Returns 0 for success.
///
/// # Safety
/// Both pointers are valid during the call, as `faas.h` describes them.
pub unsafe fn run<E: Into<Error>>(
    handler: fn(&Value, &LambdaContext) -> Result<Value, E>,
    request: *const Request,
    response: *mut Response,
) -> i32 {
    // SAFETY: as above.
    let request = unsafe { &*request };
    // SAFETY: as above. `end_stream` is always called before this returns, because `catch` stops panics.
    unsafe { offer_stream(request, response) };
    // SAFETY: as above.
    let outcome = catch(|| unsafe { call_handler(handler, request) });
    let content_type = end_stream();
    let status = i32::from(outcome.is_err());
    // SAFETY: as above.
    hand_over(Owned::new(outcome, content_type), unsafe { &mut *response });
    status
}

/// Calls a hook, and fills in the response if it fails. Returns 0 for success.
///
/// # Safety
/// The response is valid during the call, as `faas.h` describes it.
pub unsafe fn run_hook<E: Into<Error>>(
    hook: fn() -> Result<(), E>,
    response: *mut Response,
) -> i32 {
    let Err(error) = catch(|| hook().map_err(Into::into)) else {
        return 0;
    };
    // SAFETY: as above.
    hand_over(Owned::new(Err(error), None), unsafe { &mut *response });
    1
}

/// Calls the hook `shutdown`, which cannot report a failure. A panic is printed.
pub fn run_shutdown(hook: fn()) {
    let _ = catch(|| {
        hook();
        Ok(())
    });
}

/// # Safety
/// As for `run`.
unsafe fn call_handler<E: Into<Error>>(
    handler: fn(&Value, &LambdaContext) -> Result<Value, E>,
    request: &Request,
) -> Result<Vec<u8>, Error> {
    // SAFETY: as above.
    let payload = parse(unsafe { payload(request) })?;
    // SAFETY: the runtime ends its strings with a NUL byte.
    let context = unsafe { LambdaContext::read(request) };
    let value = handler(&payload, &context).map_err(Into::into)?;
    if value.is_null() && is_streaming() {
        return Ok(Vec::new());
    }
    Ok(serde_json::to_vec(&value)?)
}

/// # Safety
/// As for `run`.
unsafe fn payload(request: &Request) -> &[u8] {
    if request.payload.is_null() {
        return &[]; // even an empty slice must not begin at NULL
    }
    // SAFETY: the runtime keeps `payload_len` bytes until the handler returns.
    unsafe { slice::from_raw_parts(request.payload.cast(), request.payload_len) }
}

fn parse(payload: &[u8]) -> Result<Value, Error> {
    if payload.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(payload).map_err(|error| {
        Error::new(
            "Function.InvalidPayload",
            format!("the payload is not JSON: {error}"),
        )
    })
}

/// The memory that a response points to, until the runtime releases it.
#[derive(Default)]
struct Owned {
    data: Vec<u8>,
    content_type: Option<CString>,
    kind: Option<CString>,
    message: Option<CString>,
    location: Option<CString>,
}

impl Owned {
    fn new(outcome: Result<Vec<u8>, Error>, content_type: Option<CString>) -> Self {
        match outcome {
            Ok(data) => Owned {
                data,
                content_type,
                ..Owned::default()
            },
            Err(error) => Owned {
                content_type,
                kind: Some(c_string(&error.kind)),
                message: Some(c_string(&error.message)),
                location: error.location.as_deref().map(c_string),
                ..Owned::default()
            },
        }
    }
}

/// Lets the response point to the memory and own it; `release` frees it.
fn hand_over(owned: Owned, response: &mut Response) {
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    response.content_type = pointer(&owned.content_type);
    response.error_type = pointer(&owned.kind);
    response.error_message = pointer(&owned.message);
    response.stack_trace = pointer(&owned.location);
    response.len = owned.data.len();
    if response.len > 0 {
        response.data = owned.data.as_ptr().cast();
    }
    response.private_data = Box::into_raw(Box::new(owned)).cast();
    response.release = Some(release);
}

/// Frees the memory that a response owns, with the allocator that it came from.
unsafe extern "C" fn release(response: *mut Response) {
    // SAFETY: the runtime calls this once, with the response that `hand_over` filled in.
    drop(unsafe {
        let owned = mem::replace(&mut (*response).private_data, ptr::null_mut());
        Box::from_raw(owned.cast::<Owned>())
    });
}
