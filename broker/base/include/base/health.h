/* What a process knows of its dependencies. Health is what they say, not a constant. Any thread (one small lock). */
#ifndef SUT_BASE_HEALTH_H
#define SUT_BASE_HEALTH_H

#include "base/str.h"

typedef enum { SUT_HEALTH_UNKNOWN, SUT_HEALTH_UP, SUT_HEALTH_DEGRADED, SUT_HEALTH_DOWN } sut_health_state;

#define SUT_HEALTH_MAX 32
typedef struct sut_health_item {
    char name[48];
    char detail[128]; /* why, in words, no secrets */
    sut_health_state state;
    bool required; /* down: the process cannot do its main job */
    int64_t since_us;
} sut_health_item;

/* Adds or updates one. `detail` may be NULL. */
void sut_health_set(const char *name, bool required, sut_health_state state, const char *detail);
/* Copies up to SUT_HEALTH_MAX items, sorted by name, and returns how many. */
size_t sut_health_list(sut_health_item out[SUT_HEALTH_MAX]);
/* DOWN if a required one is down or unknown; DEGRADED if any is not up; else UP. */
sut_health_state sut_health_overall(void);
const char *sut_health_state_name(sut_health_state s); /* "unknown", "up", "degraded", "down" */

#endif
