/* What the journal's tests share: a folder of their own, events, and one call for the usual append. */
#ifndef SUT_JOURNAL_FIXTURE_H
#define SUT_JOURNAL_FIXTURE_H

#include "base/clock.h"
#include "journal/lmdb.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct folder {
    char path[64];
} folder;

static inline folder folder_make(void)
{
    folder f = {"/tmp/sut-journal-XXXXXX"};
    cr_assert_not_null(mkdtemp(f.path));
    return f;
}

static inline void folder_remove(const folder *f)
{
    DIR *d = opendir(f->path);
    struct dirent *e;
    char name[512];
    while (d && (e = readdir(d))) {
        snprintf(name, sizeof name, "%s/%s", f->path, e->d_name);
        (void)unlink(name);
    }
    if (d)
        closedir(d);
    (void)rmdir(f->path);
}

static inline sut_journal *journal_open(const folder *f, uint64_t map_bytes)
{
    sut_journal *j = NULL;
    char error[256] = "";
    sut_lmdb_options opt = {.path = f->path, .map_bytes = map_bytes ? map_bytes : 64u << 20};
    sut_status status = sut_journal_open_lmdb(&j, &opt, error, sizeof error);
    cr_assert_eq(status, 0, "%d %s", status, error);
    return j;
}

/* An event whose id is made of `n`. */
static inline sut_journal_event event_make(uint64_t n)
{
    sut_journal_event e = {.subject = SUT_STR("post.created"),
                           .key = SUT_STR("user-7"),
                           .principal = {.user_id = 7, .level = 1, .session = SUT_STR("s1")},
                           .publisher = SUT_STR("post.1"),
                           .body = {"\x81\xa1n\x01", 4}};
    memcpy(e.id, &n, sizeof n);
    return e;
}

static inline sut_journal_event event_of(const char *source, uint64_t epoch, uint64_t number)
{
    sut_journal_event e = event_make(number);
    e.source = sut_str_from(source);
    e.epoch = epoch;
    e.number = number;
    return e;
}

static inline sut_append_result append_one(sut_journal *j, int64_t now_us, sut_journal_event *e)
{
    sut_append_result r;
    sut_append_group g = {.events = e, .results = &r, .count = 1};
    sut_status status = sut_journal_append(j, now_us, &g, 1);
    cr_assert_eq(status, 0, "%d %s", status, sut_journal_last_error(j));
    return r;
}

static inline sut_journal_stats stats_of(sut_journal *j)
{
    sut_journal_stats st;
    cr_assert_eq(sut_journal_get_stats(j, &st), 0);
    return st;
}

#endif
