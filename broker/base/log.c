/* The log: one key=value line an event, made in a buffer on the stack and written by one write(2). */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A line of up to PIPE_BUF bytes is written to a pipe whole, whoever else writes there. */
#define LINE_BYTES     4096
#define TAIL_BYTES     64 /* kept free for the marks at the end and the newline */
#define WAIT_MS        10 /* for a reader that lags, before lines are dropped */
#define MAX_NAMESPACES 32
#define ROOT_NAMESPACE "shareuptime:"

static struct {
    sut_log_level level;
    char process[64];
    char patterns[1024]; /* a copy of DEBUG, cut into the names below */
    sut_str on[MAX_NAMESPACES], off[MAX_NAMESPACES];
    size_t on_count, off_count;
} s_log = {.level = SUT_INFO};

static _Thread_local char s_trace[33];

/* Around the look whether a line can be written and its writing; and lines given up since the last one written. */
static pthread_mutex_t s_writing = PTHREAD_MUTEX_INITIALIZER;
static uint64_t s_dropped;

/* `*` stands for any run of characters, as in the `debug` package. */
static bool glob_match(sut_str pattern, const char *root, const char *name)
{
    size_t root_len = strlen(root), len = root_len + strlen(name);
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < len) {
        char c = i < root_len ? root[i] : name[i - root_len];
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.len && pattern.ptr[p] == c) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static bool any_match(const sut_str *patterns, size_t count, const char *ns)
{
    for (size_t i = 0; i < count; i++)
        if (glob_match(patterns[i], ROOT_NAMESPACE, ns))
            return true;
    return false;
}

bool sut_log_on(sut_log_level level, const char *ns)
{
    if (level >= s_log.level && level > SUT_DEBUG)
        return true;
    if (level > SUT_DEBUG || s_log.on_count == 0)
        return false;
    return any_match(s_log.on, s_log.on_count, ns) && !any_match(s_log.off, s_log.off_count, ns);
}

static void read_namespaces(const char *debug)
{
    s_log.on_count = s_log.off_count = 0;
    (void)snprintf(s_log.patterns, sizeof s_log.patterns, "%s", debug);
    char *rest = NULL;
    for (char *p = strtok_r(s_log.patterns, ", \t", &rest); p; p = strtok_r(NULL, ", \t", &rest)) {
        bool off = p[0] == '-';
        sut_str name = sut_str_from(off ? p + 1 : p);
        if (off && s_log.off_count < MAX_NAMESPACES)
            s_log.off[s_log.off_count++] = name;
        else if (!off && s_log.on_count < MAX_NAMESPACES)
            s_log.on[s_log.on_count++] = name;
    }
}

void sut_log_init(const char *process)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    const char *level = getenv("LOG_LEVEL"), *debug = getenv("DEBUG");
    s_log.level = SUT_INFO;
    for (size_t i = 0; level && i < SUT_ARRAY_LEN(names); i++)
        if (strcmp(level, names[i]) == 0)
            s_log.level = (sut_log_level)i;
    read_namespaces(debug ? debug : "");
    if (s_log.level == SUT_DEBUG && s_log.on_count == 0)
        s_log.on[s_log.on_count++] = SUT_STR("*");
    (void)snprintf(s_log.process, sizeof s_log.process, "%s", process ? process : "");
}

void sut_log_set_trace(const char *trace_id)
{
    if (!trace_id) {
        s_trace[0] = '\0';
        return;
    }
    size_t len = strnlen(trace_id, sizeof s_trace - 1);
    memcpy(s_trace, trace_id, len);
    s_trace[len] = '\0';
}

typedef struct line {
    char bytes[LINE_BYTES];
    size_t len;
    bool full; /* something did not fit */
} line;

static void put_bytes(line *l, const char *bytes, size_t len)
{
    if (l->full || len > LINE_BYTES - TAIL_BYTES - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->bytes + l->len, bytes, len);
    l->len += len;
}

static bool needs_quotes(sut_str s)
{
    if (s.len == 0)
        return true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
            return true;
    }
    return !sut_utf8_valid(s, NULL);
}

static void put_escape(line *l, unsigned char c)
{
    char text[5];
    (void)snprintf(text, sizeof text, "\\x%02x", c);
    put_bytes(l, text, 4);
}

static void put_quoted(line *l, sut_str s)
{
    bool text = sut_utf8_valid(s, NULL);
    put_bytes(l, "\"", 1);
    for (size_t i = 0; i < s.len && !l->full; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            put_bytes(l, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            put_bytes(l, "\\n", 2);
        else if (c < ' ' || c == 0x7F || (c >= 0x80 && !text))
            put_escape(l, c);
        else
            put_bytes(l, (const char *)&s.ptr[i], 1);
    }
    put_bytes(l, "\"", 1);
}

/* Adds ` key=value`, or nothing at all when it does not fit whole. */
static void put_pair(line *l, const char *key, sut_str value)
{
    size_t start = l->len;
    if (start > 0)
        put_bytes(l, " ", 1);
    put_bytes(l, key, strlen(key));
    put_bytes(l, "=", 1);
    if (needs_quotes(value))
        put_quoted(l, value);
    else
        put_bytes(l, value.ptr, value.len);
    if (l->full)
        l->len = start;
}

static void put_kv(line *l, const sut_kv *kv)
{
    char number[40];
    int n = 0;
    switch (kv->kind) {
    case SUT_KV_STRING: put_pair(l, kv->key, kv->v.s.ptr ? kv->v.s : SUT_STR("")); return;
    case SUT_KV_SIGNED: n = snprintf(number, sizeof number, "%lld", (long long)kv->v.i); break;
    case SUT_KV_UNSIGNED: n = snprintf(number, sizeof number, "%llu", (unsigned long long)kv->v.u); break;
    case SUT_KV_DOUBLE: n = snprintf(number, sizeof number, "%.6g", kv->v.f); break;
    }
    put_pair(l, kv->key, (sut_str){number, (size_t)n});
}

/* Nobody who logs may hang on whoever reads: a pipe that is not writable has less than PIPE_BUF bytes left, and then
 * the line is given up. The first one waits a little; while lines are being dropped none does. */
static bool can_write(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, s_dropped ? 0 : WAIT_MS) != 0;
}

static void write_line(const line *l)
{
    size_t done = 0;
    while (done < l->len) {
        ssize_t n = write(STDERR_FILENO, l->bytes + done, l->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere to say so */
        done += (size_t)n;
    }
}

/* Ends the line with what has to be said of it, and writes it. */
static void finish(line *l, bool cut)
{
    if (cut)
        l->len += (size_t)snprintf(l->bytes + l->len, LINE_BYTES - l->len, " truncated=true");
    (void)pthread_mutex_lock(&s_writing);
    if (!can_write()) {
        s_dropped++;
    } else {
        if (s_dropped)
            l->len += (size_t)snprintf(l->bytes + l->len, LINE_BYTES - l->len, " dropped=%" PRIu64, s_dropped);
        s_dropped = 0;
        l->bytes[l->len++] = '\n';
        write_line(l);
    }
    (void)pthread_mutex_unlock(&s_writing);
}

void sut_log_write(sut_log_level level, const char *ns, const char *event, const sut_kv *kvs, size_t count)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    int saved = errno;
    char ts[SUT_RFC3339_SIZE];
    sut_rfc3339(sut_wall_us(), ts);
    line l;
    l.len = 0;
    l.full = false;
    put_pair(&l, "ts", sut_str_from(ts));
    put_pair(&l, "level", sut_str_from(names[level]));
    if (s_log.process[0])
        put_pair(&l, "proc", sut_str_from(s_log.process));
    put_pair(&l, "ns", sut_str_from(ns));
    put_pair(&l, "event", sut_str_from(event));
    if (s_trace[0])
        put_pair(&l, "trace", sut_str_from(s_trace));
    bool cut = l.full;
    for (size_t i = 0; i < count; i++) {
        l.full = false;
        put_kv(&l, &kvs[i]);
        cut = cut || l.full;
    }
    finish(&l, cut);
    errno = saved;
}
