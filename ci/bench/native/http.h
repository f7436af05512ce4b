/* HTTP requests, read from a blocking socket into one buffer that is kept from request to request. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stddef.h>

typedef struct connection {
    int fd;
    char *buffer;
    size_t capacity;
    size_t filled;   /* bytes in the buffer */
    size_t consumed; /* of which belong to the last request */
} connection;

/* Points into the connection's buffer, until the next request is read. */
typedef struct request {
    const char *line; /* the request line, ended by a NUL byte */
    const char *body;
    size_t body_len;
} request;

/* Reads a request with a Content-Length or a chunked body. Returns 0 when the peer has closed, or speaks no HTTP. */
int read_request(connection *from, request *into);

/* Sends all of `data`; returns 0 when the peer has gone. */
int send_all(int fd, const char *data, size_t len);

#endif
