/* HTTP requests, read from a blocking socket into one buffer that is used for all requests. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stddef.h>
#include <stdint.h>

typedef struct connection {
    int fd;
    char *buffer;
    size_t capacity;
    size_t filled;   /* bytes in the buffer */
    size_t consumed; /* of which belong to the last request */
    int64_t received_at; /* when the last bytes came: the time of each request that was complete with them */
} connection;

/* Points into the connection's buffer, until the next request is read. */
typedef struct request {
    const char *line; /* the request line, ended by a NUL byte */
    const char *body;
    size_t body_len;
} request;

/* Reads a request, which may have come together with the one before it, with a Content-Length or a chunked body. Returns 0 if the peer has closed the connection, or does not send HTTP. */
int read_request(connection *from, request *into);

/* Sends all of `data`; returns 0 if the peer has closed the connection. */
int send_all(int fd, const char *data, size_t len);

#endif
