/*
 * The bare client: the least that a client of the Runtime API can do.
 *
 *     client LIBRARY SYMBOL [together]
 *
 * It loads a function by the rules of faas.h and serves it over one connection with four system calls an invoke. With
 * `together`, one system call sends an answer and the request for the next event: that makes three.
 * It knows only next and response, and reports no errors: if anything fails, it ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <faas.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int peer;
static char *buffer;
static size_t capacity = 65536, filled, used; /* the last answer has the used bytes */
static const char NEXT[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "client: %s failed\n", what);
        exit(1);
    }
}

static void receive(void)
{
    ssize_t got = recv(peer, buffer + filled, capacity - filled - 1, 0);
    require(got > 0, "recv");
    filled += (size_t)got;
    buffer[filled] = '\0';
}

/* Reads an answer into the buffer: its head, with a NUL byte after each line, and its body. What came behind the last
 * answer is its beginning. */
static size_t read_answer(char **body)
{
    char *end;
    filled -= used;
    memmove(buffer, buffer + used, filled + 1);
    while ((end = strstr(buffer, "\r\n\r\n")) == NULL)
        receive();
    size_t head = (size_t)(end - buffer) + 4;
    for (char *at = buffer; (at = memchr(at, '\r', (size_t)(buffer + head - at))) != NULL; at++)
        *at = '\0';

    size_t len = 0;
    for (char *line = buffer; *line != '\0'; line += strlen(line) + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            len = strtoul(line + 15, NULL, 10);
    if (head + len + 1 > capacity) {
        capacity = head + len + 1;
        buffer = realloc(buffer, capacity);
        require(buffer != NULL, "realloc");
    }
    while (filled < head + len)
        receive();
    *body = buffer + head;
    used = head + len;
    return len;
}

/* Copies headers of the event into the request. */
static void read_headers(faas_request *request)
{
    static const char PREFIX[] = "lambda-runtime-";
    for (char *line = buffer; *line != '\0'; line += strlen(line) + 2) {
        char *name = line + sizeof PREFIX - 1, *value = strchr(line, ':');
        if (value == NULL || strncasecmp(line, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        value += 1 + strspn(value + 1, " ");
        if (strncasecmp(name, "aws-request-id:", 15) == 0)
            request->request_id = value;
        else if (strncasecmp(name, "deadline-ms:", 12) == 0)
            request->deadline_ms = strtoll(value, NULL, 10);
        else if (strncasecmp(name, "invoked-function-arn:", 21) == 0)
            request->function_arn = value;
        else if (strncasecmp(name, "trace-id:", 9) == 0)
            request->trace_id = value;
    }
}

static void send_answer(const faas_request *request, const faas_response *response, int together)
{
    char head[512];
    int len = snprintf(head, sizeof head,
                       "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       request->request_id, response->len);
    size_t more = together ? sizeof NEXT - 1 : 0, all = (size_t)len + response->len + more;
    struct iovec parts[] = {{head, (size_t)len}, {(void *)response->data, response->len}, {(void *)NEXT, more}};
    ssize_t sent = writev(peer, parts, together ? 3 : 2); /* a blocking socket sends all of it */
    require(sent >= 0 && (size_t)sent == all, "writev");
}

static void connect_to_api(void)
{
    char host[64] = "";
    int port = 0, one = 1;
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    require(address != NULL && sscanf(address, "%63[^:]:%d", host, &port) == 2, "AWS_LAMBDA_RUNTIME_API");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    require(inet_pton(AF_INET, host, &to.sin_addr) == 1, "inet_pton");
    peer = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(peer, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int main(int argc, char **argv)
{
    int together = argc == 4 && strcmp(argv[3], "together") == 0, is_asked = 0;
    require(argc == 3 || together, "usage: client LIBRARY SYMBOL [together];");
    void *library = dlopen(argv[1], RTLD_NOW);
    require(library != NULL, "dlopen");
    uint32_t (*version)(void) = (uint32_t(*)(void))dlsym(library, "faas_abi_version");
    faas_handler handle = (faas_handler)dlsym(library, argv[2]);
    require(version != NULL && version() == FAAS_ABI_VERSION && handle != NULL, "dlsym");
    buffer = calloc(1, capacity);
    require(buffer != NULL, "calloc");
    connect_to_api();

    for (;;) {
        faas_request request = {.struct_size = sizeof request};
        faas_response response = {.struct_size = sizeof response};
        char *body;
        require(is_asked || send(peer, NEXT, sizeof NEXT - 1, MSG_NOSIGNAL) == (ssize_t)sizeof NEXT - 1, "send");
        request.payload_len = read_answer(&body);
        request.payload = body;
        read_headers(&request);
        require(request.request_id != NULL && handle(&request, &response) == 0, "the invoke");
        send_answer(&request, &response, together);
        is_asked = together;
        if (response.release != NULL)
            response.release(&response);
        read_answer(&body);
    }
}
