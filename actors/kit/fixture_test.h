/* A small actor of the kit's own tests, with tables written by hand, and helpers to run several fibers at once. */
#ifndef SUT_KIT_FIXTURE_TEST_H
#define SUT_KIT_FIXTURE_TEST_H

#include "kit/pg.h"
#include "kit/task.h"
#include "kit/testing.h"
#include "request.h"
#include "runtime.h"
#include "servers.h"

typedef struct fix_text {
    sut_str text;
} fix_text;

typedef struct fix_user {
    int64_t user_id;
} fix_user;

typedef struct fix_step { /* the n-th thing that happened to a user */
    int64_t user_id, n;
    sut_str text; /* "poison": the fake broker refuses it */
    uint8_t has_text;
} fix_step;

extern const sut_record fix_step_record;
extern const sut_event fix_stepped; /* fix.stepped, by user */
extern const sut_event fix_foreign; /* other.stepped */

extern const sut_record fix_text_record, fix_user_record;
/* fix.admin, fix.bad_reply, fix.echo, fix.fails, fix.friends, fix.mine, fix.secret, fix.user */
extern const sut_method fix_admin, fix_bad_reply, fix_echo, fix_fails, fix_friends, fix_mine, fix_secret, fix_user_only;
extern const sut_actor_options fix_options;    /* no stores */
extern const sut_actor_options fix_pg_options; /* FIX_DATABASE_URL */

/* Starts `count` fibers of fn, the i-th with args + i * size (not copied: fn may write into it), and parks until all
 * have ended. */
void fix_all(sut_request *rq, sut_request_fn fn, void *args, size_t count, size_t size);
/* Parks until *flag is true. */
void fix_until(sut_request *rq, const bool *flag);

/* Runs `body` in an actor on the cluster `p`, which is started first and removed afterwards; its status must be 0. */
void fix_run_pg(const sut_actor_options *opt, sut_request_fn body, sut_test_postgres *p);

#endif
