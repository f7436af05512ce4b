//! The structures of `faas.h`, with the same fields in the same order.

use std::ffi::{c_char, c_void};

/// The version of the C ABI that this crate supports.
pub const VERSION: u32 = 1;

/// `faas_write`: sends a piece of a streamed response.
pub type Write = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i32;

/// `faas_request`: one invocation.
#[repr(C)]
#[allow(missing_docs)] // faas.h describes the fields
pub struct Request {
    pub struct_size: u32,
    pub memory_limit_mb: u32,
    pub payload: *const c_void,
    pub payload_len: usize,
    pub request_id: *const c_char,
    pub invocation_id: *const c_char,
    pub deadline_ms: i64,
    pub function_arn: *const c_char,
    pub trace_id: *const c_char,
    pub client_context: *const c_char,
    pub cognito_identity: *const c_char,
    pub tenant_id: *const c_char,
    pub function_name: *const c_char,
    pub function_version: *const c_char,
    pub log_group: *const c_char,
    pub log_stream: *const c_char,
    pub write: Option<Write>,
    pub stream: *mut c_void,
}

/// `faas_response`: the response, or the error.
#[repr(C)]
#[allow(missing_docs)] // faas.h describes the fields
pub struct Response {
    pub struct_size: u32,
    pub reserved: u32,
    pub data: *const c_void,
    pub len: usize,
    pub content_type: *const c_char,
    pub error_type: *const c_char,
    pub error_message: *const c_char,
    pub stack_trace: *const c_char,
    pub release: Option<unsafe extern "C" fn(*mut Response)>,
    pub private_data: *mut c_void,
}
