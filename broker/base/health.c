/* The process's table of dependencies and their states. */
#include "base/health.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static sut_health_item s_items[SUT_HEALTH_MAX]; /* sorted by name */
static size_t s_count;
static bool s_overflow; /* something could not be entered: nobody may believe that all is well */

/* The item of that name, made if there is room; NULL if not. */
static sut_health_item *find_or_add(const char *name)
{
    size_t at = 0;
    while (at < s_count && strcmp(s_items[at].name, name) < 0)
        at++;
    if (at < s_count && strcmp(s_items[at].name, name) == 0)
        return &s_items[at];
    if (s_count == SUT_HEALTH_MAX || strlen(name) >= sizeof s_items[0].name) {
        s_overflow = true;
        return NULL;
    }
    memmove(&s_items[at + 1], &s_items[at], (s_count - at) * sizeof s_items[0]);
    s_count++;
    s_items[at] = (sut_health_item){.state = SUT_HEALTH_UNKNOWN, .since_us = sut_wall_us()};
    (void)snprintf(s_items[at].name, sizeof s_items[at].name, "%s", name);
    return &s_items[at];
}

void sut_health_set(const char *name, bool required, sut_health_state state, const char *detail)
{
    sut_health_state before = state;
    (void)pthread_mutex_lock(&s_lock);
    sut_health_item *item = find_or_add(name);
    if (item) {
        before = item->state;
        item->required = required;
        (void)snprintf(item->detail, sizeof item->detail, "%s", detail ? detail : "");
        if (before != state) {
            item->state = state;
            item->since_us = sut_wall_us();
        }
    }
    (void)pthread_mutex_unlock(&s_lock);
    if (!item)
        sut_log(SUT_ERROR, "health", "health.no_room", SUT_KV("name", name));
    else if (before != state)
        sut_log(state == SUT_HEALTH_UP ? SUT_INFO : SUT_WARN, "health", "health.changed", SUT_KV("name", name),
                SUT_KV("state", sut_health_state_name(state)), SUT_KV("detail", detail ? detail : ""));
}

size_t sut_health_list(sut_health_item out[SUT_HEALTH_MAX])
{
    (void)pthread_mutex_lock(&s_lock);
    size_t count = s_count;
    memcpy(out, s_items, count * sizeof s_items[0]);
    (void)pthread_mutex_unlock(&s_lock);
    return count;
}

sut_health_state sut_health_overall(void)
{
    (void)pthread_mutex_lock(&s_lock);
    sut_health_state overall = s_overflow ? SUT_HEALTH_DEGRADED : SUT_HEALTH_UP;
    for (size_t i = 0; i < s_count; i++) {
        sut_health_state s = s_items[i].state;
        if (s_items[i].required && (s == SUT_HEALTH_DOWN || s == SUT_HEALTH_UNKNOWN))
            overall = SUT_HEALTH_DOWN;
        else if (s != SUT_HEALTH_UP && overall == SUT_HEALTH_UP)
            overall = SUT_HEALTH_DEGRADED;
    }
    (void)pthread_mutex_unlock(&s_lock);
    return overall;
}

const char *sut_health_state_name(sut_health_state s)
{
    switch (s) {
    case SUT_HEALTH_UNKNOWN: return "unknown";
    case SUT_HEALTH_UP: return "up";
    case SUT_HEALTH_DEGRADED: return "degraded";
    case SUT_HEALTH_DOWN: return "down";
    }
    return "unknown";
}
