#define _GNU_SOURCE
#include "http.h"

#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { FIRST_CAPACITY = 65536 };

int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        data += sent;
        len -= (size_t)sent;
    }
    return 1;
}

static int receive(connection *from)
{
    ssize_t got = recv(from->fd, from->buffer + from->filled, from->capacity - from->filled, 0);
    if (got <= 0)
        return 0;
    from->received_at = now_ns();
    from->filled += (size_t)got;
    return 1;
}

static void make_room(connection *in, size_t capacity)
{
    if (capacity <= in->capacity)
        return;
    in->buffer = realloc(in->buffer, capacity);
    if (in->buffer == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    in->capacity = capacity;
}

/* Receives until the buffer has `needed` bytes of the request; returns 0 if the peer closes first. */
static int receive_up_to(connection *from, size_t needed)
{
    make_room(from, needed);
    while (from->filled < needed)
        if (!receive(from))
            return 0;
    return 1;
}

/* Receives until there is an `end` at `start` or later; returns the offset after it, or 0 if the peer closes first. */
static size_t receive_until(connection *from, size_t start, const char *end)
{
    size_t len = strlen(end);
    for (;;) {
        if (from->filled >= start + len) {
            char *found = memmem(from->buffer + start, from->filled - start, end, len);
            if (found != NULL)
                return (size_t)(found - from->buffer) + len;
        }
        if (from->filled == from->capacity)
            make_room(from, 2 * from->capacity);
        if (!receive(from))
            return 0;
    }
}

/* The value of a header in a head whose lines end with NUL bytes; NULL: there is none. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = head; line < end; line += strlen(line) + 2)
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    return NULL;
}

/* Joins the chunks from `start` on in place; returns the offset after the last one, or 0 if the peer closes first. */
static size_t read_chunks(connection *from, size_t start, size_t *body_len)
{
    size_t at = start, out = start;
    for (;;) {
        size_t line = at;
        if ((at = receive_until(from, at, "\r\n")) == 0)
            return 0;
        size_t size = strtoul(from->buffer + line, NULL, 16);
        if (size == 0)
            break;
        if (!receive_up_to(from, at + size + 2))
            return 0;
        memmove(from->buffer + out, from->buffer + at, size);
        out += size;
        at += size + 2;
    }
    *body_len = out - start;
    for (;;) { /* trailers, and the empty line after them */
        size_t line = at;
        if ((at = receive_until(from, at, "\r\n")) == 0)
            return 0;
        if (at == line + 2)
            return at;
    }
}

int read_request(connection *from, request *into)
{
    make_room(from, FIRST_CAPACITY);
    from->filled -= from->consumed;
    memmove(from->buffer, from->buffer + from->consumed, from->filled);
    from->consumed = 0;

    size_t head = receive_until(from, 0, "\r\n\r\n");
    if (head == 0)
        return 0;
    for (char *at = from->buffer; (at = memchr(at, '\r', (size_t)(from->buffer + head - at))) != NULL; at++)
        *at = '\0';
    const char *end = from->buffer + head - 2;
    const char *length = header(from->buffer, end, "content-length");
    const char *encoding = header(from->buffer, end, "transfer-encoding");
    const char *expect = header(from->buffer, end, "expect");
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (expect != NULL && !send_all(from->fd, CONTINUE, sizeof CONTINUE - 1))
        return 0;

    into->body_len = 0;
    if (encoding != NULL && strcasecmp(encoding, "chunked") == 0) {
        from->consumed = read_chunks(from, head, &into->body_len);
        if (from->consumed == 0)
            return 0;
    } else {
        into->body_len = length != NULL ? strtoul(length, NULL, 10) : 0;
        from->consumed = head + into->body_len;
        if (!receive_up_to(from, from->consumed))
            return 0;
    }
    into->line = from->buffer;
    into->body = from->buffer + head;
    return 1;
}
