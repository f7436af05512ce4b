"""The structures of `include/faas.h`, field by field in its order, and the types of the functions in it.

A `c_char_p` holds the address of a bytes object and keeps the object alive as long as the structure, so the
payload is handed over without a copy. Its length goes with it: NUL bytes in it do no harm.
"""

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_void_p

ABI_VERSION = 1

WriteFunction = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)


class Request(Structure):
    """`faas_request`: one invocation, filled in by the runtime."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("memory_limit_mb", c_uint32),
        ("payload", c_char_p),
        ("payload_len", c_size_t),
        ("request_id", c_char_p),
        ("invocation_id", c_char_p),
        ("deadline_ms", c_int64),
        ("function_arn", c_char_p),
        ("trace_id", c_char_p),
        ("client_context", c_char_p),
        ("cognito_identity", c_char_p),
        ("tenant_id", c_char_p),
        ("function_name", c_char_p),
        ("function_version", c_char_p),
        ("log_group", c_char_p),
        ("log_stream", c_char_p),
        ("write", WriteFunction),
        ("stream", c_void_p),
    )


class Response(Structure):
    """`faas_response`: the answer, filled in by the function."""


ReleaseFunction = CFUNCTYPE(None, POINTER(Response))

Response._fields_ = (
    ("struct_size", c_uint32),
    ("reserved", c_uint32),
    ("data", c_void_p),
    ("len", c_size_t),
    ("content_type", c_char_p),
    ("error_type", c_char_p),
    ("error_message", c_char_p),
    ("stack_trace", c_char_p),
    ("release", ReleaseFunction),
    ("private_data", c_void_p),
)

VersionFunction = CFUNCTYPE(c_uint32)
HandlerFunction = CFUNCTYPE(c_int32, POINTER(Request), POINTER(Response))
HookFunction = CFUNCTYPE(c_int32, POINTER(Response))
ShutdownFunction = CFUNCTYPE(None)
