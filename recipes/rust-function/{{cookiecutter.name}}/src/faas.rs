//! The glue between a function in Rust and faas-runtime: the C ABI of `faas.h`, version 1.
//!
//! `faas::export!(handle);` exports the C symbols for a function
//! `fn handle(payload: &Value, context: &LambdaContext) -> Result<Value, String>`.
//! An `Err` is an error of the type `Function.Error`, a panic one of `Function.Panic`, and a payload that is
//! not JSON one of `Function.InvalidPayload`. An empty payload counts as `null`.

use serde_json::Value;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_char, c_void, CStr, CString};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{mem, ptr, slice};

/// The version of the C ABI that this file is written for.
pub const ABI_VERSION: u32 = 1;

/// What a function's author writes.
pub type Handler = fn(&Value, &LambdaContext) -> Result<Value, String>;

/// Exports `faas_abi_version` and the named function as symbols of the C ABI.
macro_rules! export {
    ($handler:ident) => {
        mod faas_exports {
            use $crate::faas;

            #[unsafe(no_mangle)]
            extern "C" fn faas_abi_version() -> u32 {
                faas::ABI_VERSION
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn $handler(
                request: *const faas::Request,
                response: *mut faas::Response,
            ) -> i32 {
                // SAFETY: the runtime hands over structures as faas.h describes them.
                unsafe { faas::run(super::$handler, request, response) }
            }
        }
    };
}
pub(crate) use export;

/// What came with an event; empty where it was not given.
#[derive(Clone, Debug, Default)]
pub struct LambdaContext {
    pub request_id: String,
    pub invocation_id: String,
    /// When time is up: milliseconds since 1970-01-01 UTC; 0 when not given.
    pub deadline_ms: i64,
    pub function_arn: String,
    pub trace_id: String,
    pub client_context: String,
    pub cognito_identity: String,
    pub tenant_id: String,
    pub function_name: String,
    pub function_version: String,
    /// In MiB; 0 when not given.
    pub memory_limit_mb: u32,
    pub log_group: String,
    pub log_stream: String,
}

impl LambdaContext {
    /// The time that is left: zero when it is up, and `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = match u64::try_from(self.deadline_ms) {
            Ok(deadline) if deadline > 0 => UNIX_EPOCH + Duration::from_millis(deadline),
            _ => return None,
        };
        let left = deadline.duration_since(SystemTime::now());
        Some(left.unwrap_or(Duration::ZERO))
    }

    /// # Safety
    /// The strings of the request are NULL or end with a NUL byte.
    unsafe fn read(request: &Request) -> Self {
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

/// `faas_request` of `faas.h`.
#[repr(C)]
pub struct Request {
    struct_size: u32,
    memory_limit_mb: u32,
    payload: *const c_void,
    payload_len: usize,
    request_id: *const c_char,
    invocation_id: *const c_char,
    deadline_ms: i64,
    function_arn: *const c_char,
    trace_id: *const c_char,
    client_context: *const c_char,
    cognito_identity: *const c_char,
    tenant_id: *const c_char,
    function_name: *const c_char,
    function_version: *const c_char,
    log_group: *const c_char,
    log_stream: *const c_char,
    write: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i32>,
    stream: *mut c_void,
}

/// `faas_response` of `faas.h`.
#[repr(C)]
pub struct Response {
    struct_size: u32,
    reserved: u32,
    data: *const c_void,
    len: usize,
    content_type: *const c_char,
    error_type: *const c_char,
    error_message: *const c_char,
    stack_trace: *const c_char,
    release: Option<unsafe extern "C" fn(*mut Response)>,
    private_data: *mut c_void,
}

/// Why an invocation failed.
struct Failure {
    kind: &'static str,
    message: String,
    location: Option<String>,
}

impl Failure {
    fn new(kind: &'static str, message: String) -> Self {
        Failure {
            kind,
            message,
            location: None,
        }
    }
}

/// What the response points to, until the runtime releases it.
enum Owned {
    Answer(Vec<u8>),
    Failure {
        kind: CString,
        message: CString,
        location: Option<CString>,
    },
}

/// Calls the handler for a request and fills in the response: 0 for success.
///
/// # Safety
/// Both are valid for the time of the call, as `faas.h` describes them.
pub unsafe fn run(handler: Handler, request: *const Request, response: *mut Response) -> i32 {
    report_panics();
    // SAFETY: as above. No panic may cross into C, so all that may panic happens in here.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| unsafe { call(handler, &*request) }));
    let outcome = outcome.unwrap_or_else(|panicked| Err(panic_failure(panicked)));
    let status = i32::from(outcome.is_err());
    let owned = match outcome {
        Ok(answer) => Owned::Answer(answer),
        Err(failure) => Owned::Failure {
            kind: c_string(failure.kind),
            message: c_string(&failure.message),
            location: failure.location.as_deref().map(c_string),
        },
    };
    // SAFETY: as above.
    hand_over(owned, unsafe { &mut *response });
    status
}

/// # Safety
/// As for `run`.
unsafe fn call(handler: Handler, request: &Request) -> Result<Vec<u8>, Failure> {
    let payload = if request.payload_len == 0 {
        Value::Null // the pointer may be NULL, which no slice may begin at
    } else {
        // SAFETY: the runtime keeps so many bytes until the handler returns.
        let bytes = unsafe { slice::from_raw_parts(request.payload.cast(), request.payload_len) };
        serde_json::from_slice(bytes).map_err(|error| {
            let message = format!("the payload is not JSON: {error}");
            Failure::new("Function.InvalidPayload", message)
        })?
    };
    // SAFETY: the runtime ends its strings with a NUL byte.
    let context = unsafe { LambdaContext::read(request) };
    let answer = handler(&payload, &context);
    let answer = answer.map_err(|message| Failure::new("Function.Error", message))?;
    serde_json::to_vec(&answer).map_err(|error| Failure::new("Function.Error", error.to_string()))
}

/// Lets the response point to what it owns from now on; `release` takes that back.
fn hand_over(owned: Owned, response: &mut Response) {
    let owned = Box::new(owned);
    match &*owned {
        Owned::Answer(answer) => {
            response.data = answer.as_ptr().cast();
            response.len = answer.len();
        }
        Owned::Failure {
            kind,
            message,
            location,
        } => {
            response.error_type = kind.as_ptr();
            response.error_message = message.as_ptr();
            response.stack_trace = location.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        }
    }
    response.private_data = Box::into_raw(owned).cast();
    response.release = Some(release);
}

/// Frees, with the allocator that allocated it, what a response owns.
unsafe extern "C" fn release(response: *mut Response) {
    // SAFETY: the runtime hands back the response that `hand_over` filled in, once.
    drop(unsafe {
        let owned = mem::replace(&mut (*response).private_data, ptr::null_mut());
        Box::from_raw(owned.cast::<Owned>())
    });
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

thread_local! {
    /// Where this thread panicked last; only a panic hook is told.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes where panics happen, besides printing them as ever.
fn report_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            let location = information.location().map(ToString::to_string);
            LOCATION.with(|last| last.replace(location));
            previous(information);
        }));
    });
}

fn panic_failure(panicked: Box<dyn Any + Send>) -> Failure {
    let message = match panicked.downcast_ref::<&str>() {
        Some(text) => Some((*text).to_string()),
        None => panicked.downcast_ref::<String>().cloned(),
    };
    mem::forget(panicked); // its destructor could panic, outside of what catches panics
    Failure {
        kind: "Function.Panic",
        message: message.unwrap_or_else(|| "the function panicked".to_string()),
        location: LOCATION.with(RefCell::take),
    }
}
