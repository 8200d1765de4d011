/* The outbox under kill -9: two instances emit and relay at the same time, and one of them is killed again and again.
 * What was committed is in the journal, once, and in order for each key. */
#include "fake_journal_test.h"

#include "base/clock.h"
#include "kit/event.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define S_KEYS   6
#define S_FIBERS 8
#define S_ROUNDS 12
#define S_EACH   10 /* events that are published at least between two kills */

typedef struct shared {
    _Atomic int64_t acked[S_KEYS]; /* the highest n whose commit was answered */
    _Atomic bool last;             /* emit no more; relay what is left, and leave */
} shared;

static fake_journal *s_journal;
static shared *s_shared;

static const sut_pg_stmt s_count = {"count_up", "UPDATE counters SET n = n + 1 WHERE user_id = $1 RETURNING n", 1};
static const sut_pg_stmt s_left = {"rows_left", "SELECT count(*) FROM sut_outbox", 0};

typedef struct stepping {
    int64_t user_id, n;
} stepping;

static sut_status step_on(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    stepping *s = arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_count, SUT_PG_PARAMS(sut_pg_i64(s->user_id)), &r);
    if (st)
        return st;
    s->n = sut_pg_get_i64(r, 0, 0);
    fix_step step = {.user_id = s->user_id, .n = s->n};
    return sut_emit(rq, tx, &fix_stepped, &step, NULL);
}

static void note(int64_t user_id, int64_t n)
{
    _Atomic int64_t *slot = &s_shared->acked[user_id - 1];
    int64_t seen = *slot;
    while (seen < n && !atomic_compare_exchange_weak(slot, &seen, n)) {
    }
}

static sut_status emit_on(sut_request *rq, void *arg)
{
    (void)arg;
    while (!s_shared->last) {
        uint32_t random;
        sut_random(&random, sizeof(random));
        stepping s = {.user_id = 1 + random % S_KEYS};
        if (sut_pg_tx_run(rq, step_on, &s) == 0)
            note(s.user_id, s.n);
        sut_request_recycle(rq);
    }
    return 0;
}

static sut_status instance(sut_request *rq, void *arg)
{
    const sut_pg_result *r;
    char none;
    (void)arg;
    fake_journal_attach(s_journal, rq);
    fix_all(rq, emit_on, &none, S_FIBERS, 0);
    for (;;) {
        cr_assert_eq(sut_pg_run(rq, &s_left, SUT_PG_NO_PARAMS, &r), 0);
        if (sut_pg_get_i64(r, 0, 0) == 0)
            return 0;
        cr_assert_eq(sut_request_sleep_ms(rq, 20), 0);
    }
}

static pid_t start(void)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(sut_test_actor(&fix_pg_options, instance, NULL) == 0 ? 0 : 1);
    return pid;
}

static void end(pid_t pid, int signo)
{
    int status;
    if (signo)
        (void)kill(pid, signo);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (!signo)
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "an instance ended with %d", status);
}

/* Kills at random moments: while emitting, numbering, publishing, removing. */
static void storm(void)
{
    pid_t pids[2] = {start(), start()};
    for (int round = 0; round < S_ROUNDS; round++) {
        uint32_t random;
        sut_random(&random, sizeof(random));
        while (atomic_load(&s_journal->count) < S_EACH * (uint32_t)(round + 1)) /* on a slow machine starts take long */
            (void)usleep(1000);
        (void)usleep(random % 350000);
        end(pids[round % 2], SIGKILL);
        pids[round % 2] = start();
    }
    s_shared->last = true;
    end(pids[0], 0);
    end(pids[1], 0);
}

static void check(sut_test_postgres *p)
{
    int64_t seen[S_KEYS] = {0};
    for (uint32_t i = 0; i < s_journal->count; i++) {
        const fake_event *e = &s_journal->events[i];
        cr_assert_eq(e->n, seen[e->user_id - 1] + 1, "user %lld: %lld follows %lld", (long long)e->user_id,
                     (long long)e->n, (long long)seen[e->user_id - 1]);
        seen[e->user_id - 1] = e->n;
    }
    for (int64_t user_id = 1; user_id <= S_KEYS; user_id++) {
        char query[80], counted[32];
        snprintf(query, sizeof(query), "SELECT n FROM counters WHERE user_id = %lld", (long long)user_id);
        snprintf(counted, sizeof(counted), "%lld", (long long)seen[user_id - 1]);
        cr_assert_geq(seen[user_id - 1], s_shared->acked[user_id - 1], "acknowledged, and not in the journal");
        cr_assert_str_eq(sut_test_postgres_sql(p, query), counted, "committed, and not in the journal, or not there");
    }
    cr_assert_gt(s_journal->count, 100u);
    cr_assert_eq(s_journal->gaps, 0u);
    cr_assert_eq(s_journal->source_count, 1u);
}

Test(outbox_fault, kill_9_loses_nothing_and_doubles_nothing, .timeout = 120)
{
    sut_test_postgres p;
    s_journal = fake_journal_new();
    s_shared = mmap(NULL, sizeof(*s_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(s_shared, MAP_FAILED);
    sut_test_postgres_start(&p);
    setenv("FIX_DATABASE_URL", p.url, 1);
    sut_test_postgres_sql(&p, "CREATE TABLE counters AS SELECT i::bigint AS user_id, 0::bigint AS n "
                              "FROM generate_series(1, 6) i");
    storm();
    check(&p);
    sut_test_postgres_remove(&p);
    munmap(s_shared, sizeof(*s_shared));
    s_journal = fake_journal_free(s_journal);
}
