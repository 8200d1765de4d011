/* What the daemon can be told: environment variables, and the limits file that SIGHUP reads again. */
#ifndef SUT_APP_SETTINGS_H
#define SUT_APP_SETTINGS_H

#include "base/config.h"
#include "core/events.h"
#include "outbox.h"
#include "tap/tap.h"

typedef struct sut_broker_settings {
    const char *ipc, *tcp;
    const char *acl_file, *keys_dir, *limits_file;
    int64_t spin_us;
    int64_t hwm;
    int64_t silent_ms;
    const char *journal_dir;
    int64_t journal_bytes, journal_age_s, dead_age_s;
    const char *capture_dir, *capture_key_file;
    int64_t capture_bytes, capture_age_s, capture_one_in, capture_slow_ms;
    bool capture_flagged;
} sut_broker_settings;

extern const sut_setting sut_broker_setting_table[];
extern const size_t sut_broker_setting_count;

typedef struct sut_broker_limits {
    sut_core_limits core;
    sut_core_event_limits events;
    sut_outbox_bounds peer_queue;
    sut_tap_limits taps;
} sut_broker_limits;

/* Defaults, or those and what the file says: lines `NAME = NUMBER`, `#` comments. `path` "" or NULL: defaults only. On
 * error -EINVAL (or the errno of reading it), one line that names file, line and limit in `error`, and `out` is
 * untouched. */
SUT_MUST_CHECK sut_status sut_broker_limits_load(const char *path, sut_broker_limits *out, char *error,
                                                 size_t error_size);
SUT_MUST_CHECK sut_status sut_broker_limits_parse(sut_str text, sut_broker_limits *out, char *error, size_t error_size);
/* Calls fn for each limit, in the order of the documentation. */
void sut_broker_limits_each(const sut_broker_limits *l, void (*fn)(const char *name, uint64_t value, void *arg),
                            void *arg);
size_t sut_broker_limits_count(void);

#endif
