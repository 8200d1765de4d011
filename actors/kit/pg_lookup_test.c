/* Looking up the server's name without stopping the loop. */
#include "pg_lookup.h"

#include "fixture_test.h"
#include "pg_port.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(pg_lookup, only_names_are_looked_up, .timeout = 40)
{
    cr_assert(sut_pg_is_name("db.example.org"));
    cr_assert(sut_pg_is_name("localhost"));
    const char *others[] = {NULL, "", "/run/pg", "@abstract", "10.0.0.1", "::1", "a,b"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(others); i++)
        cr_assert_not(sut_pg_is_name(others[i]), "%s", others[i]);
}

static sut_status look_up(sut_request *rq, void *arg)
{
    (void)arg;
    char address[SUT_PG_ADDRESS_SIZE];
    cr_assert_eq(sut_pg_lookup(rq, "localhost", address), 0);
    cr_assert(strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0, "%s", address);
    cr_assert_eq(sut_pg_lookup(rq, "no such host", address), SUT_ERR_UNAVAILABLE);
    return 0;
}

Test(pg_lookup, names_become_addresses, .timeout = 40)
{
    cr_assert_eq(sut_test_actor(&fix_options, look_up, NULL), 0);
}

static sut_status read_over_tcp(sut_request *rq, void *arg)
{
    (void)arg;
    static const sut_pg_stmt one = {"one", "SELECT 1::bigint", 0};
    const sut_pg_result *r = NULL;
    cr_assert_eq(sut_pg_read(rq, &one, SUT_PG_NO_PARAMS, &r), 0);
    cr_assert_eq(sut_pg_run(rq, &one, SUT_PG_NO_PARAMS, &r), 0);
    cr_assert_neq(rq->runtime->pg->address[0], 0);
    return 0;
}

Test(pg_lookup, a_server_by_its_name_is_used, .timeout = 40)
{
    sut_test_postgres p;
    sut_test_postgres_start(&p);
    char url[160];
    snprintf(url, sizeof(url), "postgresql://sut:secret@localhost:%d/sut", sut_test_postgres_port(&p));
    setenv("FIX_DATABASE_URL", url, 1);
    sut_status st = sut_test_actor(&fix_pg_options, read_over_tcp, NULL);
    sut_test_postgres_remove(&p);
    cr_assert_eq(st, 0);
}
