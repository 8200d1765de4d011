/* The settings that all actors have. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>

#define S_OFFSET(member) offsetof(sut_kit_settings, member)
/* Where the actor's own struct begins. */
#define S_OWN ((sizeof(sut_kit_settings) + 15) / 16 * 16)

static const sut_setting s_common[] = {
    {"SUT_BROKER", SUT_SET_STRING, S_OFFSET(broker), NULL, 0, 0, false,
     "where the broker is: ipc:///path or tcp://host:port"},
    {"SUT_NAME", SUT_SET_STRING, S_OFFSET(name), "", 0, 0, false,
     "this peer's name in the broker's access list (default: the service's)"},
    {"SUT_SECRET_FILE", SUT_SET_STRING, S_OFFSET(secret_file), "", 0, 0, false, "ipc: file with this peer's secret"},
    {"SUT_CURVE_FILE", SUT_SET_STRING, S_OFFSET(curve_file), "", 0, 0, false,
     "tcp: file with this peer's CURVE certificate"},
    {"SUT_SERVER_KEY", SUT_SET_STRING, S_OFFSET(server_key), "", 0, 0, false, "tcp: the broker's public key, Z85"},
    {"SUT_INSTANCE", SUT_SET_STRING, S_OFFSET(instance), "", 0, 0, false,
     "this instance's id (default: name, pid and random)"},
    {"SUT_CONCURRENCY", SUT_SET_INT, S_OFFSET(concurrency), "256", 1, 10000, false,
     "calls served at a time: the credits granted to the broker"},
    {"SUT_REQUEST_MEMORY", SUT_SET_INT, S_OFFSET(request_memory), "4194304", 65536, 1 << 30, false,
     "bytes that one request may allocate"},
    {"SUT_WORKERS", SUT_SET_INT, S_OFFSET(workers), "2", 1, 64, false, "threads for heavy or blocking work"},
    {"SUT_WORK_QUEUE", SUT_SET_INT, S_OFFSET(work_queue), "64", 1, 10000, false, "jobs that may wait for a thread"},
    {"SUT_DRAIN_MS", SUT_SET_INT, S_OFFSET(drain_ms), "10000", 0, 600000, false,
     "milliseconds that SIGTERM waits for calls in hand"},
    {"SUT_SPIN_US", SUT_SET_INT, S_OFFSET(spin_us), "0", 0, 1000, false,
     "microseconds of polling before the loop sleeps"},
    {"SUT_EVENT_CREDITS", SUT_SET_INT, S_OFFSET(event_credits), "64", 1, 10000, false,
     "events of one group that are worked on at a time"},
};

static const sut_setting s_postgres[] = {
    {"SUT_PG_SHARED", SUT_SET_INT, S_OFFSET(pg_shared), "1", 1, 16, false, "connections that all fast reads share"},
    {"SUT_PG_POOL", SUT_SET_INT, S_OFFSET(pg_pool), "20", 1, 1000, false,
     "connections for writes, slow reads and transactions"},
    {"SUT_PG_WAITERS", SUT_SET_INT, S_OFFSET(pg_waiters), "256", 0, 100000, false,
     "requests that may wait for such a connection"},
    {"SUT_PG_TIMEOUT_MS", SUT_SET_INT, S_OFFSET(pg_timeout_ms), "3000", 10, 600000, false,
     "longest that a statement may take"},
    {"SUT_CONSUMED_DAYS", SUT_SET_INT, S_OFFSET(consumed_days), "30", 1, 3650, false,
     "days for which an event that was taken is remembered: as long as journal and dead letters hold any"},
};

static const sut_setting s_database = {NULL,
                                       SUT_SET_STRING,
                                       S_OFFSET(database_url),
                                       NULL,
                                       0,
                                       0,
                                       true,
                                       "PostgreSQL: postgresql://user:password@host:port/database"};
static const sut_setting s_redis = {NULL,
                                    SUT_SET_STRING,
                                    S_OFFSET(redis_url),
                                    NULL,
                                    0,
                                    0,
                                    true,
                                    "Redis: redis://[:password@]host:port/number or redis+unix:///path"};

static void s_append(sut_settings_table *t, const sut_setting *items, size_t count, size_t shift)
{
    for (size_t i = 0; i < count; i++) {
        t->items[t->count] = items[i];
        t->items[t->count++].offset += shift;
    }
}

static void s_append_named(sut_settings_table *t, const sut_setting *item, const char *name)
{
    s_append(t, item, 1, 0);
    t->items[t->count - 1].name = name;
}

sut_status sut_settings_table_new(sut_settings_table *t, const sut_actor_options *opt)
{
    size_t max = SUT_ARRAY_LEN(s_common) + SUT_ARRAY_LEN(s_postgres) + 2 + opt->setting_count;
    *t = (sut_settings_table){.items = calloc(max, sizeof(*t->items)), .values = calloc(1, S_OWN + opt->settings_size)};
    if (!t->items || !t->values) {
        sut_settings_table_deinit(t);
        return SUT_TRACE(-ENOMEM, "settings");
    }
    s_append(t, s_common, SUT_ARRAY_LEN(s_common), 0);
    if (opt->database_setting) {
        s_append_named(t, &s_database, opt->database_setting);
        s_append(t, s_postgres, SUT_ARRAY_LEN(s_postgres), 0);
    }
    if (opt->redis_setting)
        s_append_named(t, &s_redis, opt->redis_setting);
    s_append(t, opt->settings, opt->setting_count, S_OWN);
    return 0;
}

const sut_kit_settings *sut_settings_table_deliver(const sut_settings_table *t, const sut_actor_options *opt)
{
    if (opt->settings_size)
        memcpy(opt->settings_out, (const char *)t->values + S_OWN, opt->settings_size);
    return t->values;
}

void sut_settings_table_deinit(sut_settings_table *t)
{
    free(t->items);
    free(t->values);
    *t = (sut_settings_table){0};
}
