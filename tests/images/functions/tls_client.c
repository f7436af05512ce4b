/* tls_client: asks a server on the loopback address, by Mbed TLS. The event is "fetch PORT", in quotes; the answer is what
   the server sends, if the store of the system trusts it to be "localhost". */
#include <faas.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <string.h>

static char answer[4096];

uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }

static void fetch(const char *port) {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt store;
    mbedtls_ssl_config config;
    mbedtls_ssl_context tls;
    mbedtls_net_context connection;
    int length = -1;

    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_x509_crt_init(&store);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&tls);
    mbedtls_net_init(&connection);
    strcpy(answer, "no connection");
    if (psa_crypto_init() == PSA_SUCCESS && !mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) &&
        mbedtls_x509_crt_parse_file(&store, "/etc/ssl/cert.pem") >= 0 &&
        !mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT) &&
        !mbedtls_net_connect(&connection, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP)) {
        mbedtls_ssl_conf_ca_chain(&config, &store, NULL);
        mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
        if (!mbedtls_ssl_setup(&tls, &config) && !mbedtls_ssl_set_hostname(&tls, "localhost")) {
            mbedtls_ssl_set_bio(&tls, &connection, mbedtls_net_send, mbedtls_net_recv, NULL);
            if (!mbedtls_ssl_handshake(&tls))
                do
                    length = mbedtls_ssl_read(&tls, (unsigned char *)answer, sizeof answer - 1);
                while (length == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
        }
        if (length > 0)
            answer[length] = 0;
        else if (mbedtls_ssl_get_verify_result(&tls) & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
            strcpy(answer, "not trusted");
        else
            snprintf(answer, sizeof answer, "fault %d", length);
    }
    mbedtls_net_free(&connection);
    mbedtls_ssl_free(&tls);
    mbedtls_ssl_config_free(&config);
    mbedtls_x509_crt_free(&store);
    mbedtls_ctr_drbg_free(&random);
    mbedtls_entropy_free(&entropy);
}

int32_t handle(const struct faas_request *request, struct faas_response *response) {
    char event[64] = {0}, port[8] = {0};
    memcpy(event, request->payload, request->payload_len < 63 ? request->payload_len : 63);
    sscanf(event, "\"fetch %7[0-9]\"", port);
    fetch(port);
    response->data = answer;
    response->len = strlen(answer);
    return 0;
}
