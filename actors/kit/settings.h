/* The settings that all actors have, and their merging with an actor's own. Private to the kit. */
#ifndef SUT_KIT_SETTINGS_H
#define SUT_KIT_SETTINGS_H

#include "kit/kit.h"

typedef struct sut_kit_settings {
    const char *broker, *name, *secret_file, *curve_file, *server_key, *instance;
    int64_t concurrency, request_memory, workers, work_queue, drain_ms, spin_us, event_credits;
    const char *database_url, *redis_url;
    int64_t pg_shared, pg_pool, pg_waiters, pg_timeout_ms, consumed_days;
} sut_kit_settings;

/* One table for all: the common ones, the stores' if the actor has them, and the actor's own, whose offsets then point
 * behind a sut_kit_settings. To be freed. */
typedef struct sut_settings_table {
    sut_setting *items;
    size_t count;
    void *values; /* a sut_kit_settings, then the actor's struct */
} sut_settings_table;

SUT_MUST_CHECK sut_status sut_settings_table_new(sut_settings_table *t, const sut_actor_options *opt);
/* After loading: hands the actor its part, and returns the common one. */
const sut_kit_settings *sut_settings_table_deliver(const sut_settings_table *t, const sut_actor_options *opt);
void sut_settings_table_deinit(sut_settings_table *t);

#endif
