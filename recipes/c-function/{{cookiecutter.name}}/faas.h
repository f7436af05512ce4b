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
 * and, if it wants to, the functions named under "Optional symbols" below. The handler reads the request,
 * fills in the response and returns 0. Anything else means that it failed, and the response says how.
 *
 * Ownership. Who allocated it frees it. Everything in the request belongs to the runtime and is valid until
 * the handler returns; copy what has to live longer. Everything that the response points to belongs to the
 * function and has to stay valid until the runtime calls `release`, or for good where `release` is NULL.
 *
 * Strings are UTF-8 and end with a NUL byte; NULL means "not given". The payload and the answer are bytes
 * with a length: the runtime never looks into them, and neither needs a NUL byte at its end.
 *
 * Growth. Both structures begin with their size in bytes as the runtime knows them, and new fields come at
 * the end only. A function that uses a field newer than version 1 checks `struct_size` first:
 * FAAS_HAS(request, field).
 *
 * Layout. Fields lie in an order that needs no hidden padding between them, with 32-bit pointers as well as
 * with 64-bit ones. `struct_size` ends with the last field: padding behind it, which some 32-bit platforms add,
 * does not count.
 *
 * Threads. The runtime calls a handler on the thread that loaded the library, one call at a time, unless
 * the platform asks for several invocations at once (AWS_LAMBDA_MAX_CONCURRENCY above 1): then it calls
 * from several threads. The optional symbols are always called by the thread that loaded the library, while
 * no handler runs. A thread of the runtime's own, which calls none of these functions, waits for signals.
 *
 * Processes. SIGTERM and SIGINT are the runtime's: it lets the handler finish, calls faas_shutdown and ends.
 * A child made by fork() that stays the same program inherits the runtime's handlers of both, and there they
 * do nothing: it sets its own, such as SIG_DFL. It must end by _exit() or by a signal, as exit() would run
 * what is registered for the end of its parent. Nothing of this concerns posix_spawn, system, popen and fork
 * followed by exec. When the function itself calls exit(), the process ends, and its last line on standard
 * error names the request or the hook, but not while the library is loaded (constructors, static initialisers).
 *
 * Exceptions, panics and longjmp must not leave any of these functions.
 */
#ifndef FAAS_H
#define FAAS_H

#include <stddef.h>
#include <stdint.h>

#define FAAS_ABI_VERSION 1

/* Puts a symbol into the library's export table, by its plain name from C++ too: FAAS_EXPORT int32_t handle(...). */
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

/* Whether the runtime at hand is new enough to know this field of the structure. */
#define FAAS_HAS(structure, field)                                                                \
    ((structure)->struct_size >=                                                                  \
     (size_t)((const char *)&(structure)->field - (const char *)(structure)) + sizeof((structure)->field))

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sends a piece of a streamed response: `len` bytes at `data`, which may be reused when it returns.
 * `stream` is the request's field of that name. Returns 0, or non-zero when the piece could not be sent
 * because nobody is there any more to take it; the handler then has nothing left to do but to return. Only
 * for the time of the call to the handler, and by one thread at a time.
 */
typedef int32_t (*faas_write)(void *stream, const void *data, size_t len);

/* One invocation. The runtime fills it in. */
typedef struct faas_request {
    uint32_t struct_size;         /* size of this structure in bytes */
    uint32_t memory_limit_mb;     /* memory configured for the function, in MiB; 0: not given */
    const void *payload;          /* the event; may be NULL when payload_len is 0 */
    size_t payload_len;           /* its length in bytes */
    const char *request_id;       /* identifies the request; never NULL */
    const char *invocation_id;    /* identifies this attempt at it */
    int64_t deadline_ms;          /* when time is up: milliseconds since 1970-01-01 UTC; 0: not given */
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
    void *stream;                 /* to be handed to `write` */
} faas_request;

/*
 * The answer. All fields but struct_size are zero when the handler is called.
 *
 * Success is `data` and `len` (both zero: an empty answer) with the content type, application/json if it is
 * NULL. A handler that streams sets `content_type` before its first call of `write`; what it leaves in
 * `data` is sent last. For an HTTP integration, the content type is
 * application/vnd.awslambda.http-integration-response, and the handler writes the prelude itself: a JSON
 * object such as {"statusCode":200,"headers":{}}, then eight NUL bytes, then the body.
 *
 * Failure is `error_type`, `error_message` and `stack_trace`. Error types in the form that Lambda counts in
 * its metrics look like "Function.SomethingWrong" (letters only after the dot, the first one a capital);
 * others work, but count as "Function.Unknown". Without a type it is "Function.Error".
 */
typedef struct faas_response faas_response;
struct faas_response {
    uint32_t struct_size;             /* size of this structure in bytes; not to be changed */
    uint32_t reserved;                /* 0 */
    const void *data;                 /* the answer; may be NULL when len is 0 */
    size_t len;                       /* its length in bytes */
    const char *content_type;         /* media type of the answer: visible ASCII and spaces */
    const char *error_type;           /* kind of the error */
    const char *error_message;        /* what happened, for a person */
    const char *stack_trace;          /* where it happened: one frame a line, innermost first */
    void (*release)(faas_response *); /* called once, after success or failure; NULL: nothing to free */
    void *private_data;               /* the function's own; the runtime does not touch it */
};

/* Type of a handler. */
typedef int32_t (*faas_handler)(const faas_request *request, faas_response *response);

/* Required. Returns FAAS_ABI_VERSION, so that a library and a runtime that do not fit never meet. */
FAAS_EXPORT uint32_t faas_abi_version(void);

/*
 * Optional symbols. Those that return an int32_t follow the rules of a handler: 0 for success, otherwise the
 * response's error fields say what went wrong, and `release` is called in either case.
 *
 * faas_init             once, after loading and before the first invocation; a failure ends the process, and so
 *                       does a signal that asks it to end, at once
 * faas_shutdown         once, after the last invocation, if faas_init succeeded; not after a crash or a kill
 * faas_before_snapshot  before the process is put into a snapshot (SnapStart): close connections
 * faas_after_restore    in each process restored from it: reconnect, seed random generators anew
 */
FAAS_EXPORT int32_t faas_init(faas_response *response);
FAAS_EXPORT void faas_shutdown(void);
FAAS_EXPORT int32_t faas_before_snapshot(faas_response *response);
FAAS_EXPORT int32_t faas_after_restore(faas_response *response);

#ifdef __cplusplus
}
#endif

#endif /* FAAS_H */
