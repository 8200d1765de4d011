/* The HTTP server: civetweb 1.15 behind checks of our own (PITFALLS of that version are listed in
 * docs/architecture.md). A thread a connection; connections are capped below the threads, so that a refusal never waits
 * for one. */
#ifndef SUT_HTTP_SERVER_H
#define SUT_HTTP_SERVER_H

#include "base/str.h"

typedef struct sut_server sut_server;
typedef struct sut_exchange sut_exchange;

/* Answers one request: must call sut_exchange_send exactly once. Runs on the connection's thread. */
typedef void (*sut_http_handler)(void *arg, sut_exchange *x);

typedef struct sut_server_options {
    const char *host, *port; /* text, so that what cannot be had is refused with its reason */
    const char *tls;         /* any TLS setting; not empty: refused */
    unsigned threads;        /* worker threads; connections are capped 8 below */
    unsigned per_address;    /* connections of one address, trusted proxies aside */
    const char *proxies;     /* comma-separated IPv4 addresses whose X-Forwarded-For is believed */
    unsigned header_timeout_ms, keep_alive_ms, body_timeout_ms;
    size_t body_bytes;
    sut_http_handler handler;
    void *arg;
} sut_server_options;

/* Checks what can be checked without a socket: port, host, TLS. -EINVAL and one line that names the setting. */
SUT_MUST_CHECK sut_status sut_server_check(const sut_server_options *opt, char *error, size_t error_size);
/* Listens and serves. -EADDRINUSE and the like with one line in `error`. */
SUT_MUST_CHECK sut_status sut_server_start(sut_server **out, const sut_server_options *opt, char *error,
                                           size_t error_size);
unsigned sut_server_port(const sut_server *s); /* the port that it listens on (chosen by the kernel for 0) */

/* Ends reads and writes that are past their deadlines. Call it about every 100 ms, from one thread. */
void sut_server_tick(sut_server *s, uint64_t now_ns);

/* Stops listening: new connections are refused by the kernel, those at hand are told to close with their next answer.
 */
void sut_server_drain(sut_server *s);
unsigned sut_server_busy(const sut_server *s); /* requests in work */
/* Ends all connections and frees. NULL is fine. Returns NULL. */
sut_server *sut_server_stop(sut_server *s);

#endif
