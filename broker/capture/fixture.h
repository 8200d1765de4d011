/* What the tests of this module share: a folder, keys, spans. */
#ifndef SUT_CAPTURE_FIXTURE_H
#define SUT_CAPTURE_FIXTURE_H

#include "ring.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void fixture_remove(const char *dir)
{
    char path[600];
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d)
        closedir(d);
    (void)rmdir(dir);
}

static inline char *fixture_dir(void)
{
    static char dir[64];
    (void)snprintf(dir, sizeof dir, "/tmp/sut-capture-XXXXXX");
    cr_assert(mkdtemp(dir));
    return dir;
}

/* Two keys, k1 first. */
static inline const sut_keyring *fixture_keys(void)
{
    static sut_keyring keys;
    keys = (sut_keyring){.count = 2, .keys = {{.kid = "k1", .len = 32}, {.kid = "k2", .len = 32}}};
    memset(keys.keys[0].bytes, 1, 32);
    memset(keys.keys[1].bytes, 2, 32);
    return &keys;
}

static inline sut_span fixture_span(unsigned trace, int64_t user)
{
    sut_span s = {.kind = SUT_SPAN_CALL,
                  .at_us = 1700000000000000 + (int64_t)trace,
                  .took_us = 1234,
                  .ended = true,
                  .has_body = true,
                  .has_reply = true,
                  .user_id = user,
                  .level = 1,
                  .attempt = 1,
                  .subject = SUT_STR("user.profile_get"),
                  .from = SUT_STR("edge"),
                  .to = SUT_STR("user-1"),
                  .key = SUT_STR("lane-7"),
                  .body = SUT_STR("\x81\xa4name\xa9mary-jane"),
                  .reply = SUT_STR("\x81\xa2ok\xc3")};
    for (size_t i = 0; i < 4; i++)
        s.trace_id[i] = (uint8_t)(trace >> (8 * i));
    s.trace_id[15] = 9;
    s.span_id[7] = 1;
    return s;
}

/* All spans that a ring gives, copied. */
typedef struct fixture_found {
    size_t count;
    uint64_t numbers[4096];
    int64_t users[4096];
    bool with_body[4096], whole[4096];
} fixture_found;

static inline bool fixture_note(void *arg, const sut_span *s)
{
    fixture_found *f = arg;
    const sut_span want = fixture_span(0, 0);
    cr_assert_lt(f->count, 4096);
    f->numbers[f->count] = s->number;
    f->users[f->count] = s->user_id;
    f->with_body[f->count] = s->body.len > 0;
    f->whole[f->count] = sut_str_eq(s->subject, want.subject) && sut_str_eq(s->from, want.from) &&
                         sut_str_eq(s->to, want.to) && sut_str_eq(s->key, want.key) && sut_str_eq(s->body, want.body) &&
                         sut_str_eq(s->reply, want.reply) && s->took_us == 1234 && s->ended;
    f->count++;
    return true;
}

static inline ring *fixture_open(const char *dir, uint64_t bytes)
{
    const ring_options opt = {.dir = dir, .bytes = bytes};
    char error[256] = "";
    ring *r = NULL;
    cr_assert_eq(ring_new(&r, &opt, fixture_keys(), error, sizeof error), 0, "%s", error);
    return r;
}

static inline void fixture_all(ring *r, fixture_found *f)
{
    const ring_query q = {.open = true, .examine_max = SIZE_MAX};
    uint64_t at;
    bool more;
    memset(f, 0, sizeof *f);
    ring_each(r, &q, fixture_note, f, &at, &more);
}

#endif
