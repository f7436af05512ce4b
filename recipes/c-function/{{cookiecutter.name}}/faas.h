/*
 * faas.h - the C ABI between faas-runtime and a function, version 1
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A function is a shared library. It exports
 *
 *     uint32_t faas_abi_version(void);                              returns FAAS_ABI_VERSION
 *     int32_t  handle(const faas_request *, faas_response *);       any name; _HANDLER says which
 *
 * and, if it wants to, the functions under "Optional symbols" below. The handler reads the request, fills in
 * the response and returns 0. Any other return value means that it failed; the response then says how.
 *
 * Ownership. The side that allocated memory frees it. The runtime owns everything in the request; it is valid
 * until the handler returns. Copy what you need for longer. The function owns everything that the response
 * points to. It must stay valid until the runtime calls `release`, or as long as the library is loaded if
 * `release` is NULL. The runtime calls it as soon as it does not need that memory any more: it copies a short
 * response and calls `release` before it sends the copy. For any other response, it does so after sending it.
 *
 * Strings are UTF-8 and end with a NUL byte; NULL means "not given". The payload and the response data are
 * bytes with a length. The runtime does not parse them, and they need no NUL byte at the end.
 *
 * Growth. Both structures begin with their size in bytes in this runtime. New fields are added at the end only.
 * Before a function uses a field that is newer than version 1, it checks `struct_size`: FAAS_HAS(request, field).
 *
 * Layout. The order of the fields needs no padding between them, with 32-bit and with 64-bit pointers.
 * `struct_size` ends with the last field. It does not include padding after that field, which some 32-bit
 * platforms add.
 *
 * Threads. The runtime calls a handler on the thread that loaded the library, one call at a time, unless the
 * platform asks for several invocations at the same time (AWS_LAMBDA_MAX_CONCURRENCY above 1): then it calls
 * from several threads. It always calls the optional symbols on the thread that loaded the library, while no
 * handler runs. The runtime also has a thread that waits for signals; it calls none of these functions.
 *
 * Processes. The runtime handles SIGTERM and SIGINT: it lets the handler finish, calls faas_shutdown and ends.
 * A child made by fork() that runs the same program inherits the runtime's handlers of both signals, and they
 * do nothing in the child. So the child sets its own, such as SIG_DFL. It must end by _exit() or by a signal,
 * because exit() would run what its parent has registered for its end. This does not concern posix_spawn,
 * system, popen, and fork followed by exec. If the function itself calls exit(), the process ends, and its last
 * line on standard error names the request or the hook. There is no such line while the library is being loaded
 * (constructors, static initialisers).
 *
 * Exceptions, panics and longjmp must not leave any of these functions.
 */
#ifndef FAAS_H
#define FAAS_H

#include <stddef.h>
#include <stdint.h>

#define FAAS_ABI_VERSION 1

/* Exports a symbol from the library, in C++ too without name mangling: FAAS_EXPORT int32_t handle(...). */
#ifdef __cplusplus
#define FAAS_LINKAGE extern "C"
#else
#define FAAS_LINKAGE
#endif
#if defined(_WIN32) || defined(__CYGWIN__)
#define FAAS_EXPORT FAAS_LINKAGE __declspec(dllexport)
#elif defined(__GNUC__)
#define FAAS_EXPORT FAAS_LINKAGE __attribute__((visibility("default")))
#else
#define FAAS_EXPORT FAAS_LINKAGE
#endif

/* Whether the running runtime is new enough to know this field of the structure. */
#define FAAS_HAS(structure, field)                                                                \
    ((structure)->struct_size >=                                                                  \
     (size_t)((const char *)&(structure)->field - (const char *)(structure)) + sizeof((structure)->field))

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sends a piece of a streamed response: `len` bytes at `data`, which you can reuse after the call. `stream` is
 * the request's field of that name. Returns 0, or non-zero if the piece could not be sent because the caller no
 * longer receives the response; then return from the handler. Call it only while the handler runs, and from one
 * thread at a time.
 */
typedef int32_t (*faas_write)(void *stream, const void *data, size_t len);

/* One invocation. The runtime fills it in. */
typedef struct faas_request {
    uint32_t struct_size;         /* size of this structure in bytes */
    uint32_t memory_limit_mb;     /* memory configured for the function, in MiB; 0: not given */
    const void *payload;          /* the event; may be NULL if payload_len is 0 */
    size_t payload_len;           /* its length in bytes */
    const char *request_id;       /* identifies the request; never NULL */
    const char *invocation_id;    /* identifies this attempt at the request */
    int64_t deadline_ms;          /* the deadline: milliseconds since 1970-01-01 UTC; 0: not given */
    const char *function_arn;     /* ARN that was invoked */
    const char *trace_id;         /* X-Ray tracing header */
    const char *client_context;   /* JSON, from mobile SDKs and tracing */
    const char *cognito_identity; /* JSON */
    const char *tenant_id;        /* tenant of a function with tenant isolation */
    const char *function_name;    /* name of the function */
    const char *function_version; /* version of the function, such as $LATEST */
    const char *log_group;        /* CloudWatch log group */
    const char *log_stream;       /* CloudWatch log stream */
    faas_write write;             /* sends a piece of the response; NULL: streaming is not available */
    void *stream;                 /* the first argument for `write` */
} faas_request;

/*
 * The response. All fields except struct_size are zero when the handler is called.
 *
 * For success, set `data` and `len` (both zero: an empty response), and `content_type` unless it is
 * application/json. A handler that streams sets `content_type` before its first call of `write`; the runtime
 * sends `data` last. For an HTTP integration, the content type is
 * application/vnd.awslambda.http-integration-response, and the handler writes the prelude itself: a JSON object
 * such as {"statusCode":200,"headers":{}}, then eight NUL bytes, then the body.
 *
 * For failure, set `error_type`, `error_message` and `stack_trace`. Lambda's metrics count error types like
 * "Function.SomethingWrong" (after the dot only letters, the first one a capital). Other types work, but count
 * as "Function.Unknown". Without a type it is "Function.Error".
 */
typedef struct faas_response faas_response;
struct faas_response {
    uint32_t struct_size;             /* size of this structure in bytes; do not change it */
    uint32_t reserved;                /* 0 */
    const void *data;                 /* the response as bytes; may be NULL if len is 0 */
    size_t len;                       /* its length in bytes */
    const char *content_type;         /* media type of the response: visible ASCII and spaces */
    const char *error_type;           /* type of the error */
    const char *error_message;        /* what happened, for a person */
    const char *stack_trace;          /* where it happened: one frame per line, innermost first */
    void (*release)(faas_response *); /* called once, after success or failure; NULL: nothing to free */
    void *private_data;               /* for the function's own use; the runtime does not touch it */
};

/* Type of a handler. */
typedef int32_t (*faas_handler)(const faas_request *request, faas_response *response);

/* Required. Returns FAAS_ABI_VERSION. The runtime refuses a library that was built for another version. */
FAAS_EXPORT uint32_t faas_abi_version(void);

/*
 * Optional symbols. Those that return an int32_t follow the rules of a handler: 0 means success. Otherwise the
 * error fields of the response say what went wrong. The runtime calls `release` in both cases.
 *
 * faas_init             once, after loading and before the first invocation. A failure ends the process. So does
 *                       a signal that asks it to end; the process then ends at once
 * faas_shutdown         once, after the last invocation, if faas_init succeeded; not after a crash or a kill
 * faas_before_snapshot  before the process is put into a snapshot (SnapStart): close connections
 * faas_after_restore    in each process that was restored: connect again, and seed random generators again
 */
FAAS_EXPORT int32_t faas_init(faas_response *response);
FAAS_EXPORT void faas_shutdown(void);
FAAS_EXPORT int32_t faas_before_snapshot(faas_response *response);
FAAS_EXPORT int32_t faas_after_restore(faas_response *response);

#ifdef __cplusplus
}
#endif

#endif /* FAAS_H */
