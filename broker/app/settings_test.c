/* The limits file. */
#include "settings.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(limits, .timeout = 20);

static sut_status parse(const char *text, sut_broker_limits *out, char error[256])
{
    error[0] = '\0';
    return sut_broker_limits_parse(sut_str_from(text), out, error, 256);
}

Test(limits, nothing_means_the_defaults)
{
    const sut_core_limits core = SUT_CORE_LIMITS_DEFAULT;
    sut_broker_limits l;
    char error[256];

    cr_assert_eq(parse("", &l, error), 0);
    cr_assert_eq(l.core.queue_bytes, core.queue_bytes);
    cr_assert_eq(l.core.hold_ms, core.hold_ms);
    cr_assert_eq(l.peer_queue.bytes, 8u << 20);
    cr_assert_eq(sut_broker_limits_load("", &l, error, sizeof error), 0);
}

Test(limits, lines_comments_and_blanks)
{
    sut_broker_limits l;
    char error[256];

    cr_assert_eq(
        parse("# a comment\n\n  queue_bytes = 4294967296 # wide\r\nqueue_calls=7\npeer_queue_bytes=65536", &l, error),
        0);
    cr_assert_eq(l.core.queue_bytes, UINT64_C(4294967296));
    cr_assert_eq(l.core.queue_calls, 7);
    cr_assert_eq(l.peer_queue.bytes, 65536);
    cr_assert_eq(l.core.hand_bytes, 32768, "calls alone never fill a peer's queue");
    cr_assert_eq(l.core.max_sessions, 1024);
}

typedef struct wrong {
    const char *text, *says;
} wrong;

Test(limits, what_is_wrong_is_named_and_changes_nothing)
{
    static const wrong cases[] = {
        {"queue_calls = 7\nqueue_call = 7\n", "line 2: there is no limit `queue_call`"},
        {"queue_calls\n", "line 1: must be `limit = number`"},
        {"queue_calls = -1\n", "line 1: queue_calls must be a number from 1"},
        {"queue_calls = 99999999999\n", "queue_calls must be"},
        {"queue_calls = 7 8\n", "queue_calls must be"},
        {"queue_calls = \n", "queue_calls must be"},
        {"= 7\n", "there is no limit ``"},
        {"default_ttl_ms = 70000\n", "default_ttl_ms must not be above max_ttl_ms"},
    };
    sut_broker_limits l;
    char error[256];

    memset(&l, 0x5a, sizeof l);
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        cr_expect_eq(parse(cases[i].text, &l, error), -EINVAL);
        cr_expect_not_null(strstr(error, cases[i].says), "%s", error);
        cr_expect_eq(l.core.queue_calls, 0x5a5a5a5au);
    }
}

static void collect(const char *name, uint64_t value, void *arg)
{
    sut_buf *out = arg;

    cr_assert_eq(sut_buf_printf(out, "%s = %llu\n", name, (unsigned long long)value), 0);
}

/* What is listed can be read again. */
Test(limits, the_list_is_a_file)
{
    sut_broker_limits l, again;
    char error[256];
    sut_buf text, second;
    sut_str s;

    cr_assert_eq(parse("hold_ms = 17\nmax_credits = 5\n", &l, error), 0);
    sut_buf_init(&text, 0);
    sut_buf_init(&second, 0);
    sut_broker_limits_each(&l, collect, &text);
    cr_assert_eq(sut_buf_str(&text, &s), 0);
    cr_assert_eq(sut_broker_limits_parse(s, &again, error, sizeof error), 0, "%s", error);
    cr_assert_eq(again.core.hold_ms, 17);
    sut_broker_limits_each(&again, collect, &second);
    cr_assert_eq(second.len, text.len);
    cr_assert_eq(memcmp(second.data, text.data, text.len), 0);
    sut_buf_deinit(&text);
    sut_buf_deinit(&second);
}
