#include "health_report.h"

#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(health_report, .timeout = 30);

static void add(sut_buf *b, const char *key, const char *value)
{
    cr_assert_eq(sut_mp_add_str(b, sut_str_from(key)), 0);
    if (value)
        cr_assert_eq(sut_mp_add_str(b, sut_str_from(value)), 0);
}

static sut_status decode(const sut_buf *b, sut_health_report *out)
{
    sut_arena *a = NULL;
    cr_assert_eq(sut_arena_new(&a, 1 << 20), 0);
    sut_status st = sut_health_report_decode(a, (sut_str){(const char *)b->data, b->len}, out);
    sut_arena_free(a);
    return st;
}

Test(health_report, what_the_kit_says)
{
    sut_buf b;
    sut_health_report r;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_mp_add_map(&b, 3), 0);
    add(&b, "status", "degraded");
    add(&b, "service", "user"); /* more than is read here */
    add(&b, "dependencies", NULL);
    cr_assert_eq(sut_mp_add_array(&b, 1), 0);
    cr_assert_eq(sut_mp_add_map(&b, 4), 0);
    add(&b, "name", "postgres");
    add(&b, "status", "down");
    add(&b, "required", NULL);
    cr_assert_eq(sut_mp_add_bool(&b, true), 0);
    add(&b, "detail", "connection refused");
    cr_assert_eq(decode(&b, &r), 0);
    cr_assert_eq(r.overall, SUT_HEALTH_DEGRADED);
    cr_assert_eq(r.count, 1);
    cr_assert_str_eq(r.items[0].name, "postgres");
    cr_assert_str_eq(r.items[0].detail, "connection refused");
    cr_assert_eq(r.items[0].state, SUT_HEALTH_DOWN);
    cr_assert(r.items[0].required);
    sut_buf_deinit(&b);
}

Test(health_report, what_is_none)
{
    sut_buf b;
    sut_health_report r;
    sut_buf_init(&b, 0);
    cr_assert_eq(decode(&b, &r), -EBADMSG, "no status");
    cr_assert_eq(sut_buf_puts(&b, "garbage"), 0);
    cr_assert_eq(decode(&b, &r), -EBADMSG);
    sut_buf_reset(&b);
    cr_assert_eq(sut_mp_add_map(&b, 1), 0);
    add(&b, "status", "splendid");
    cr_assert_eq(decode(&b, &r), 0);
    cr_assert_eq(r.overall, SUT_HEALTH_UNKNOWN, "an unknown word is not good news");
    sut_buf_deinit(&b);
}

Test(health_report, more_and_longer_than_there_is_room_for)
{
    sut_buf b;
    sut_health_report r;
    char name[200];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_mp_add_map(&b, 2), 0);
    add(&b, "status", "up");
    add(&b, "dependencies", NULL);
    cr_assert_eq(sut_mp_add_array(&b, SUT_HEALTH_MAX + 5), 0);
    for (size_t i = 0; i < SUT_HEALTH_MAX + 5; i++) {
        cr_assert_eq(sut_mp_add_map(&b, 2), 0);
        add(&b, "name", name);
        add(&b, "status", "up");
    }
    cr_assert_eq(decode(&b, &r), 0);
    cr_assert_eq(r.count, SUT_HEALTH_MAX);
    cr_assert_eq(strlen(r.items[0].name), sizeof(r.items[0].name) - 1);
    sut_buf_deinit(&b);
}
