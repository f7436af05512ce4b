//! Calls the author's functions by the rules of `faas.h`, and owns the memory that a response points to.

use crate::abi::{self, Request, Response};
use crate::answer::Payload;
use crate::context::LambdaContext;
use crate::crashes;
use crate::error::Report;
use crate::panics::catch;
use crate::stream::{self, c_string};
use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::ffi::CString;
use std::{mem, ptr, slice};

/// One invocation, as long as its handler runs.
pub struct Invocation<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) context: LambdaContext,
    event: OnceCell<Box<dyn Any>>,
    /// Whether `deadline = cancel` was given. Only `async` handlers read it.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))]
    pub(crate) cancels: Cell<bool>,
}

impl Invocation<'_> {
    /// Keeps the event for a handler that takes a reference to it.
    pub(crate) fn keep<Event: 'static>(&self, event: Event) -> &Event {
        let kept = self.event.get_or_init(|| Box::new(event));
        kept.downcast_ref().expect("an invocation has one event")
    }
}

/// What the runtime calls first. Returns the version of the C ABI.
#[must_use]
pub fn load() -> u32 {
    crashes::install();
    abi::VERSION
}

/// Calls a handler with a request and fills in the response. Returns 0 for success.
///
/// # Safety
/// Both pointers are valid during the call, as `faas.h` describes them.
pub unsafe fn serve(
    request: *const Request,
    response: *mut Response,
    handler: impl FnOnce(&Invocation<'_>) -> Result<Payload, Report>,
) -> i32 {
    // SAFETY: as above.
    let request = unsafe { &*request };
    // SAFETY: as above. `end` is always called before this returns, because `catch` stops panics.
    unsafe { stream::offer(request, response) };
    let outcome = catch(|| {
        let invocation = Invocation {
            // SAFETY: as above.
            payload: unsafe { payload(request) },
            // SAFETY: the runtime ends its strings with a NUL byte.
            context: unsafe { LambdaContext::read(request) },
            event: OnceCell::new(),
            cancels: Cell::new(false),
        };
        #[cfg(feature = "tracing")]
        let _entered = crate::logs::enter(&invocation.context);
        let answer = handler(&invocation)?;
        stream::finish(answer)
    });
    let content_type = stream::end();
    let status = i32::from(outcome.is_err());
    // SAFETY: as above.
    hand_over(Owned::new(outcome, content_type), unsafe { &mut *response });
    status
}

/// Calls a hook, and fills in the response if it fails. Returns 0 for success.
///
/// # Safety
/// The response is valid during the call, as `faas.h` describes it.
pub unsafe fn serve_hook(response: *mut Response, hook: impl FnOnce() -> Result<(), Report>) -> i32 {
    let Err(report) = catch(hook) else {
        return 0;
    };
    // SAFETY: as above.
    hand_over(Owned::new(Err(report), None), unsafe { &mut *response });
    1
}

/// Calls the hook `shutdown`, whose failure the runtime does not take. So it is printed.
pub fn serve_shutdown(hook: impl FnOnce() -> Result<(), Report>) {
    if let Err(report) = catch(hook) {
        if report.kind != "Function.Panic" {
            eprintln!("shutdown failed: {}: {}", report.kind, report.message);
        }
    }
}

/// # Safety
/// As for `serve`.
unsafe fn payload(request: &Request) -> &[u8] {
    if request.payload.is_null() {
        return &[]; // even an empty slice must not begin at NULL
    }
    // SAFETY: the runtime keeps `payload_len` bytes until the handler returns.
    unsafe { slice::from_raw_parts(request.payload.cast(), request.payload_len) }
}

/// The memory that a response points to, until the runtime releases it.
#[derive(Default)]
struct Owned {
    data: Vec<u8>,
    content_type: Option<CString>,
    kind: Option<CString>,
    message: Option<CString>,
    trace: Option<CString>,
}

impl Owned {
    /// `streamed`: the content type of the stream, if the handler has opened one.
    fn new(outcome: Result<Payload, Report>, streamed: Option<CString>) -> Self {
        match outcome {
            Ok(payload) => Owned {
                data: payload.data,
                content_type: streamed.or(payload.content_type.as_deref().map(c_string)),
                ..Owned::default()
            },
            Err(report) => Owned {
                content_type: streamed,
                kind: Some(c_string(&report.kind)),
                message: Some(c_string(&report.message)),
                trace: (!report.trace.is_empty()).then(|| c_string(&report.trace.join("\n"))),
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
    response.stack_trace = pointer(&owned.trace);
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
