//! Calls of the author's functions by the rules of `faas.h`, and who owns what a response points to.

use super::abi::{Request, Response};
use super::context::{c_string, end_stream, is_streaming, offer_stream};
use super::panics::catch;
use super::{Error, LambdaContext};
use serde_json::Value;
use std::ffi::CString;
use std::{mem, ptr, slice};

/// Calls the handler for a request and fills in the response: 0 for success.
///
/// # Safety
/// Both are valid for the time of the call, as `faas.h` describes them.
pub unsafe fn run<E: Into<Error>>(
    handler: fn(&Value, &LambdaContext) -> Result<Value, E>,
    request: *const Request,
    response: *mut Response,
) -> i32 {
    // SAFETY: as above.
    let request = unsafe { &*request };
    // SAFETY: as above; `end_stream` is called before this returns, as `catch` stops panics.
    unsafe { offer_stream(request, response) };
    // SAFETY: as above.
    let outcome = catch(|| unsafe { answer(handler, request) });
    let content_type = end_stream();
    let status = i32::from(outcome.is_err());
    // SAFETY: as above.
    hand_over(Owned::new(outcome, content_type), unsafe { &mut *response });
    status
}

/// Calls a hook, and fills in the response if it fails: 0 for success.
///
/// # Safety
/// The response is valid for the time of the call, as `faas.h` describes it.
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

/// Calls the hook that has nobody left to tell of a failure; a panic is printed.
pub fn run_shutdown(hook: fn()) {
    let _ = catch(|| {
        hook();
        Ok(())
    });
}

/// # Safety
/// As for `run`.
unsafe fn answer<E: Into<Error>>(
    handler: fn(&Value, &LambdaContext) -> Result<Value, E>,
    request: &Request,
) -> Result<Vec<u8>, Error> {
    // SAFETY: as above.
    let payload = parse(unsafe { payload(request) })?;
    // SAFETY: the runtime ends its strings with a NUL byte.
    let context = unsafe { LambdaContext::read(request) };
    let answer = handler(&payload, &context).map_err(Into::into)?;
    if answer.is_null() && is_streaming() {
        return Ok(Vec::new());
    }
    Ok(serde_json::to_vec(&answer)?)
}

/// # Safety
/// As for `run`.
unsafe fn payload(request: &Request) -> &[u8] {
    if request.payload.is_null() {
        return &[]; // no slice may begin at NULL, not even an empty one
    }
    // SAFETY: the runtime keeps so many bytes until the handler returns.
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

/// What a response points to, until the runtime releases it.
#[derive(Default)]
struct Owned {
    answer: Vec<u8>,
    content_type: Option<CString>,
    kind: Option<CString>,
    message: Option<CString>,
    location: Option<CString>,
}

impl Owned {
    fn new(outcome: Result<Vec<u8>, Error>, content_type: Option<CString>) -> Self {
        match outcome {
            Ok(answer) => Owned {
                answer,
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

/// Lets the response point to what it owns from now on; `release` takes that back.
fn hand_over(owned: Owned, response: &mut Response) {
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    response.content_type = pointer(&owned.content_type);
    response.error_type = pointer(&owned.kind);
    response.error_message = pointer(&owned.message);
    response.stack_trace = pointer(&owned.location);
    response.len = owned.answer.len();
    if response.len > 0 {
        response.data = owned.answer.as_ptr().cast();
    }
    response.private_data = Box::into_raw(Box::new(owned)).cast();
    response.release = Some(release);
}

/// Frees, with the allocator that allocated it, what a response owns.
unsafe extern "C" fn release(response: *mut Response) {
    // SAFETY: the runtime hands back, once, the response that `hand_over` filled in.
    drop(unsafe {
        let owned = mem::replace(&mut (*response).private_data, ptr::null_mut());
        Box::from_raw(owned.cast::<Owned>())
    });
}
