/* The envelope codec: what is written comes back, every limit, every fault, every truncation, random bytes. */
#include "mp.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

TestSuite(envelope, .timeout = 60);

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static sut_envelope full_envelope(void)
{
    return (sut_envelope){
        .version = SUT_PROTOCOL_VERSION,
        .kind = SUT_CALL,
        .id = UINT64_MAX,
        .subject = SUT_STR("user.profile_get"),
        .key = SUT_STR("user:42"),
        .ttl_ms = 3000,
        .principal = {.user_id = (INT64_C(1) << 53) - 1, .level = 3, .session = SUT_STR("s-1")},
        .traceparent = SUT_STR(TRACE),
        .opt = {.idempotency_key = SUT_STR("k\xc3\xa9y"),
                .instance = SUT_STR("user-1"),
                .attempt = 2,
                .credits = 64,
                .retry_after_ms = 70000,
                .sequence = UINT64_MAX,
                .session = 7,
                .http_status = 503},
        .body = SUT_STR("\x81\xa2id\x2a"),
    };
}

static void assert_str(sut_str got, sut_str want, const char *what)
{
    cr_assert(sut_str_eq(got, want), "%s: got \"%.*s\", want \"%.*s\"", what, SUT_STR_FMT(got), SUT_STR_FMT(want));
}

static void assert_same(const sut_envelope *a, const sut_envelope *b)
{
    cr_assert_eq(a->version, b->version);
    cr_assert_eq(a->kind, b->kind);
    cr_assert_eq(a->id, b->id);
    assert_str(a->subject, b->subject, "subject");
    assert_str(a->key, b->key, "key");
    cr_assert_eq(a->ttl_ms, b->ttl_ms);
    cr_assert_eq(a->principal.user_id, b->principal.user_id);
    cr_assert_eq(a->principal.level, b->principal.level);
    assert_str(a->principal.session, b->principal.session, "session");
    assert_str(a->traceparent, b->traceparent, "traceparent");
    assert_str(a->opt.idempotency_key, b->opt.idempotency_key, "idempotency_key");
    assert_str(a->opt.instance, b->opt.instance, "instance");
    cr_assert_eq(a->opt.attempt, b->opt.attempt);
    cr_assert_eq(a->opt.credits, b->opt.credits);
    cr_assert_eq(a->opt.retry_after_ms, b->opt.retry_after_ms);
    cr_assert_eq(a->opt.sequence, b->opt.sequence);
    cr_assert_eq(a->opt.session, b->opt.session);
    cr_assert_eq(a->opt.http_status, b->opt.http_status);
    assert_str(a->opt.event_id, b->opt.event_id, "event_id");
    assert_str(a->opt.source, b->opt.source, "source");
    cr_assert_eq(a->opt.number, b->opt.number);
    cr_assert_eq(a->opt.epoch, b->opt.epoch);
    cr_assert_eq(a->opt.not_before, b->opt.not_before);
    cr_assert_eq(a->opt.published_at, b->opt.published_at);
    cr_assert_eq(a->opt.dedup, b->opt.dedup);
    cr_assert_eq(a->opt.duplicate, b->opt.duplicate);
    cr_assert_eq(a->opt.replayed, b->opt.replayed);
    cr_assert_eq(a->opt.generation, b->opt.generation);
    assert_str(a->opt.parent_id, b->opt.parent_id, "parent_id");
    assert_str(a->body, b->body, "body");
}

static void round_trip(const sut_envelope *env)
{
    sut_buf b;
    sut_envelope got;
    size_t used;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_envelope_encode(&b, env), 0);
    cr_assert_leq(b.len, sut_envelope_size_bound(env));
    cr_assert_eq(sut_envelope_decode(b.data, b.len, &got, &used), SUT_ENV_OK);
    cr_assert_eq(used, b.len);
    assert_same(&got, env);
    sut_buf_deinit(&b);
}

static sut_envelope full_event(sut_kind kind)
{
    return (sut_envelope){
        .version = SUT_PROTOCOL_VERSION,
        .kind = (uint8_t)kind,
        .id = 9,
        .subject = SUT_STR("user.registered"),
        .key = SUT_STR("42"),
        .principal = {.user_id = 42, .level = 1},
        .traceparent = SUT_STR(TRACE),
        .opt = {.attempt = 8,
                .sequence = UINT64_MAX,
                .event_id = SUT_STR("\0\1\2\3\4\5\6\7\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"),
                .source = SUT_STR("auth_db"),
                .number = UINT64_MAX,
                .epoch = UINT64_MAX,
                .not_before = INT64_MAX,
                .published_at = INT64_MAX,
                .dedup = SUT_DEDUP_SOURCE,
                .duplicate = 1,
                .replayed = 1,
                .generation = UINT32_MAX,
                .parent_id = SUT_STR("00f067aa0ba902b7")},
        .body = SUT_STR("\x81\xa2id\x2a"),
    };
}

Test(envelope, events_come_back)
{
    static const sut_kind kinds[] = {SUT_PUBLISH,  SUT_PUBLISHED, SUT_SUBSCRIBE, SUT_DELIVER,     SUT_ACK,    SUT_NACK,
                                     SUT_PROGRESS, SUT_TERM,      SUT_GAP,       SUT_UNSUBSCRIBE, SUT_MARKER, SUT_TAP};
    for (size_t i = 0; i < SUT_ARRAY_LEN(kinds); i++) {
        sut_envelope e = full_event(kinds[i]);
        round_trip(&e);
    }
}

static sut_envelope_fault fault_of_parent_id(sut_str id)
{
    sut_buf b;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_CALL, .id = 1, .subject = SUT_STR("user.get")};
    size_t used;
    env.opt.parent_id = SUT_STR("00f067aa0ba902b7");
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_envelope_encode(&b, &env), 0);
    b.len -= SUT_SPAN_ID_LEN + 1 + 2; /* the str's head, its bytes, an empty body */
    cr_assert_eq(sut_mp_add_str(&b, id), 0);
    cr_assert_eq(sut_mp_add_bin(&b, SUT_STR("")), 0);
    sut_envelope_fault fault = sut_envelope_decode(b.data, b.len, &env, &used);
    sut_buf_deinit(&b);
    return fault;
}

Test(envelope, a_parent_id_is_sixteen_hex_digits)
{
    static const char *const wrong[] = {
        "", "00f067aa0ba902b", "00f067aa0ba902b77", "00f067aa0ba902bg", "00F067AA0BA902B7", "0000000000000000"};
    sut_buf b;
    sut_buf_init(&b, 0);
    cr_assert_eq(fault_of_parent_id(SUT_STR("00f067aa0ba902b7")), SUT_ENV_OK);
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++) {
        cr_assert_eq(fault_of_parent_id(sut_str_from(wrong[i])), SUT_ENV_RANGE, "%s", wrong[i]);
        sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PING, .id = 1};
        env.opt.parent_id = sut_str_from(wrong[i]);
        if (i > 0) /* empty is none */
            cr_assert_eq(sut_envelope_encode(&b, &env), -EINVAL, "%s", wrong[i]);
    }
    sut_buf_deinit(&b);
}

Test(envelope, an_event_id_is_sixteen_bytes_of_bin)
{
    static const char *const options[] = {"\x81\x09\xc4\x02zz", "\x81\x09\xc4\x00"};
    static const char as_str[] = "\x81\x09\xb0"
                                 "0123456789abcdef";
    sut_envelope got;
    size_t used;
    for (size_t i = 0; i < 3; i++) {
        static const char head[] = "\x9a\x01\x14\x01\xa3"
                                   "a.b"
                                   "\xc0\x00\xc0\xc0";
        char bytes[64];
        size_t len = sizeof(head) - 1;
        memcpy(bytes, head, len);
        size_t n = i == 0 ? 6 : i == 1 ? 4 : sizeof(as_str) - 1;
        memcpy(bytes + len, i < 2 ? options[i] : as_str, n);
        memcpy(bytes + len + n, "\xc4\x00", 2);
        cr_expect_eq(sut_envelope_decode((const uint8_t *)bytes, len + n + 2, &got, &used),
                     i < 2 ? SUT_ENV_RANGE : SUT_ENV_TYPE, "case %zu", i);
    }
}

Test(envelope, full_comes_back)
{
    sut_envelope env = full_envelope();
    round_trip(&env);
}

Test(envelope, smallest_comes_back)
{
    sut_envelope env = {.version = 1, .kind = SUT_PING};
    round_trip(&env);
}

Test(envelope, absent_strings_stay_absent)
{
    sut_envelope env = {.version = 1, .kind = SUT_REPLY, .id = 9}, got;
    sut_buf b;
    size_t used;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_envelope_encode(&b, &env), 0);
    cr_assert_eq(sut_envelope_decode(b.data, b.len, &got, &used), SUT_ENV_OK);
    cr_assert_null(got.key.ptr);
    cr_assert_null(got.traceparent.ptr);
    cr_assert_null(got.principal.session.ptr);
    cr_assert_null(got.opt.idempotency_key.ptr);
    cr_assert_eq(b.len, 12, "the smallest reply is 12 bytes, not %zu", b.len);
    sut_buf_deinit(&b);
}

Test(envelope, every_number_width_comes_back)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        sut_envelope env = full_envelope();
        env.id = UINT64_C(1) << bits;
        env.opt.sequence = (UINT64_C(1) << bits) - 1;
        env.ttl_ms = bits < 32 ? (uint32_t)1 << bits : UINT32_MAX;
        round_trip(&env);
    }
}

Test(envelope, every_body_width_comes_back)
{
    static char bytes[70000];
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536, 70000};
    for (size_t i = 0; i < SUT_ARRAY_LEN(sizes); i++) {
        sut_envelope env = full_envelope();
        env.body = (sut_str){bytes, sizes[i]};
        round_trip(&env);
    }
}

Test(envelope, coalesced_stream_is_walked)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    for (uint64_t id = 1; id <= 100; id++) {
        sut_envelope env = full_envelope();
        env.id = id;
        cr_assert_eq(sut_envelope_encode(&b, &env), 0);
    }
    size_t at = 0;
    for (uint64_t id = 1; id <= 100; id++) {
        sut_envelope got;
        size_t used;
        cr_assert_eq(sut_envelope_decode(b.data + at, b.len - at, &got, &used), SUT_ENV_OK);
        cr_assert_eq(got.id, id);
        at += used;
    }
    cr_assert_eq(at, b.len);
    sut_buf_deinit(&b);
}

Test(envelope, truncated_at_every_byte_is_refused)
{
    sut_envelope env = full_envelope(), got;
    sut_buf b;
    size_t used;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_envelope_encode(&b, &env), 0);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read past the end */
        cr_assert_not_null(exact);
        memcpy(exact, b.data, len);
        cr_assert_eq(sut_envelope_decode(exact, len, &got, &used), SUT_ENV_TRUNCATED, "cut at %zu", len);
        cr_assert_eq(used, 0);
        free(exact);
    }
    sut_buf_deinit(&b);
}

/* Bytes of a small valid call, with one position replaced. */
typedef struct position_case {
    int position;
    const char *bytes;
    size_t len;
    sut_envelope_fault fault;
    const char *what;
} position_case;
#define CASE(pos, lit, fault, what)                                                                                    \
    {                                                                                                                  \
        (pos), (lit), sizeof(lit) - 1, (fault), (what)                                                                 \
    }

static const position_case s_positions[] = {
    CASE(0, "\x02", SUT_ENV_VERSION, "version 2"),
    CASE(0, "\x00", SUT_ENV_VERSION, "version 0"),
    CASE(0, "\xa1x", SUT_ENV_TYPE, "version a string"),
    CASE(1, "\x00", SUT_ENV_KIND, "kind 0"),
    CASE(1, "\x06", SUT_ENV_KIND, "kind 6"),
    CASE(1, "\x0f", SUT_ENV_KIND, "kind 15"),
    CASE(1, "\x1f", SUT_ENV_KIND, "kind 31"),
    CASE(1, "\x32", SUT_ENV_KIND, "stream_open, reserved"),
    CASE(1, "\xcc\xff", SUT_ENV_KIND, "kind 255"),
    CASE(1, "\xcd\x01\x0a", SUT_ENV_KIND, "kind 266 is not call"),
    CASE(1, "\xff", SUT_ENV_RANGE, "kind -1"),
    CASE(2, "\xff", SUT_ENV_RANGE, "id -1"),
    CASE(2, "\xcb\x3f\xf0\0\0\0\0\0\0", SUT_ENV_TYPE, "id a float"),
    CASE(2, "\xc0", SUT_ENV_TYPE, "id nil"),
    CASE(2, "\xd3\0\0\0\0\0\0\0\x05", SUT_ENV_OK, "id in a signed format"),
    CASE(3, "\xa0", SUT_ENV_SUBJECT, "call without a subject"),
    CASE(3, "\xc0", SUT_ENV_TYPE, "subject nil"),
    CASE(3, "\xa2.a", SUT_ENV_SUBJECT, "leading dot"),
    CASE(3,
         "\xa2"
         "a.",
         SUT_ENV_SUBJECT, "trailing dot"),
    CASE(3,
         "\xa4"
         "a..b",
         SUT_ENV_SUBJECT, "empty token"),
    CASE(3,
         "\xa1"
         "A",
         SUT_ENV_SUBJECT, "upper case"),
    CASE(3,
         "\xa3"
         "a b",
         SUT_ENV_SUBJECT, "blank"),
    CASE(3,
         "\xa3"
         "a.*",
         SUT_ENV_SUBJECT, "wildcard"),
    CASE(3,
         "\xa3"
         "a\0b",
         SUT_ENV_SUBJECT, "NUL"),
    CASE(3, "\xa2\xc3\xa9", SUT_ENV_SUBJECT, "not ASCII"),
    CASE(4, "\x01", SUT_ENV_TYPE, "key a number"),
    CASE(4, "\xa1\xff", SUT_ENV_UTF8, "key not UTF-8"),
    CASE(4, "\xa3\xed\xa0\x80", SUT_ENV_UTF8, "key a surrogate"),
    CASE(4, "\xa2\xc0\x80", SUT_ENV_UTF8, "key overlong"),
    CASE(5, "\xcf\0\0\0\1\0\0\0\0", SUT_ENV_RANGE, "ttl of 2^32"),
    CASE(5, "\xe0", SUT_ENV_RANGE, "ttl negative"),
    CASE(6, "\x90", SUT_ENV_BAD_COUNT, "principal empty"),
    CASE(6, "\x92\x01\x01", SUT_ENV_BAD_COUNT, "principal of two"),
    CASE(6, "\x80", SUT_ENV_TYPE, "principal a map"),
    CASE(6, "\x93\x00\x01\xc0", SUT_ENV_RANGE, "principal nobody"),
    CASE(6, "\x93\x01\x02\xc0", SUT_ENV_RANGE, "principal FRIEND"),
    CASE(6, "\x93\x01\x04\xc0", SUT_ENV_RANGE, "principal level 4"),
    CASE(6, "\x93\xcf\0\x20\0\0\0\0\0\0\x01\xc0", SUT_ENV_RANGE, "user id 2^53"),
    CASE(6, "\x93\x01\x01\x05", SUT_ENV_TYPE, "session a number"),
    CASE(7, "\xa0", SUT_ENV_TRACEPARENT, "traceparent empty"),
    CASE(7,
         "\xd9\x37"
         "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         SUT_ENV_TRACEPARENT, "traceparent version 01"),
    CASE(7,
         "\xd9\x37"
         "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         SUT_ENV_TRACEPARENT, "traceparent in upper case"),
    CASE(7,
         "\xd9\x37"
         "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
         SUT_ENV_TRACEPARENT, "trace id all zero"),
    CASE(7,
         "\xd9\x37"
         "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
         SUT_ENV_TRACEPARENT, "parent id all zero"),
    CASE(7,
         "\xd9\x37"
         "00-4bf92f3577b34da6a3ce929d0e0e4736x00f067aa0ba902b7-01",
         SUT_ENV_TRACEPARENT, "traceparent without its dash"),
    CASE(7,
         "\xd9\x37"
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
         SUT_ENV_TRACEPARENT, "traceparent flags not hex"),
    CASE(8, "\x90", SUT_ENV_TYPE, "options an array"),
    CASE(8, "\xc0", SUT_ENV_TYPE, "options nil"),
    CASE(8, "\x82\x03\x01\x03\x01", SUT_ENV_DUPLICATE_KEY, "option twice"),
    CASE(8, "\x82\x03\x01\xcc\x03\x01", SUT_ENV_DUPLICATE_KEY, "option twice in two formats"),
    CASE(8, "\x82\x63\xc0\x63\xc0", SUT_ENV_DUPLICATE_KEY, "unknown option twice"),
    CASE(8, "\x81\xa1x\x01", SUT_ENV_TYPE, "option with a string key"),
    CASE(8, "\x81\xff\x01", SUT_ENV_RANGE, "option with a negative key"),
    CASE(8, "\x81\x01\xa0", SUT_ENV_RANGE, "idempotency key empty"),
    CASE(8, "\x81\x01\x05", SUT_ENV_TYPE, "idempotency key a number"),
    CASE(8, "\x81\x03\xa1x", SUT_ENV_TYPE, "attempt a string"),
    CASE(8, "\x81\x03\xcf\0\0\0\1\0\0\0\0", SUT_ENV_RANGE, "attempt of 2^32"),
    CASE(8, "\x81\x63\x93\x01\x81\xa1k\xc0\xc4\x01\xff", SUT_ENV_OK, "unknown option with a nested value"),
    CASE(8, "\x81\x63\xd4\x01\x00", SUT_ENV_TYPE, "unknown option with an ext value"),
    CASE(8, "\x81\x63\xc1", SUT_ENV_TYPE, "unknown option with the byte that is never used"),
    CASE(9, "\xa0", SUT_ENV_TYPE, "body a string"),
    CASE(9, "\xc0", SUT_ENV_TYPE, "body nil"),
    CASE(9, "\x80", SUT_ENV_TYPE, "body a map"),
    CASE(9, "\xc6\xff\xff\xff\xff", SUT_ENV_TOO_LARGE, "body claims 4 GiB"),
    CASE(9, "\xc6\x00\x10\x00\x00", SUT_ENV_TOO_LARGE, "body claims 1 MiB, so the envelope is larger"),
    CASE(9, "\xc6\x00\x0f\x00\x00", SUT_ENV_TRUNCATED, "body claims more than is there"),
    CASE(9, "\xc4\x00", SUT_ENV_OK, "body empty"),
};

static size_t build_call(uint8_t *out, const position_case *c)
{
    static const sut_str valid[10] = {
        {"\x01", 1},
        {"\x0a", 1},
        {"\x05", 1},
        {"\xa3"
         "a.b",
         4},
        {"\xc0", 1},
        {"\x00", 1},
        {"\xc0", 1},
        {"\xc0", 1},
        {"\x80", 1},
        {"\xc4\x01\x80", 3},
    };
    size_t len = 0;
    out[len++] = 0x9a;
    for (int i = 0; i < 10; i++) {
        sut_str bytes = c && c->position == i ? (sut_str){c->bytes, c->len} : valid[i];
        memcpy(out + len, bytes.ptr, bytes.len);
        len += bytes.len;
    }
    return len;
}

Test(envelope, each_position_is_checked)
{
    uint8_t bytes[256];
    sut_envelope got;
    size_t used;
    size_t len = build_call(bytes, NULL);
    cr_assert_eq(sut_envelope_decode(bytes, len, &got, &used), SUT_ENV_OK);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_positions); i++) {
        const position_case *c = &s_positions[i];
        len = build_call(bytes, c);
        sut_envelope_fault fault = sut_envelope_decode(bytes, len, &got, &used);
        cr_expect_eq(fault, c->fault, "%s: got \"%s\", want \"%s\"", c->what, sut_envelope_fault_text(fault),
                     sut_envelope_fault_text(c->fault));
        cr_expect_eq(used, c->fault ? 0 : len, "%s", c->what);
    }
}

static sut_envelope_fault decode_literal(const char *bytes, size_t len)
{
    sut_envelope got;
    size_t used;
    return sut_envelope_decode((const uint8_t *)bytes, len, &got, &used);
}

Test(envelope, shape_is_checked)
{
    cr_assert_eq(decode_literal("", 0), SUT_ENV_TRUNCATED);
    cr_assert_eq(decode_literal("\x80", 1), SUT_ENV_NOT_ARRAY);
    cr_assert_eq(decode_literal("GET / HTTP/1.1\r\n", 16), SUT_ENV_NOT_ARRAY);
    cr_assert_eq(decode_literal("\x90", 1), SUT_ENV_BAD_COUNT);
    cr_assert_eq(decode_literal("\x99\x01\x0a\x01\xa1\x61\xc0\x00\xc0\xc0\x80", 11), SUT_ENV_BAD_COUNT);
    cr_assert_eq(decode_literal("\x9b\x01\x0a\x01\xa1\x61\xc0\x00\xc0\xc0\x80\xc4\x00", 13), SUT_ENV_BAD_COUNT);
    cr_assert_eq(decode_literal("\x9b\x02\x0a\x01\xa1\x61\xc0\x00\xc0\xc0\x80\xc4\x00", 13), SUT_ENV_VERSION,
                 "another version may have another count");
    cr_assert_eq(decode_literal("\xdd\xff\xff\xff\xff", 5), SUT_ENV_TRUNCATED);
    cr_assert_eq(decode_literal("\xc7\x0a\x01", 3), SUT_ENV_TYPE);
}

Test(envelope, nested_headers_cost_nothing)
{
    uint8_t bytes[155];
    memset(bytes, 0x9f, sizeof bytes);
    cr_assert_eq(decode_literal((char *)bytes, sizeof bytes), SUT_ENV_TYPE);
    /* and as the value of an unknown option */
    uint8_t call[256];
    char option[202] = "\x81\x63";
    memset(option + 2, (char)0x91, 200);
    position_case c = {8, option, sizeof option, SUT_ENV_DEPTH, ""};
    cr_assert_eq(decode_literal((char *)call, build_call(call, &c)), SUT_ENV_DEPTH);
}

Test(envelope, limits_are_exact)
{
    char text[300];
    memset(text, 'a', sizeof text);
    sut_envelope env = full_envelope();
    env.subject = (sut_str){text, SUT_SUBJECT_MAX};
    env.key = (sut_str){text, SUT_KEY_MAX};
    env.principal.session = (sut_str){text, 128};
    env.opt.idempotency_key = (sut_str){text, SUT_IDEMPOTENCY_KEY_MAX};
    env.opt.instance = (sut_str){text, SUT_KEY_MAX};
    round_trip(&env);

    sut_buf b;
    sut_buf_init(&b, 0);
    sut_str *fields[] = {&env.subject, &env.key, &env.principal.session, &env.opt.idempotency_key, &env.opt.instance};
    for (size_t i = 0; i < SUT_ARRAY_LEN(fields); i++) {
        fields[i]->len++;
        cr_expect_eq(sut_envelope_encode(&b, &env), -EINVAL, "field %zu one byte too long", i);
        fields[i]->len--;
    }
    cr_assert_eq(b.len, 0);
    sut_buf_deinit(&b);
}

Test(envelope, decoder_refuses_one_byte_too_long)
{
    char key[SUT_KEY_MAX + 1 + 3] = "\xda\x01\x01";
    memset(key + 3, 'k', SUT_KEY_MAX + 1);
    char subject[SUT_SUBJECT_MAX + 1 + 2] = "\xd9\x81";
    memset(subject + 2, 's', SUT_SUBJECT_MAX + 1);
    uint8_t call[1024];
    position_case long_key = {4, key, sizeof key, SUT_ENV_RANGE, ""};
    cr_assert_eq(decode_literal((char *)call, build_call(call, &long_key)), SUT_ENV_RANGE);
    position_case long_subject = {3, subject, sizeof subject, SUT_ENV_SUBJECT, ""};
    cr_assert_eq(decode_literal((char *)call, build_call(call, &long_subject)), SUT_ENV_SUBJECT);
    uint8_t many[3 + 17 * 2] = {0xde, 0, 17};
    for (int i = 0; i < 17; i++)
        many[3 + 2 * i] = (uint8_t)(20 + i);
    position_case many_options = {8, (char *)many, sizeof many, SUT_ENV_RANGE, ""};
    cr_assert_eq(decode_literal((char *)call, build_call(call, &many_options)), SUT_ENV_RANGE);
    many[2] = 16;
    position_case most_options = {8, (char *)many, sizeof many - 2, SUT_ENV_OK, ""};
    cr_assert_eq(decode_literal((char *)call, build_call(call, &most_options)), SUT_ENV_OK);
}

Test(envelope, largest_envelope_fits_exactly)
{
    sut_envelope env = {.version = 1, .kind = SUT_CALL, .id = 1, .subject = SUT_STR("a.b")}, got;
    char *bytes = calloc(1, SUT_ENVELOPE_MAX);
    sut_buf b;
    size_t used;
    cr_assert_not_null(bytes);
    sut_buf_init(&b, SUT_ENVELOPE_MAX);
    size_t head = 1 + 1 + 1 + 1 + 4 + 1 + 1 + 1 + 1 + 1 + 5;
    env.body = (sut_str){bytes, SUT_ENVELOPE_MAX - head + 1};
    cr_assert_eq(sut_envelope_encode(&b, &env), -EMSGSIZE);
    cr_assert_eq(b.len, 0);
    env.body.len--;
    cr_assert_eq(sut_envelope_encode(&b, &env), 0);
    cr_assert_eq(b.len, SUT_ENVELOPE_MAX);
    cr_assert_eq(sut_envelope_decode(b.data, b.len, &got, &used), SUT_ENV_OK);
    cr_assert_eq(got.body.len, env.body.len);
    /* one byte more, written by hand since the encoder refuses it */
    uint8_t *larger = malloc(b.len + 1);
    cr_assert_not_null(larger);
    memcpy(larger, b.data, b.len);
    larger[b.len] = 0;
    larger[head - 1]++;
    cr_assert_eq(sut_envelope_decode(larger, b.len + 1, &got, &used), SUT_ENV_TOO_LARGE);
    free(larger);
    sut_buf_deinit(&b);
    free(bytes);
}

Test(envelope, buffer_limit_is_kept)
{
    sut_envelope env = full_envelope();
    sut_buf measure, b;
    sut_buf_init(&measure, 0);
    cr_assert_eq(sut_envelope_encode(&measure, &env), 0);
    sut_buf_init(&b, measure.len);
    cr_assert_eq(sut_envelope_encode(&b, &env), 0, "an envelope that fits exactly is taken");
    cr_assert_eq(sut_envelope_encode(&b, &env), -EMSGSIZE);
    cr_assert_eq(b.len, measure.len);
    cr_assert_eq(memcmp(b.data, measure.data, b.len), 0);
    sut_buf_deinit(&b);
    sut_buf_deinit(&measure);
}

Test(envelope, encoder_refuses_what_the_decoder_would)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    sut_envelope bad[11];
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        bad[i] = full_envelope();
    bad[0].kind = 0;
    bad[1].kind = SUT_STREAM_OPEN;
    bad[2].subject = SUT_STR("User.get");
    bad[3].subject = SUT_STR_NONE;
    bad[4].traceparent = SUT_STR("00-x");
    bad[5].principal.level = 2;
    bad[6].principal.user_id = -1;
    bad[7].key = SUT_STR("\xff");
    bad[8].principal.user_id = INT64_C(1) << 53;
    bad[9].opt.event_id = SUT_STR("too short");
    bad[10].opt.not_before = -1;
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_expect_eq(sut_envelope_encode(&b, &bad[i]), -EINVAL, "case %zu", i);
    cr_assert_eq(b.len, 0);
    sut_buf_deinit(&b);
}

Test(envelope, random_bytes_and_flipped_bits_are_survived)
{
    uint64_t seed = 42;
    sut_envelope env = full_envelope(), got, again;
    sut_buf good, b;
    size_t used;
    sut_buf_init(&good, 0);
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_envelope_encode(&good, &env), 0);
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[200];
        size_t len = good.len < sizeof bytes ? good.len : sizeof bytes;
        memcpy(bytes, good.data, len);
        for (unsigned flips = 1 + (unsigned)(sut_prng(&seed) % 4); flips > 0; flips--)
            bytes[sut_prng(&seed) % len] = (uint8_t)sut_prng(&seed);
        if (sut_envelope_decode(bytes, len, &got, &used))
            continue;
        cr_assert_leq(used, len);
        sut_buf_reset(&b);
        cr_assert_eq(sut_envelope_encode(&b, &got), 0, "what is decoded can be encoded");
        cr_assert_eq(sut_envelope_decode(b.data, b.len, &again, &used), SUT_ENV_OK);
        assert_same(&again, &got);
    }
    sut_buf_deinit(&b);
    sut_buf_deinit(&good);
}

Test(envelope, every_fault_has_words)
{
    for (int f = SUT_ENV_OK; f <= SUT_ENV_TRACEPARENT; f++)
        cr_assert_not_null(sut_envelope_fault_text((sut_envelope_fault)f));
    cr_assert_str_eq(sut_envelope_fault_text((sut_envelope_fault)99), "has an unknown fault");
}
