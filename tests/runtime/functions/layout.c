/* Prints the layout of the structures: one line a field, "structure field offset size". */
#include <faas.h>
#include <stdio.h>

#define FIELD(structure, field) \
    printf(#structure " " #field " %lu %lu\n", (unsigned long)offsetof(structure, field), \
           (unsigned long)sizeof(((structure *)0)->field))
#define SIZE(structure) printf(#structure " - 0 %lu\n", (unsigned long)sizeof(structure))

int main(void)
{
    FIELD(faas_request, struct_size);
    FIELD(faas_request, memory_limit_mb);
    FIELD(faas_request, payload);
    FIELD(faas_request, payload_len);
    FIELD(faas_request, request_id);
    FIELD(faas_request, invocation_id);
    FIELD(faas_request, deadline_ms);
    FIELD(faas_request, function_arn);
    FIELD(faas_request, trace_id);
    FIELD(faas_request, client_context);
    FIELD(faas_request, cognito_identity);
    FIELD(faas_request, tenant_id);
    FIELD(faas_request, function_name);
    FIELD(faas_request, function_version);
    FIELD(faas_request, log_group);
    FIELD(faas_request, log_stream);
    FIELD(faas_request, write);
    FIELD(faas_request, stream);
    SIZE(faas_request);
    FIELD(faas_response, struct_size);
    FIELD(faas_response, reserved);
    FIELD(faas_response, data);
    FIELD(faas_response, len);
    FIELD(faas_response, content_type);
    FIELD(faas_response, error_type);
    FIELD(faas_response, error_message);
    FIELD(faas_response, stack_trace);
    FIELD(faas_response, release);
    FIELD(faas_response, private_data);
    SIZE(faas_response);
    return 0;
}
