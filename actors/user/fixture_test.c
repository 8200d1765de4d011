/* The actor of the tests of user. */
#include "fixture_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fix_run(sut_request_fn body)
{
    sut_test_postgres pg;
    sut_actor_options actor = user_actor;
    actor.entries = user_service_entries;
    actor.entry_count = user_service_entry_count;
    actor.consumers = user_consumer_entries;
    actor.consumer_count = user_consumer_entry_count;
    sut_test_postgres_start(&pg);
    setenv("USER_DATABASE_URL", pg.url, 1);
    sut_status st = sut_test_actor(&actor, body, &pg);
    sut_test_postgres_remove(&pg);
    cr_assert_eq(st, 0, "the body returned %d", st);
}

int fix_create(sut_request *rq, int64_t user_id, const char *name, user_profile_create_out *out)
{
    user_profile_create_in in = {.user_id = user_id, .username = sut_str_from(name)};
    user_profile_create_out unused;
    return sut_test_call(rq, &user_profile_create_method, NULL, &in, out ? out : &unused, NULL);
}

int fix_undo(sut_request *rq, int64_t user_id, user_profile_undo_out *out)
{
    user_profile_undo_in in = {.user_id = user_id};
    user_profile_undo_out unused;
    return sut_test_call(rq, &user_profile_undo_method, NULL, &in, out ? out : &unused, NULL);
}

int fix_get(sut_request *rq, int64_t viewer, int64_t user_id, user_profile *out)
{
    sut_principal who = {.user_id = viewer, .level = 1};
    user_profile_get_in in = {.user_id = user_id};
    user_profile unused;
    return sut_test_call(rq, &user_profile_get_method, viewer ? &who : NULL, &in, out ? out : &unused, NULL);
}

int fix_update(sut_request *rq, int64_t user_id, const user_profile_update_in *in, user_profile *out,
               sut_error_body *error)
{
    sut_principal who = {.user_id = user_id, .level = 1};
    user_profile unused;
    return sut_test_call(rq, &user_profile_update_method, user_id ? &who : NULL, in, out ? out : &unused, error);
}

const sut_consumer *fix_consumer(const char *subject)
{
    for (size_t i = 0; i < user_consumer_entry_count; i++)
        if (strcmp(user_consumer_entries[i].consumer->event->subject, subject) == 0)
            return user_consumer_entries[i].consumer;
    cr_assert_fail("no consumer of %s", subject);
    return NULL;
}

void fix_connect(sut_test_postgres *pg, int64_t user_id, int64_t other_id, const char *kind, const char *when)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO connections (user_id, other_id, kind, expires_at) VALUES (%lld, %lld, '%s', %s) RETURNING 1",
             (long long)user_id, (long long)other_id, kind, when);
    sut_test_postgres_sql(pg, sql);
}

void fix_disconnect(sut_test_postgres *pg)
{
    sut_test_postgres_sql(pg, "WITH gone AS (DELETE FROM connections RETURNING 1) SELECT count(*) FROM gone");
}
