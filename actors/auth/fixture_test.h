/* The auth actor of the tests: on real PostgreSQL and Redis, with a stand-in for the user actor. */
#ifndef AUTH_FIXTURE_TEST_H
#define AUTH_FIXTURE_TEST_H

#include "auth.h"
#include "auth_schema.h"
#include "servers.h"
#include "user_schema.h"

#include "kit/task.h"
#include "kit/testing.h"

/* What the stand-in does, and what it was asked. A profile_create that is not told otherwise answers as it should. */
typedef struct fix_user_actor {
    sut_status create, undo;         /* what these methods return */
    void (*before)(sut_request *rq); /* called by profile_create before it answers; taken back when called */
    int creates, undos, gets;        /* how often they were called */
    int64_t undone;                  /* the last user_id of an undo */
    char profile_name[64];           /* "": the name that is asked for */
} fix_user_actor;

typedef struct fix {
    sut_test_postgres pg;
    sut_test_redis redis;
    fix_user_actor user;
    char mail_dir[96]; /* where mails go */
} fix;

/* Runs `body` (arg: a fix) in an actor of its own, and everything is removed afterwards. */
void fix_run(sut_request_fn body);
/* The first value that the SQL gives. */
/* Active accounts known0@example.org …, with this as the hash of their passwords. */
void fix_known(fix *f, int count, const char *hash);
const char *fix_sql(fix *f, const char *sql);
#define FIX_COUNT(f, sql) (atoi(fix_sql((f), "SELECT count(*) FROM " sql)))

/* The consumer of this subject. */
const sut_consumer *fix_consumer(const char *subject);

#define FIX_PASSWORD "correct horse battery"

/* Calls as nobody; they return what the method did. `error` may be NULL. */
int fix_register(sut_request *rq, const char *email, const char *password, const char *name, auth_tokens *out,
                 sut_error_body *error);
int fix_login(sut_request *rq, const char *email, const char *password, auth_tokens *out, sut_error_body *error);
int fix_refresh(sut_request *rq, sut_str token, auth_tokens *out, sut_error_body *error);
int fix_verify(sut_request *rq, sut_str token, auth_verify_out *out, sut_error_body *error);
/* Registers NAME@example.org and must succeed. */
auth_tokens fix_account(sut_request *rq, const char *name);
/* Who the access token says. */
sut_principal fix_principal(sut_request *rq, const auth_tokens *tokens);

#endif
