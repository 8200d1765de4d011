/* Logins are slowed down; owners are not kept out by strangers; nothing is told of accounts. */
#include "fixture_test.h"

#include "base/clock.h"
#include "kit/work.h"
#include "throttle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the table alone ---- */

static const auth_bucket_rule s_rule = {.free = 3, .base_ms = 1000, .max_ms = 10000, .drain_ms = 60000};

static auth_bucket_key numbered(uint32_t n)
{
    auth_bucket_key key = {{0}};
    memcpy(key.bytes, &(uint32_t){n % 7}, 4); /* few sets, so that they fill up */
    memcpy(key.bytes + 4, &n, 4);
    return key;
}

Test(throttle_table, waits_grow_and_drain)
{
    static auth_throttle_table t;
    const auth_bucket_key key = numbered(1);
    const uint64_t waits[] = {1000, 2000, 4000, 8000, 10000, 10000};
    uint64_t now = 5000;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now), 0);
    for (size_t i = 0; i < SUT_ARRAY_LEN(waits); i++) {
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now), 0);
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now), waits[i], "%zu", i);
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now + waits[i] - 1), 1, "refused ones do not count");
        now += waits[i];
    }
    now += 3600000;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now), 0, "all is forgotten");
    cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, now - 1000000), 1001000, "a clock that goes back opens nothing");
}

Test(throttle_table, all_keys_count_or_none)
{
    static auth_throttle_table t;
    const auth_bucket_key pair[] = {numbered(1), numbered(2)};
    const auth_bucket_rule rules[] = {s_rule, s_rule};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(auth_table_take(&t, &pair[0], rules, 1, 0), 0);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 1000);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(auth_table_take(&t, &pair[1], rules, 1, 0), 0, "the second was not touched");
    auth_table_refund(&t, pair, rules, 2, 0);
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 0);
    for (int i = 0; i < 100; i++)
        auth_table_refund(&t, pair, rules, 2, 0);
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 0, "there is nothing to save up");
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 0);
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 0);
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 0);
    cr_assert_eq(auth_table_take(&t, pair, rules, 2, 0), 1000);
}

Test(throttle_table, fresh_keys_do_not_drive_out_one_that_waits)
{
    static auth_throttle_table t;
    const auth_bucket_key key = numbered(0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, 0), 0);
    for (uint32_t n = 1; n < 10000; n++) {
        const auth_bucket_key other = numbered(n);
        (void)auth_table_take(&t, &other, &s_rule, 1, 0);
    }
    cr_assert_eq(auth_table_take(&t, &key, &s_rule, 1, 0), 1000);
}

Test(throttle, networks)
{
    static const char *const cases[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"2001:db8:0:1::5", "2001:db8:0:1::"},
        {"2001:DB8:0:1:ffff::", "2001:db8:0:1::"},
        {"::1", "::"},
        {"192.0.2.7 ", ""},
        {"192.0.2", ""},
        {"", ""},
        {"unknown", ""},
        {"2001:db8:0:1:2:3:4:5:6:7:8:9:aaaa:bbbb:cccc:dddd:eeee:ffff", ""},
    };
    char out[AUTH_NETWORK_SIZE];
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        auth_network_of(sut_str_from(cases[i][0]), out);
        cr_assert_str_eq(out, cases[i][1], "%s", cases[i][0]);
    }
    auth_network_of(SUT_STR_NONE, out);
    cr_assert_str_eq(out, "");
}

/* ---- logins ---- */

static int login_from(sut_request *rq, const char *email, const char *password, const char *address,
                      sut_error_body *error)
{
    auth_login_in in = {.email = sut_str_from(email),
                        .password = sut_str_from(password),
                        .client_address = sut_str_from(address),
                        .has_client_address = SUT_PRESENT};
    auth_tokens tokens;
    return sut_test_call(rq, &auth_login_method, NULL, &in, &tokens, error);
}

/* How many wrong passwords it takes, from a network each, until the next one is refused. */
static int tries(sut_request *rq, const char *email, sut_error_body *error)
{
    for (int i = 0; i < 100; i++) {
        sut_str address = sut_request_printf(rq, "198.51.100.%d", i);
        int err = login_from(rq, email, "not the password", address.ptr, error);
        if (err == AUTH_ERR_TOO_MANY_ATTEMPTS)
            return i;
        cr_assert_eq(err, AUTH_ERR_BAD_CREDENTIALS);
    }
    return 100;
}

static sut_status accounts(sut_request *rq, void *arg)
{
    (void)arg;
    sut_error_body known, unknown;
    fix_account(rq, "ada");
    cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "192.0.2.7", NULL), 0);
    cr_assert_eq(tries(rq, "ada@example.org", &known), 11, "ten are free, the eleventh makes the next one wait");
    cr_assert_eq(tries(rq, "nobody@example.org", &unknown), 11, "an address without account is treated alike");
    cr_assert(known.retry_after_ms > 0 && known.retry_after_ms <= 600000);
    cr_assert(unknown.retry_after_ms > 0 && unknown.retry_after_ms <= 600000);
    cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "203.0.113.9", NULL), AUTH_ERR_TOO_MANY_ATTEMPTS,
                 "nor does the right password tell itself to a stranger");
    cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "192.0.2.7", NULL), 0,
                 "its owner is not kept out by strangers");
    cr_assert_eq(login_from(rq, "ada@example.org", "not the password", "192.0.2.7", NULL), AUTH_ERR_BAD_CREDENTIALS);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "192.0.2.7", NULL), 0, "what succeeds is free");
    return 0;
}

Test(throttle, strangers_wait_and_owners_do_not, .timeout = 40)
{
    setenv("LOGIN_DELAY_S", "600", 1); /* so that none is over before the test is */
    fix_run(accounts);
}

static sut_status networks(sut_request *rq, void *arg)
{
    (void)arg;
    fix_account(rq, "ada");
    for (int i = 0; i < 6; i++) {
        sut_str email = sut_request_printf(rq, "nobody%d@example.org", i);
        sut_str address = sut_request_printf(rq, "2001:db8:0:1::%d", i + 1);
        cr_assert_eq(login_from(rq, email.ptr, "not the password", address.ptr, NULL), AUTH_ERR_BAD_CREDENTIALS);
    }
    cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "2001:db8:0:1::77", NULL), AUTH_ERR_TOO_MANY_ATTEMPTS,
                 "one network");
    cr_assert_eq(login_from(rq, "ada@example.org", FIX_PASSWORD, "2001:db8:0:2::1", NULL), 0, "another");
    return 0;
}

Test(throttle, one_network_waits_for_all_its_accounts, .timeout = 40)
{
    setenv("LOGIN_FREE_NETWORK", "5", 1);
    setenv("LOGIN_DELAY_S", "600", 1); /* so that none is over before the test is */
    fix_run(networks);
}

static sut_status outage(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_error_body error;
    fix_account(rq, "ada");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(login_from(rq, "ada@example.org", "not the password", "198.51.100.1", NULL),
                     AUTH_ERR_BAD_CREDENTIALS);
    sut_test_redis_stop(&f->redis);
    cr_assert_eq(tries(rq, "ada@example.org", &error), 6, "what was counted before Redis went is not forgotten");
    cr_assert_eq(login_from(rq, "grace@example.org", "not the password", "192.0.2.1", NULL), AUTH_ERR_BAD_CREDENTIALS);
    sut_test_redis_again(&f->redis);
    cr_assert_eq(login_from(rq, "ada@example.org", "not the password", "203.0.113.5", NULL), AUTH_ERR_TOO_MANY_ATTEMPTS,
                 "nor when it is back, empty");
    return 0;
}

Test(throttle, goes_on_without_redis, .timeout = 40)
{
    setenv("LOGIN_DELAY_S", "600", 1); /* so that none is over before the test is */
    fix_run(outage);
}

typedef struct many {
    int refused, wrong, left;
} many;

static sut_status one_of_many(sut_request *rq, void *arg)
{
    many *m = *(many **)arg;
    int err = login_from(rq, "ada@example.org", "not the password", "198.51.100.1", NULL);
    m->refused += err == AUTH_ERR_TOO_MANY_ATTEMPTS;
    m->wrong += err == AUTH_ERR_BAD_CREDENTIALS;
    m->left--;
    return 0;
}

static sut_status at_once(sut_request *rq, void *arg)
{
    (void)arg;
    many m = {.left = 60}, *where = &m;
    fix_account(rq, "ada");
    for (int i = 0; i < 60; i++)
        cr_assert_eq(sut_background(rq, "test.login", one_of_many, &where, sizeof where, 20000), 0);
    while (m.left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 5), 0);
    cr_assert_eq(m.wrong, 11, "%d", m.wrong);
    cr_assert_eq(m.refused, 49);
    return 0;
}

Test(throttle, many_at_once_get_no_more_guesses, .timeout = 40)
{
    setenv("LOGIN_DELAY_S", "600", 1); /* so that none is over before the test is */
    fix_run(at_once);
}

static sut_status expires(sut_request *rq, void *arg)
{
    fix *f = arg;
    char command[400], line[64] = "";
    fix_account(rq, "ada");
    cr_assert_eq(login_from(rq, "ada@example.org", "not the password", "198.51.100.1", NULL), AUTH_ERR_BAD_CREDENTIALS);
    snprintf(command, sizeof command,
             "for k in $(redis-cli -s %s/s --scan --pattern 'login:attempts:*'); do redis-cli -s %s/s PTTL $k; done | "
             "awk '$1 > 0 && $1 <= 600001' | wc -l",
             f->redis.dir, f->redis.dir);
    FILE *p = popen(command, "r");
    cr_assert(p && fgets(line, sizeof line, p));
    (void)pclose(p);
    cr_assert_eq(atoi(line), 2, "both counts go by themselves");
    return 0;
}

Test(throttle, counts_go_by_themselves, .timeout = 40)
{
    fix_run(expires);
}

/* ---- what is not looked at ---- */

static sem_t s_held;

static atomic_int s_at_work;

static void hold(void *job)
{
    (void)job;
    s_at_work++;
    while (sem_wait(&s_held) != 0)
        cr_assert_eq(errno, EINTR);
}

static sut_status hold_thread(sut_request *rq, void *arg)
{
    int *left = *(int **)arg;
    char job = 0;
    cr_assert_eq(sut_work(rq, hold, &job, sizeof job), 0);
    (*left)--;
    return 0;
}

static int counts_in_redis(const fix *f)
{
    char command[200];
    int count = -1;
    snprintf(command, sizeof command, "redis-cli -s %s/s --scan --pattern 'login:attempts:*' | wc -l", f->redis.dir);
    FILE *p = popen(command, "r");
    cr_assert(p && fscanf(p, "%d", &count) == 1);
    (void)pclose(p);
    return count;
}

static sut_status overloaded(sut_request *rq, void *arg)
{
    fix *f = arg;
    int left = 2, *where = &left;
    sut_error_body error;
    cr_assert_eq(sem_init(&s_held, 0, 0), 0);
    for (int i = 0; i < 2; i++) { /* one is worked on, one waits: there is no more room */
        cr_assert_eq(sut_background(rq, "test.hold", hold_thread, &where, sizeof where, 30000), 0);
        do
            cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
        while (s_at_work == 0);
    }
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(login_from(rq, "ada@example.org", "not the password", "198.51.100.1", &error), SUT_ERR_OVERLOADED);
        cr_assert_gt(error.retry_after_ms, 0);
    }
    cr_assert_eq(sem_post(&s_held), 0);
    cr_assert_eq(sem_post(&s_held), 0);
    while (left > 0 || counts_in_redis(f) > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(tries(rq, "ada@example.org", &error), 11, "all the free ones are left");
    return 0;
}

Test(throttle, an_attempt_that_was_not_looked_at_does_not_count, .timeout = 40)
{
    setenv("SUT_WORKERS", "1", 1);
    setenv("SUT_WORK_QUEUE", "1", 1);
    setenv("LOGIN_DELAY_S", "600", 1); /* so that none is over before the test is */
    fix_run(overloaded);
}
