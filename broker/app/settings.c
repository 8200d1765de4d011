/* The daemon's settings table and its limits file. */
#include "settings.h"
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define AT(field) offsetof(sut_broker_settings, field)

const sut_setting sut_broker_setting_table[] = {
    {.name = "SUT_BROKER_IPC",
     .type = SUT_SET_STRING,
     .offset = AT(ipc),
     .fallback = NULL,
     .doc = "where peers of this machine connect: `ipc:///path`, in a directory of mode 0700"},
    {.name = "SUT_BROKER_TCP",
     .type = SUT_SET_STRING,
     .offset = AT(tcp),
     .fallback = "",
     .doc = "where peers of other machines connect: `tcp://host:port`, CURVE only; empty: nowhere"},
    {.name = "SUT_ACL_FILE",
     .type = SUT_SET_STRING,
     .offset = AT(acl_file),
     .fallback = NULL,
     .doc = "the access list: who may connect and what they may do; written by `sut key`"},
    {.name = "SUT_KEYS_DIR",
     .type = SUT_SET_STRING,
     .offset = AT(keys_dir),
     .fallback = NULL,
     .doc = "directory with `NAME.secret` of each peer and the broker's certificate, mode 0700"},
    {.name = "SUT_LIMITS_FILE",
     .type = SUT_SET_STRING,
     .offset = AT(limits_file),
     .fallback = "",
     .doc = "lines `limit = number`; read at start and at SIGHUP; empty: the defaults"},
    {.name = "SUT_BROKER_SPIN_US",
     .type = SUT_SET_INT,
     .offset = AT(spin_us),
     .fallback = "50",
     .min = 0,
     .max = 10000,
     .doc = "after a message, poll so long without sleeping (microseconds)"},
    {.name = "SUT_BROKER_HWM",
     .type = SUT_SET_INT,
     .offset = AT(hwm),
     .fallback = "64",
     .min = 1,
     .max = 100000,
     .doc = "messages a peer that libzmq may hold in each direction"},
    {.name = "SUT_BROKER_SILENT_MS",
     .type = SUT_SET_INT,
     .offset = AT(silent_ms),
     .fallback = "3000",
     .min = 100,
     .max = 600000,
     .doc = "a connection that has said nothing so long after it was accepted is closed"},
    {.name = "SUT_JOURNAL_DIR",
     .type = SUT_SET_STRING,
     .offset = AT(journal_dir),
     .fallback = "",
     .doc = "folder of the journal of events, on a local disk; empty: this broker takes no events"},
    {.name = "SUT_JOURNAL_BYTES",
     .type = SUT_SET_INT,
     .offset = AT(journal_bytes),
     .fallback = "17179869184",
     .min = 16 << 20,
     .max = INT64_C(1) << 46,
     .doc = "the most that the journal's file may grow to; three quarters of it are for events, the oldest go first"},
    {.name = "SUT_JOURNAL_AGE_S",
     .type = SUT_SET_INT,
     .offset = AT(journal_age_s),
     .fallback = "604800",
     .min = 0,
     .max = INT64_C(10) * 366 * 86400,
     .doc = "events older than so many seconds are removed; 0: only by size"},
    {.name = "SUT_DEAD_LETTER_AGE_S",
     .type = SUT_SET_INT,
     .offset = AT(dead_age_s),
     .fallback = "2592000",
     .min = 0,
     .max = INT64_C(10) * 366 * 86400,
     .doc = "dead letters older than so many seconds are removed; 0: never"},
    {.name = "SUT_CAPTURE_DIR",
     .type = SUT_SET_STRING,
     .offset = AT(capture_dir),
     .fallback = "",
     .doc = "folder of what is captured for `sut why` and `sut replay --diff`; empty: nothing is captured"},
    {.name = "SUT_CAPTURE_KEY_FILE",
     .type = SUT_SET_STRING,
     .offset = AT(capture_key_file),
     .fallback = "",
     .doc =
         "lines `KID HEXKEY`, made if it is not there; the first one seals what is captured, all open it; read again "
         "at SIGHUP; empty: `capture.keys` in SUT_KEYS_DIR"},
    {.name = "SUT_CAPTURE_BYTES",
     .type = SUT_SET_INT,
     .offset = AT(capture_bytes),
     .fallback = "268435456",
     .min = 4 << 20,
     .max = INT64_C(1) << 40,
     .doc = "what is captured takes so much disk at most, the oldest goes first"},
    {.name = "SUT_CAPTURE_AGE_S",
     .type = SUT_SET_INT,
     .offset = AT(capture_age_s),
     .fallback = "86400",
     .min = 0,
     .max = INT64_C(366) * 86400,
     .doc = "what was captured so many seconds ago is removed, within a sixteenth of that time; 0: only by size"},
    {.name = "SUT_CAPTURE_ONE_IN",
     .type = SUT_SET_INT,
     .offset = AT(capture_one_in),
     .fallback = "1",
     .min = 0,
     .max = 1000000000,
     .doc = "one trace in so many is captured whole; 1: all, 0: only those with an error, a slow call or a failed "
            "delivery"},
    {.name = "SUT_CAPTURE_SLOW_MS",
     .type = SUT_SET_INT,
     .offset = AT(capture_slow_ms),
     .fallback = "1000",
     .min = 0,
     .max = 600000,
     .doc =
         "calls and deliveries that took so long are captured, with what is still in memory of their traces; 0: none"},
    {.name = "SUT_CAPTURE_FLAGGED",
     .type = SUT_SET_BOOL,
     .offset = AT(capture_flagged),
     .fallback = "false",
     .doc =
         "traces whose traceparent has the flag `sampled` are captured, too: whoever may call can then fill the ring"},
};
const size_t sut_broker_setting_count = SUT_ARRAY_LEN(sut_broker_setting_table);

typedef struct limit {
    const char *name;
    size_t offset;
    bool wide; /* uint64_t or size_t; else uint32_t */
    uint64_t min, max;
} limit;

#define CORE(field)   #field, offsetof(sut_broker_limits, core.field)
#define EVENTS(field) #field, offsetof(sut_broker_limits, events.field)

static const limit s_limits[] = {
    {CORE(max_sessions), false, 1, 100000},
    {CORE(max_services), false, 1, 10000},
    {CORE(queue_calls), false, 1, 10000000},
    {CORE(queue_bytes), true, 1 << 20, UINT64_C(1) << 40},
    {CORE(pending_calls_per_peer), false, 1, 10000000},
    {CORE(pending_bytes), true, 1 << 20, UINT64_C(1) << 40},
    {CORE(max_ttl_ms), false, 1, 3600000},
    {CORE(default_ttl_ms), false, 1, 3600000},
    {CORE(max_credits), false, 1, 1000000},
    {CORE(ping_after_ms), false, 10, 60000},
    {CORE(pings_missed), false, 1, 1000},
    {CORE(drain_ms), false, 0, 60000},
    {CORE(hold_ms), false, 0, 60000},
    {EVENTS(max_groups), false, 1, 10000},
    {EVENTS(subscriptions_per_session), false, 1, 10000},
    {EVENTS(publishes_per_peer), false, 1, 10000000},
    {EVENTS(publish_bytes_per_peer), true, 1 << 20, UINT64_C(1) << 34},
    {EVENTS(group_window), false, 16, 10000000},
    {EVENTS(group_bytes), true, 1 << 16, UINT64_C(1) << 34},
    {EVENTS(event_bytes), true, 1 << 20, UINT64_C(1) << 40},
    {EVENTS(max_event_credits), false, 1, 1000000},
    {EVENTS(max_deliveries), false, 1, 1000},
    {EVENTS(backoff_min_ms), false, 1, 600000},
    {EVENTS(backoff_max_ms), false, 1, 600000},
    {EVENTS(ack_wait_ms), false, 10, 600000},
    {EVENTS(marker_ms), false, 10, 60000},
    {EVENTS(save_ms), false, 1, 60000},
    {"peer_queue_bytes", offsetof(sut_broker_limits, peer_queue.bytes), true, 1 << 16, UINT64_C(1) << 34},
    {"peer_queue_envelopes", offsetof(sut_broker_limits, peer_queue.envelopes), false, 16, 10000000},
    {"max_taps", offsetof(sut_broker_limits, taps.max_taps), false, 0, SUT_TAP_MAX},
    {"taps_per_session", offsetof(sut_broker_limits, taps.taps_per_session), false, 0, SUT_TAP_MAX},
    {"tap_bytes_per_second", offsetof(sut_broker_limits, taps.bytes_per_second), true, 1024, 64u << 20},
    {"tap_bytes_per_second_max", offsetof(sut_broker_limits, taps.bytes_per_second_max), true, 1024, 64u << 20},
};

static sut_broker_limits defaults(void)
{
    return (sut_broker_limits){
        SUT_CORE_LIMITS_DEFAULT, SUT_CORE_EVENT_LIMITS_DEFAULT, {8u << 20, 65536}, SUT_TAP_LIMITS_DEFAULT};
}

static uint64_t limit_get(const limit *d, const sut_broker_limits *l)
{
    const char *at = (const char *)l + d->offset;
    uint64_t wide;
    uint32_t narrow;

    if (d->wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

static void limit_set(const limit *d, sut_broker_limits *l, uint64_t value)
{
    char *at = (char *)l + d->offset;
    const uint32_t narrow = (uint32_t)value;

    if (d->wide)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &narrow, sizeof narrow);
}

static sut_str trim(sut_str s)
{
    while (s.len && isspace((unsigned char)s.ptr[0]))
        s = (sut_str){s.ptr + 1, s.len - 1};
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static const limit *find_limit(sut_str name)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_limits); i++)
        if (sut_str_is(name, s_limits[i].name))
            return &s_limits[i];
    return NULL;
}

/* One line without its newline. False with the reason in `error`. */
static bool parse_line(sut_str line, size_t number, sut_broker_limits *out, char *error, size_t error_size)
{
    const char *hash = memchr(line.ptr, '#', line.len), *eq;
    const limit *d;
    sut_str name, number_text;
    int64_t value;

    if (hash)
        line.len = (size_t)(hash - line.ptr);
    line = trim(line);
    if (!line.len)
        return true;
    eq = memchr(line.ptr, '=', line.len);
    if (!eq) {
        snprintf(error, error_size, "line %zu: must be `limit = number`", number);
        return false;
    }
    name = trim((sut_str){line.ptr, (size_t)(eq - line.ptr)});
    d = find_limit(name);
    if (!d) {
        snprintf(error, error_size, "line %zu: there is no limit `%.*s`", number, name.len > 40 ? 40 : (int)name.len,
                 name.ptr);
        return false;
    }
    number_text = trim((sut_str){eq + 1, (size_t)(line.ptr + line.len - eq - 1)});
    if (!sut_parse_i64(number_text, (int64_t)d->min, (int64_t)d->max, &value)) {
        snprintf(error, error_size, "line %zu: %s must be a number from %llu to %llu", number, d->name,
                 (unsigned long long)d->min, (unsigned long long)d->max);
        return false;
    }
    limit_set(d, out, (uint64_t)value);
    return true;
}

sut_status sut_broker_limits_parse(sut_str text, sut_broker_limits *out, char *error, size_t error_size)
{
    sut_broker_limits l = defaults();

    for (size_t number = 1; text.len; number++) {
        const char *end = memchr(text.ptr, '\n', text.len);
        const size_t len = end ? (size_t)(end - text.ptr) : text.len, step = end ? len + 1 : len;

        if (!parse_line((sut_str){text.ptr, len}, number, &l, error, error_size))
            return -EINVAL;
        text = (sut_str){text.ptr + step, text.len - step};
    }
    if (l.core.default_ttl_ms > l.core.max_ttl_ms) {
        snprintf(error, error_size, "default_ttl_ms must not be above max_ttl_ms");
        return -EINVAL;
    }
    if (l.events.backoff_min_ms > l.events.backoff_max_ms) {
        snprintf(error, error_size, "backoff_min_ms must not be above backoff_max_ms");
        return -EINVAL;
    }
    l.core.hand_bytes = l.peer_queue.bytes / 2; /* so that calls alone never fill an instance's queue */
    *out = l;
    return 0;
}

sut_status sut_broker_limits_load(const char *path, sut_broker_limits *out, char *error, size_t error_size)
{
    char why[256];
    sut_str text;
    sut_status r;

    if (!path || !*path) {
        *out = defaults();
        return 0;
    }
    r = sut_file_read(path, 1 << 20, &text);
    if (r < 0) {
        snprintf(error, error_size, "SUT_LIMITS_FILE: %s: %s", path, strerror(-r));
        return r;
    }
    r = sut_broker_limits_parse(text, out, why, sizeof why);
    if (r < 0)
        snprintf(error, error_size, "SUT_LIMITS_FILE: %s: %s", path, why);
    free((char *)text.ptr);
    return r;
}

void sut_broker_limits_each(const sut_broker_limits *l, void (*fn)(const char *name, uint64_t value, void *arg),
                            void *arg)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_limits); i++)
        fn(s_limits[i].name, limit_get(&s_limits[i], l), arg);
}

size_t sut_broker_limits_count(void)
{
    return SUT_ARRAY_LEN(s_limits);
}
