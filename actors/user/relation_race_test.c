/* Relations under concurrency and faults: two instances of the actor do random opposite acts on few people, connections
 * are cut and one instance is killed meanwhile; afterwards rows, counters and events agree, and nothing deadlocked. */
#include "fixture_test.h"

#include "kit/task.h"
#include "user_service.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIBERS = 48, PEOPLE_MAX = 256 };

typedef struct load { /* of one process */
    int people;       /* with the ids 32, 64 … */
    int acts_each;    /* of a fiber */
    bool star;        /* only follow and unfollow of the first one */
    unsigned seed;
} load;

typedef struct shared {
    _Atomic int surprises; /* results that nothing explains */
    _Atomic int done;      /* acts that returned */
} shared;

static shared *s_shared;
static const load *s_load;
static int s_running;

static const sut_method *const s_acts[] = {&user_follow_method,          &user_follow_method,
                                           &user_unfollow_method,        &user_follower_approve_method,
                                           &user_follower_remove_method, &user_friend_request_method,
                                           &user_friend_request_method,  &user_friend_accept_method,
                                           &user_friend_remove_method,   &user_block_method,
                                           &user_unblock_method,         &user_unblock_method,
                                           &user_unmute_method};

static bool is_explained(int st)
{
    return st == 0 || st == SUT_ERR_NOT_FOUND || st == USER_ERR_NO_REQUEST || st == USER_ERR_SELF_RELATION ||
           st == SUT_ERR_UNAVAILABLE || st == SUT_ERR_OUTCOME_UNKNOWN || st == SUT_ERR_OVERLOADED ||
           st == SUT_ERR_DEADLINE_EXCEEDED;
}

static void one_act(sut_request *rq, unsigned *seed)
{
    user_relation_change out;
    const sut_method *m = s_acts[(unsigned)rand_r(seed) % (s_load->star ? 3 : SUT_ARRAY_LEN(s_acts))];
    int64_t other = s_load->star ? 32 : 32 * (1 + rand_r(seed) % s_load->people);
    const sut_principal who = {.user_id = 32 * (1 + rand_r(seed) % s_load->people), .level = 1};
    const user_follow_in in = {.user_id = other};
    int st = sut_test_call(rq, m, &who, &in, &out, NULL);
    if (!is_explained(st)) {
        fprintf(stderr, "%s: %d\n", m->name, st);
        s_shared->surprises++;
    }
    s_shared->done++;
}

static sut_status fiber(sut_request *rq, void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (int i = 0; i < s_load->acts_each; i++)
        one_act(rq, &seed);
    s_running--;
    return 0;
}

static sut_status run_load(sut_request *rq, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < FIBERS; i++) {
        unsigned seed = s_load->seed + i;
        s_running++;
        cr_assert_eq(sut_background(rq, "test.fiber", fiber, &seed, sizeof seed, 60000), 0);
    }
    while (s_running > 0)
        if (sut_request_sleep_ms(rq, 5) != 0)
            return -ETIMEDOUT;
    return 0;
}

static pid_t start(const load *l)
{
    sut_actor_options actor = user_actor;
    actor.entries = user_service_entries;
    actor.entry_count = user_service_entry_count;
    s_load = l;
    s_running = 0;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(sut_test_actor(&actor, run_load, NULL) == 0 ? 0 : 1);
    return pid;
}

static void finish(pid_t pid)
{
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %d", status);
}

static sut_status make_people(sut_request *rq, void *arg)
{
    char name[32];
    for (int i = 1; i <= *(int *)arg; i++) {
        snprintf(name, sizeof name, "person%d", i);
        cr_assert_eq(fix_create(rq, 32 * i, name, NULL), 0);
    }
    return 0;
}

static void prepare(sut_test_postgres *pg, int people)
{
    sut_actor_options actor = user_actor;
    actor.entries = user_service_entries;
    actor.entry_count = user_service_entry_count;
    s_shared = mmap(NULL, sizeof *s_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(s_shared, MAP_FAILED);
    sut_test_postgres_start(pg);
    setenv("USER_DATABASE_URL", pg->url, 1);
    /* in a process of its own: what comes after forks, so it must have no threads */
    pid_t pid = fork();
    if (pid == 0)
        _exit(sut_test_actor(&actor, make_people, &people) == 0 ? 0 : 1);
    finish(pid);
}

/* Each query counts what must not be. */
static const char *const s_wrong[] = {
    "SELECT count(*) FROM connections b JOIN connections o ON (o.user_id, o.other_id) IN ((b.user_id, b.other_id), "
    "(b.other_id, b.user_id)) WHERE b.kind = 'block' AND (o.kind, o.user_id) <> ('block', b.user_id)",
    "SELECT count(*) FROM connections f WHERE kind = 'friend' AND NOT EXISTS (SELECT 1 FROM connections g WHERE g.kind "
    "= "
    "'friend' AND g.user_id = f.other_id AND g.other_id = f.user_id)",
    "SELECT count(*) FROM connections f JOIN connections r ON r.user_id = f.user_id AND r.other_id = f.other_id WHERE "
    "(f.kind, r.kind) IN (('friend', 'request'), ('follow', 'follow_request'))",
    "SELECT count(*) FROM user_profiles p WHERE (SELECT (coalesce(sum(followers), 0), coalesce(sum(following), 0), "
    "coalesce(sum(friends), 0)) FROM connection_counts n WHERE n.user_id = p.user_id) <> (SELECT (count(*) FILTER "
    "(WHERE "
    "c.kind = 'follow' AND c.other_id = p.user_id)::numeric, count(*) FILTER (WHERE c.kind = 'follow' AND c.user_id = "
    "p.user_id)::numeric, count(*) FILTER (WHERE c.kind = 'friend' AND c.user_id = p.user_id)::numeric) FROM "
    "connections "
    "c)",
    "SELECT count(*) FILTER (WHERE subject = 'user.followed') - count(*) FILTER (WHERE subject = 'user.unfollowed') - "
    "(SELECT count(*) FROM connections WHERE kind = 'follow') FROM sut_outbox",
    "SELECT 2 * (count(*) FILTER (WHERE subject = 'friend.accepted') - count(*) FILTER (WHERE subject = "
    "'friend.removed')) "
    "- (SELECT count(*) FROM connections WHERE kind = 'friend') FROM sut_outbox",
    "SELECT count(*) FILTER (WHERE subject = 'user.blocked') - count(*) FILTER (WHERE subject = 'user.unblocked') - "
    "(SELECT count(*) FROM connections WHERE kind = 'block') FROM sut_outbox",
    "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
};

static void check(sut_test_postgres *pg)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_wrong); i++)
        cr_assert_str_eq(sut_test_postgres_sql(pg, s_wrong[i]), "0", "%s", s_wrong[i]);
    cr_assert_eq(s_shared->surprises, 0);
}

static void until_done(int acts)
{
    while (s_shared->done < acts)
        (void)usleep(1000);
}

static void cut_one_connection(sut_test_postgres *pg)
{
    sut_test_postgres_sql(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sut' AND pid <> "
                              "pg_backend_pid() AND datname = current_database() ORDER BY random() LIMIT 1");
}

static unsigned seed(void)
{
    const char *given = getenv("SUT_SEED");
    unsigned n = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("SUT_SEED=%u\n", n);
    return n;
}

Test(relation_race, opposite_acts_cut_connections_and_a_killed_actor, .timeout = 120)
{
    sut_test_postgres pg;
    prepare(&pg, 6);
    const load one = {.people = 6, .acts_each = 60, .seed = seed()};
    const load two = {.people = 6, .acts_each = 60, .seed = one.seed + 1000};
    pid_t stays = start(&one), killed = start(&two);
    for (int cut = 1; cut <= 6; cut++) {
        until_done(FIBERS * 10 * cut);
        cut_one_connection(&pg);
        if (cut == 3) {
            (void)kill(killed, SIGKILL);
            cr_assert_eq(waitpid(killed, NULL, 0), killed);
            if (s_shared->done >= FIBERS * 40) /* it was fast: what is left may end before the next cut */
                break;
        }
    }
    finish(stays);
    check(&pg);
    sut_test_postgres_remove(&pg);
}

Test(relation_race, ten_thousand_follow_and_unfollow_one, .timeout = 120)
{
    sut_test_postgres pg;
    prepare(&pg, 200);
    const load one = {.people = 200, .acts_each = 105, .star = true, .seed = seed()};
    const load two = {.people = 200, .acts_each = 105, .star = true, .seed = one.seed + 1000};
    pid_t a = start(&one), b = start(&two);
    finish(a);
    finish(b);
    cr_assert_geq(s_shared->done, 10000);
    check(&pg);
    sut_test_postgres_remove(&pg);
}
