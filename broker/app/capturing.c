/* The life of the capture, and its clock. */
#include "capturing.h"
#include "broker.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define EVERYTHING (SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR | SUT_SIGHT_EVENT | SUT_SIGHT_DELIVERY)
#define KEY_FILE   "capture.keys"
#define FRESH_NS   (100 * SUT_NS_PER_MS)
#define NS_PER_US  1000
#define US_PER_S   1000000
#define US_PER_MS  1000

/* Two clocks are read for a call already, when its message comes: so its time of day is made of that, and the
 * difference of the clocks is looked at ten times a second. Events come from the journal, at no such moment. */
static int64_t time_of_call(sut_broker *b)
{
    sut_capturing *all = &b->capturing;

    if (b->now_ns >= all->wall_until_ns) {
        all->wall_us = sut_wall_us() - (int64_t)(sut_now_ns() / NS_PER_US);
        all->wall_until_ns = b->now_ns + FRESH_NS;
    }
    return all->wall_us + (int64_t)(b->now_ns / NS_PER_US);
}

void sut_capturing_see(sut_broker *b, sut_sight *s)
{
    if (s->kind & (SUT_SIGHT_EVENT | SUT_SIGHT_DELIVERY))
        s->at_us = sut_wall_us();
    else
        s->at_us = time_of_call(b);
    s->picked &= SUT_CAPTURE_PICKED;
    sut_capture_see(b->capturing.capture, s);
}

uint8_t sut_capturing_pick(sut_broker *b, const sut_envelope *env)
{
    return sut_capture_pick(b->capturing.capture, env->traceparent, env->subject, time_of_call(b));
}

static int fail(char *error, size_t error_size, sut_status st, const char *why)
{
    snprintf(error, error_size, "SUT_CAPTURE_DIR, SUT_CAPTURE_KEY_FILE: %s", why);
    return st == -EBUSY ? SUT_EXIT_UNAVAILABLE : st == -EINVAL ? SUT_EXIT_CONFIG : SUT_EXIT_IO;
}

int sut_capturing_open(sut_broker *b, char *error, size_t error_size)
{
    const sut_broker_settings *s = b->settings;
    char key_file[PATH_MAX], why[384] = "";
    const sut_capture_options opt = {
        .dir = s->capture_dir,
        .key_file = s->capture_key_file[0] ? s->capture_key_file : key_file,
        .bytes = (uint64_t)s->capture_bytes,
        .age_us = s->capture_age_s * US_PER_S,
        .one_in = (uint32_t)s->capture_one_in,
        .slow_us = (uint64_t)s->capture_slow_ms * US_PER_MS,
        .flagged = s->capture_flagged,
    };

    if (!s->capture_dir[0])
        return 0;
    (void)snprintf(key_file, sizeof key_file, "%s/" KEY_FILE, s->keys_dir);
    const sut_status st = sut_capture_new(&b->capturing.capture, b->loop, &opt, why, sizeof why);
    if (st < 0)
        return fail(error, error_size, st, why);
    sut_core_watch_slow(b->core, (uint64_t)s->capture_slow_ms * SUT_NS_PER_MS);
    sut_sights_watch(b, SUT_WATCHER_CAPTURE, EVERYTHING);
    sut_log(SUT_INFO, "broker", "capture.open", SUT_KV("folder", s->capture_dir), SUT_KV_I("one_in", s->capture_one_in),
            SUT_KV_I("slow_ms", s->capture_slow_ms));
    return 0;
}

void sut_capturing_close(sut_broker *b)
{
    if (b->core)
        sut_sights_watch(b, SUT_WATCHER_CAPTURE, 0);
    b->capturing.capture = sut_capture_free(b->capturing.capture);
}
