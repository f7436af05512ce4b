//! The structures of `faas.h`, with the same fields in the same order.

use std::ffi::{c_char, c_void};

/// The version of the C ABI that this glue supports.
pub const ABI_VERSION: u32 = 1;

/// `faas_write`: sends a piece of a streamed response.
pub(super) type Write = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i32;

/// `faas_request`: one invocation.
#[repr(C)]
pub struct Request {
    pub(super) struct_size: u32,
    pub(super) memory_limit_mb: u32,
    pub(super) payload: *const c_void,
    pub(super) payload_len: usize,
    pub(super) request_id: *const c_char,
    pub(super) invocation_id: *const c_char,
    pub(super) deadline_ms: i64,
    pub(super) function_arn: *const c_char,
    pub(super) trace_id: *const c_char,
    pub(super) client_context: *const c_char,
    pub(super) cognito_identity: *const c_char,
    pub(super) tenant_id: *const c_char,
    pub(super) function_name: *const c_char,
    pub(super) function_version: *const c_char,
    pub(super) log_group: *const c_char,
    pub(super) log_stream: *const c_char,
    pub(super) write: Option<Write>,
    pub(super) stream: *mut c_void,
}

/// `faas_response`: the response, or the error.
#[repr(C)]
pub struct Response {
    pub(super) struct_size: u32,
    pub(super) reserved: u32,
    pub(super) data: *const c_void,
    pub(super) len: usize,
    pub(super) content_type: *const c_char,
    pub(super) error_type: *const c_char,
    pub(super) error_message: *const c_char,
    pub(super) stack_trace: *const c_char,
    pub(super) release: Option<unsafe extern "C" fn(*mut Response)>,
    pub(super) private_data: *mut c_void,
}
