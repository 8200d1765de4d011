/* Migrations: in order, once, whole or not at all, never edited, with any number of starters. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const sut_pg_migration s_first = {1, "0001_first", "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1), (2);\n"};
static const sut_pg_migration s_second = {2, "0002_second", "ALTER TABLE a ADD COLUMN y int DEFAULT 5;\n"};

static sut_status nothing(sut_request *rq, void *arg)
{
    (void)rq;
    (void)arg;
    return 0;
}

static sut_status start_with(const sut_pg_migration *items, size_t count)
{
    sut_pg_migrations migrations = {"fix", items, count};
    sut_actor_options o = fix_pg_options;
    o.migrations = &migrations;
    return sut_test_actor(&o, nothing, NULL);
}

static void start_cluster(sut_test_postgres *p)
{
    sut_test_postgres_start(p);
    setenv("FIX_DATABASE_URL", p->url, 1);
}

Test(migrate, files_run_once_and_in_order, .timeout = 40)
{
    sut_test_postgres p;
    start_cluster(&p);
    cr_assert_eq(start_with(&s_first, 1), 0);
    cr_assert_eq(start_with(&s_first, 1), 0);
    cr_assert_eq(start_with((sut_pg_migration[]){s_first, s_second}, 2), 0);
    cr_assert_eq(start_with(&s_first, 1), 0, "an older build on a newer database");
    cr_assert_str_eq(sut_test_postgres_sql(&p, "SELECT sum(x) + sum(y) FROM a"), "13");
    cr_assert_str_eq(sut_test_postgres_sql(
                         &p, "SELECT string_agg(name, ',' ORDER BY number) FROM sut_migrations WHERE service = 'fix'"),
                     "0001_first,0002_second");
    sut_test_postgres_remove(&p);
}

Test(migrate, history_is_not_edited, .timeout = 40)
{
    sut_test_postgres p;
    start_cluster(&p);
    cr_assert_eq(start_with(&s_first, 1), 0);
    sut_pg_migration edited = s_first;
    edited.sql = "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1), (3);\n";
    cr_assert_eq(start_with(&edited, 1), -EINVAL);
    sut_pg_migration renamed = s_first;
    renamed.name = "0001_other";
    cr_assert_eq(start_with(&renamed, 1), -EINVAL);
    cr_assert_eq(start_with(&s_first, 1), 0);
    sut_test_postgres_remove(&p);
}

Test(migrate, a_file_is_all_or_nothing, .timeout = 40)
{
    sut_test_postgres p;
    start_cluster(&p);
    sut_pg_migration bad = {1, "0001_bad", "CREATE TABLE a (x int);\nSELECT nonsense;\n"};
    cr_assert_eq(start_with(&bad, 1), -EINVAL);
    sut_pg_migration commits = {1, "0001_bad", "CREATE TABLE a (x int);\nCOMMIT;\n"};
    cr_assert_str_eq(sut_test_postgres_sql(&p, "SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), "0");
    cr_assert_eq(start_with(&commits, 1), -EINVAL, "a file must not end the transaction that records it");
    cr_assert_str_eq(sut_test_postgres_sql(&p, "SELECT count(*) FROM sut_migrations WHERE service = 'fix'"), "0");
    sut_test_postgres_remove(&p);
}

static void wait_for(sut_test_postgres *p, const char *sql)
{
    while (strcmp(sut_test_postgres_sql(p, sql), "0") == 0)
        usleep(5000);
}

Test(migrate, a_kill_in_the_middle_leaves_nothing, .timeout = 40)
{
    sut_test_postgres p;
    start_cluster(&p);
    sut_pg_migration slow = {1, "0001_first", "CREATE TABLE a (x int);\nSELECT pg_sleep(30);\n"};
    pid_t pid = fork();
    if (pid == 0)
        _exit(start_with(&slow, 1) ? 1 : 0);
    wait_for(&p, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* Its backend ends, and with it the lock: the next starter finds nothing half done. */
    cr_assert_eq(start_with(&s_first, 1), 0);
    cr_assert_str_eq(sut_test_postgres_sql(&p, "SELECT count(*) FROM a"), "2");
    sut_test_postgres_remove(&p);
}

Test(migrate, many_may_start_at_once, .timeout = 40)
{
    enum { COUNT = 5 };
    sut_test_postgres p;
    start_cluster(&p);
    pid_t pid[COUNT];
    for (int i = 0; i < COUNT; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            _exit(start_with((sut_pg_migration[]){s_first, s_second}, 2) ? 1 : 0);
    }
    for (int i = 0; i < COUNT; i++) {
        int status = -1;
        waitpid(pid[i], &status, 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "starter %d", i);
    }
    cr_assert_str_eq(sut_test_postgres_sql(&p, "SELECT count(*) FROM a"), "2");
    sut_test_postgres_remove(&p);
}
