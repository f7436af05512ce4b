//! The layout of the structures, and the symbols' types.

mod support;

use faas_function::__private::abi::{Request, Response, VERSION};
use std::mem::{offset_of, size_of, size_of_val};
use support::{request, response};

#[test]
#[cfg(target_pointer_width = "64")]
fn layout_is_that_of_the_header() {
    let mut lines = String::new();
    macro_rules! describe {
        ($name:ident = $sample:expr, $structure:ident: $($field:ident)*) => {
            let sample: $structure = $sample;
            $(lines += &format!(
                "{} {} {} {}\n",
                stringify!($name),
                stringify!($field),
                offset_of!($structure, $field),
                size_of_val(&sample.$field),
            );)*
            lines += &format!("{} - 0 {}\n", stringify!($name), size_of::<$structure>());
        };
    }
    describe!(faas_request = request(&[]), Request:
        struct_size memory_limit_mb payload payload_len request_id invocation_id deadline_ms function_arn
        trace_id client_context cognito_identity tenant_id function_name function_version log_group
        log_stream write stream);
    describe!(faas_response = response(), Response:
        struct_size reserved data len content_type error_type error_message stack_trace release private_data);
    assert_eq!(lines, include_str!("layout-64.txt"));
    assert_eq!(VERSION, 1);
}
