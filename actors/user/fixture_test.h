/* The user actor of the tests, on real PostgreSQL. */
#ifndef USER_FIXTURE_TEST_H
#define USER_FIXTURE_TEST_H

#include "servers.h"
#include "user.h"

#include "kit/task.h"
#include "kit/testing.h"

/* Runs `body` (arg: the cluster) in an actor of its own, and everything is removed afterwards. */
void fix_run(sut_request_fn body);
/* Each returns what the method did; `viewer` 0: nobody. `error` may be NULL. */
int fix_create(sut_request *rq, int64_t user_id, const char *name, user_profile_create_out *out);
int fix_undo(sut_request *rq, int64_t user_id, user_profile_undo_out *out);
int fix_get(sut_request *rq, int64_t viewer, int64_t user_id, user_profile *out);
int fix_update(sut_request *rq, int64_t user_id, const user_profile_update_in *in, user_profile *out,
               sut_error_body *error);
/* The consumer of this subject. */
const sut_consumer *fix_consumer(const char *subject);
/* Inserts a row of connections; `when`: an SQL expression for expires_at. */
void fix_connect(sut_test_postgres *pg, int64_t user_id, int64_t other_id, const char *kind, const char *when);
void fix_disconnect(sut_test_postgres *pg);

#endif
