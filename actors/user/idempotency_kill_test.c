/* user.profile_update with an idempotency key, and kill -9 between commit and reply: the call that is made again gets
 * the first reply, and there was one effect. */
#include "fixture_test.h"
#include "held_commit_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER 4096

typedef struct shared {
    _Atomic bool armed; /* the next COMMIT is not answered */
    _Atomic int result; /* of the call; -1: not yet */
    int64_t updated_at;
    char bio[32];
} shared;

static shared *s_shared;
static const char *s_bio;
static bool s_hold;

static sut_status update(sut_request *rq, void *arg)
{
    (void)arg;
    user_profile out;
    const sut_principal who = {.user_id = OWNER, .level = 1};
    const user_profile_update_in in = {.bio = sut_str_from(s_bio), .has_bio = SUT_PRESENT};
    cr_assert_eq(fix_create(rq, OWNER, "ada", NULL), 0);
    s_shared->armed = s_hold;
    int st = sut_test_call_keyed(rq, &user_profile_update_method, &who, "once", &in, &out, NULL);
    if (st == 0) {
        s_shared->updated_at = out.updated_at;
        snprintf(s_shared->bio, sizeof(s_shared->bio), "%.*s", SUT_STR_FMT(out.bio));
    }
    s_shared->result = st;
    return 0;
}

static pid_t start(const char *bio, bool hold)
{
    sut_actor_options actor = user_actor;
    actor.entries = user_service_entries;
    actor.entry_count = user_service_entry_count;
    s_bio = bio;
    s_hold = hold;
    s_shared->armed = false;
    s_shared->result = -1;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(sut_test_actor(&actor, update, NULL) == 0 ? 0 : 1);
    return pid;
}

static int finish(pid_t pid)
{
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %d", status);
    return s_shared->result;
}

static void until_committed(sut_test_postgres *pg)
{
    while (strcmp(sut_test_postgres_sql(pg, "SELECT count(*) FROM pg_class WHERE relname = 'user_profiles'"), "1") != 0)
        (void)usleep(2000);
    while (strcmp(sut_test_postgres_sql(pg, "SELECT count(*) FROM user_profiles WHERE bio = 'first'"), "1") != 0)
        (void)usleep(2000);
}

static void check(sut_test_postgres *pg)
{
    pid_t killed = start("first", true);
    until_committed(pg);
    (void)kill(killed, SIGKILL);
    cr_assert_eq(waitpid(killed, NULL, 0), killed);
    cr_assert_eq(s_shared->result, -1, "no reply had left");

    cr_assert_eq(finish(start("first", false)), 0, "the same call again");
    cr_assert_str_eq(s_shared->bio, "first");
    cr_assert_str_eq(sut_test_postgres_sql(pg, "SELECT version FROM user_profiles"), "2", "one effect");
    cr_assert_str_eq(sut_test_postgres_sql(pg, "SELECT count(*) FROM sut_idempotency"), "1");
    char at[64];
    snprintf(at, sizeof(at), "%lld", (long long)s_shared->updated_at);
    cr_assert_str_eq(
        sut_test_postgres_sql(pg, "SELECT (extract(epoch FROM updated_at) * 1000000)::bigint FROM user_profiles"), at,
        "the first one's reply");

    cr_assert_eq(finish(start("second", false)), SUT_ERR_CONFLICT, "the key belongs to another request");
    cr_assert_str_eq(sut_test_postgres_sql(pg, "SELECT version FROM user_profiles"), "2");
}

Test(idempotency_fault, kill_9_between_commit_and_reply, .timeout = 60)
{
    sut_test_postgres pg;
    held_commit held;
    s_shared = mmap(NULL, sizeof(*s_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(s_shared, MAP_FAILED);
    sut_test_postgres_start(&pg);
    held_commit_start(&held, pg.dir, &s_shared->armed);
    setenv("USER_DATABASE_URL", held.url, 1);
    check(&pg);
    held_commit_stop(&held);
    sut_test_postgres_remove(&pg);
    munmap(s_shared, sizeof(*s_shared));
}
