/* What the actor kit costs: a fiber switch, and reads through the shared pipeline at several numbers of fibers, beside
 * libpq used synchronously on one connection (one outstanding) with the same prepared statement. Prints one line each.
 */
#include "base/clock.h"
#include "fiber.h"
#include "kit/pg.h"
#include "kit/task.h"
#include "kit/testing.h"
#include "servers.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define READS 60000

static const char s_sql[] = "SELECT v, name FROM t WHERE id = $1";
static const sut_pg_stmt s_read = {"read", s_sql, 1};
static const sut_pg_stmt s_write = {"write", "UPDATE t SET v = v + 1 WHERE id = $1", 1};

static void spin(void *arg)
{
    for (long n = *(long *)arg; n > 0; n--)
        sut_fiber_yield();
}

static void bench_switch(void)
{
    long n = 5000000;
    sut_fiber *f = NULL;
    if (sut_fiber_new(&f, 65536))
        exit(1);
    sut_fiber_start(f, spin, &n);
    uint64_t start = sut_now_ns();
    while (!sut_fiber_done(f))
        sut_fiber_resume(f);
    printf("fiber switch, round trip: %.1f ns\n", (double)(sut_now_ns() - start) / (double)n);
    sut_fiber_free(f);
}

static void bench_sync(const char *url)
{
    PGconn *c = PQconnectdb(url);
    PQclear(PQprepare(c, "read", s_sql, 0, NULL));
    uint64_t start = sut_now_ns();
    for (int i = 0; i < READS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i % 1000 + 1);
        const char *values[] = {id};
        PGresult *r = PQexecPrepared(c, "read", 1, values, NULL, NULL, 1);
        if (PQntuples(r) != 1)
            exit(1);
        PQclear(r);
    }
    printf("libpq, synchronous: %.0f reads/s\n", READS * 1e9 / (double)(sut_now_ns() - start));
    PQfinish(c);
}

typedef struct s_worker {
    int count;
    const sut_pg_stmt *write;
    int *left;
} s_worker;

/* Each read is a background request of its own now and then, so that results are freed as in a server. */
static sut_status work(sut_request *rq, void *arg)
{
    s_worker *w = arg;
    for (int i = 0; i < 100 && w->count > 0; i++, w->count--) {
        const sut_pg_result *r;
        sut_pg_params params = SUT_PG_PARAMS(sut_pg_i64(w->count % 1000 + 1));
        sut_status st = w->write ? sut_pg_run(rq, w->write, params, &r) : sut_pg_read(rq, &s_read, params, &r);
        if (st)
            exit(1);
    }
    if (w->count > 0)
        return sut_background(rq, "work", work, w, sizeof(*w), 0);
    (*w->left)--;
    return 0;
}

static void bench_fibers(sut_request *rq, int fibers, const sut_pg_stmt *write, int total)
{
    int left = fibers;
    uint64_t start = sut_now_ns();
    for (int i = 0; i < fibers; i++) {
        s_worker w = {total / fibers, write, &left};
        if (sut_background(rq, "work", work, &w, sizeof(w), 0))
            exit(1);
    }
    while (left > 0)
        if (sut_request_sleep_ms(rq, 1))
            exit(1);
    printf("%s, %d fibers: %.0f/s\n", write ? "pool, writes" : "shared pipeline, reads", fibers,
           total * 1e9 / (double)(sut_now_ns() - start));
}

static sut_status body(sut_request *rq, void *arg)
{
    (void)arg;
    static const int fibers[] = {1, 8, 32, 128};
    for (size_t i = 0; i < SUT_ARRAY_LEN(fibers); i++)
        bench_fibers(rq, fibers[i], NULL, READS);
    bench_fibers(rq, 20, &s_write, READS / 4);
    return 0;
}

int main(void)
{
    bench_switch();
    sut_test_postgres p;
    sut_test_postgres_start(&p);
    sut_test_postgres_sql(&p, "CREATE TABLE t AS SELECT i::bigint AS id, 0::bigint AS v, 'name ' || i AS name"
                              " FROM generate_series(1, 1000) i");
    sut_test_postgres_sql(&p, "ALTER TABLE t ADD PRIMARY KEY (id)");
    bench_sync(p.url);
    setenv("BENCH_DATABASE_URL", p.url, 1);
    setenv("LOG_LEVEL", "error", 1);
    sut_status st =
        sut_test_actor(&(sut_actor_options){.name = "bench", .database_setting = "BENCH_DATABASE_URL"}, body, NULL);
    sut_test_postgres_remove(&p);
    return st ? 1 : 0;
}
