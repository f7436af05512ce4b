/* surroundings: asks the C library and OpenSSL for what they read from the system. The event is one of
   "service NAME", "hour ZONE" and "fetch PORT", in quotes; the answer is a text. */
#include <arpa/inet.h>
#include <faas.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char answer[4096];

uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }

static void service(const char *name) {
    struct addrinfo *found;
    int fault = getaddrinfo("127.0.0.1", name, NULL, &found);
    if (fault)
        snprintf(answer, sizeof answer, "%s", gai_strerror(fault));
    else
        snprintf(answer, sizeof answer, "%d", ntohs(((struct sockaddr_in *)found->ai_addr)->sin_port));
}

/* The hour of 2026-07-01 12:00 UTC in a zone. */
static void hour(const char *zone) {
    time_t noon = 1782907200;
    setenv("TZ", zone, 1);
    tzset();
    snprintf(answer, sizeof answer, "%d", localtime(&noon)->tm_hour);
}

/* What a server on the loopback address sends, if the system trusts it to be "localhost". */
static void fetch(const char *port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server.sin_port = htons((uint16_t)atoi(port));
    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *tls = NULL;
    if (!SSL_CTX_set_default_verify_paths(context) || connect(socket_, (struct sockaddr *)&server, sizeof server))
        snprintf(answer, sizeof answer, "no connection");
    else {
        tls = SSL_new(context);
        SSL_set1_host(tls, "localhost");
        SSL_set_fd(tls, socket_);
        int length = SSL_connect(tls) == 1 ? SSL_read(tls, answer, sizeof answer - 1) : 0;
        if (length > 0)
            answer[length] = 0;
        else
            snprintf(answer, sizeof answer, "%s", X509_verify_cert_error_string(SSL_get_verify_result(tls)));
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    close(socket_);
}

int32_t handle(const struct faas_request *request, struct faas_response *response) {
    char event[256] = {0}, word[32] = {0}, what[128] = {0};
    memcpy(event, request->payload, request->payload_len < 255 ? request->payload_len : 255);
    sscanf(event, "\"%31[a-z] %127[^\"]", word, what);
    strcpy(answer, "unknown event");
    if (!strcmp(word, "service"))
        service(what);
    else if (!strcmp(word, "hour"))
        hour(what);
    else if (!strcmp(word, "fetch"))
        fetch(what);
    response->data = answer;
    response->len = strlen(answer);
    return 0;
}
