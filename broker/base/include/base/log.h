/* key=value logs, one line each, on standard error (runit's svlogd adds the file). Any thread; a line is one write(2).
 *
 *   sut_log(SUT_INFO, "broker", "peer.welcome", SUT_KV("peer", name), SUT_KV_U("session", id));
 *   → ts=2026-01-02T03:04:05.678901Z level=info proc=sut-broker ns=broker event=peer.welcome peer=user-1 session=7
 *
 * A line is at most 4096 bytes; a pair that does not fit is left out whole and `truncated=true` ends the line. Nobody
 * hangs on a reader that has stopped: lines that cannot be written are given up, and the next one says `dropped=N`.
 * Values with blanks, quotes, '=' or control bytes are quoted and escaped. Never log payloads, tokens or personal data.
 * Debug lines are printed only for namespaces that DEBUG names, as the `debug` package of the seed has it:
 * `*` is any run of characters, a leading '-' takes out:
 * DEBUG=shareuptime:*  DEBUG=shareuptime:broker,shareuptime:kit:*  DEBUG=shareuptime:*,-shareuptime:loop
 * LOG_LEVEL (debug, info, warn, error; default info) holds back what is below it; debug lines that DEBUG names are
 * written whatever it says, and LOG_LEVEL=debug without DEBUG is DEBUG=*. */
#ifndef SUT_BASE_LOG_H
#define SUT_BASE_LOG_H

#include "base/str.h"

typedef enum { SUT_DEBUG, SUT_INFO, SUT_WARN, SUT_ERROR } sut_log_level;

typedef struct sut_kv {
    const char *key;
    enum { SUT_KV_STRING, SUT_KV_SIGNED, SUT_KV_UNSIGNED, SUT_KV_DOUBLE } kind;
    union {
        sut_str s;
        int64_t i;
        uint64_t u;
        double f;
    } v;
} sut_kv;

#define SUT_KV(k, cstr) ((sut_kv){.key = (k), .kind = SUT_KV_STRING, .v.s = sut_str_from(cstr)})
#define SUT_KV_S(k, st) ((sut_kv){.key = (k), .kind = SUT_KV_STRING, .v.s = (st)})
#define SUT_KV_I(k, n)  ((sut_kv){.key = (k), .kind = SUT_KV_SIGNED, .v.i = (n)})
#define SUT_KV_U(k, n)  ((sut_kv){.key = (k), .kind = SUT_KV_UNSIGNED, .v.u = (n)})
#define SUT_KV_F(k, n)  ((sut_kv){.key = (k), .kind = SUT_KV_DOUBLE, .v.f = (n)})

/* Sets the process's name (key `proc`) and reads DEBUG and LOG_LEVEL. Call once at start; before it, defaults hold. */
void sut_log_init(const char *process);
bool sut_log_on(sut_log_level level, const char *ns);
void sut_log_write(sut_log_level level, const char *ns, const char *event, const sut_kv *kvs, size_t count);

#define sut_log(level, ns, event, ...)                                                                                 \
    do {                                                                                                               \
        if (sut_log_on((level), (ns))) {                                                                               \
            const sut_kv sut_log_kvs_[] = {{.key = NULL}, ##__VA_ARGS__};                                              \
            sut_log_write((level), (ns), (event), sut_log_kvs_ + 1, SUT_ARRAY_LEN(sut_log_kvs_) - 1);                  \
        }                                                                                                              \
    } while (0)

/* The trace id that sut_log_write adds as `trace=` to each line (32 hex digits; NULL for none). Held by the running
 * fiber or thread: the kit and the edge set it at each switch. */
void sut_log_set_trace(const char *trace_id);

#endif
