/* Taps: a request is read or refused with words, whatever it holds; and the record of a sight, whose body and strings
 * are anything, is one clean envelope that never shows a secret, nor a personal field without leave. The first byte
 * chooses. */
#include "fuzz.h"
#include "record.h"
#include "tap/tap.h"

#define CANARY "canary-7391"

static void check_request(sut_str body)
{
    FUZZ_ARENA(a);
    sut_tap_request r;
    char error[64] = "";
    if (!sut_tap_request_read(body, a, &r, error, sizeof error)) {
        MUST(error[0] && memchr(error, 0, sizeof error));
        return;
    }
    MUST(r.kinds && r.subject_count <= SUT_TAP_PATTERNS && r.user_id >= 0 && !(r.personal && r.reason.len == 0));
    MUST(!r.trace.ptr || r.trace.len == 32);
    for (size_t i = 0; i < r.subject_count; i++)
        (void)sut_subject_match(r.subjects[i], SUT_STR("auth.login"));
}

/* The one envelope that `out` must hold. */
static sut_envelope only_envelope(const sut_buf *out)
{
    sut_envelope env;
    size_t used;
    MUST(sut_envelope_decode(out->data, out->len, &env, &used) == SUT_ENV_OK && used == out->len);
    MUST(env.kind == SUT_TAP && env.id == 7 && sut_body_scan(env.body) == SUT_ENV_OK);
    return env;
}

static sut_sight sight_of(unsigned choice, sut_str body)
{
    static const char *const subjects[] = {"auth.login",  "user.profile_update", "probe.sent",    "auth.sessions_list",
                                           "other.thing", "user.updated",        "broker.status", "auth.register"};
    static const sut_sight_kind kinds[] = {SUT_SIGHT_CALL, SUT_SIGHT_REPLY, SUT_SIGHT_ERROR, SUT_SIGHT_EVENT};
    return (sut_sight){.kind = kinds[choice >> 3 & 3],
                       .at_us = 1,
                       .from = SUT_STR("edge"),
                       .to = SUT_STR("auth"),
                       .subject = sut_str_from(subjects[choice & 7]),
                       .call = 3,
                       .code = choice & 32 ? body : SUT_STR("internal"),
                       .body = body};
}

static void record_of(const sut_sight *s, bool personal, sut_buf *out)
{
    tap_ring ring;
    tap_scratch scratch;
    tap_taken taken;
    size_t len;
    MUST(tap_ring_init(&ring, 1 << 18) == 0 && tap_scratch_init(&scratch) == 0);
    MUST(tap_pack(&ring, s, tap_pack_size(s), 5));
    const void *packed = tap_ring_peek(&ring, &len);
    tap_unpack(packed, len, &taken);
    MUST(taken.lost == 5 && sut_str_eq(taken.sight.subject, s->subject));
    MUST(tap_record_append(&scratch, &taken, 7, personal, out) == 0);
    tap_scratch_deinit(&scratch);
    tap_ring_deinit(&ring);
}

static void check_record(unsigned choice, sut_str body)
{
    FUZZ_BUF(out);
    const sut_sight s = sight_of(choice, body);
    record_of(&s, choice & 64, &out);
    const sut_envelope env = only_envelope(&out);
    MUST(sut_str_eq(env.subject, s.subject));
}

/* The body with a secret and a personal field of our own in front. */
static void check_canary(bool personal, sut_str body)
{
    FUZZ_BUF(with);
    FUZZ_BUF(out);
    sut_mp_in in = sut_mp_in_of(body);
    sut_mp_item map;
    const size_t len = sizeof CANARY - 1;
    if (memmem(body.ptr, body.len, CANARY, len) || sut_mp_next(&in, &map) || map.type != SUT_MP_MAP)
        return;
    MUST(sut_mp_add_map(&with, map.v.count + 2) == 0);
    MUST(sut_mp_add_str(&with, SUT_STR("password")) == 0 && sut_mp_add_str(&with, SUT_STR(CANARY)) == 0);
    MUST(sut_mp_add_str(&with, SUT_STR("email")) == 0 && sut_mp_add_str(&with, SUT_STR(CANARY "@b.co")) == 0);
    MUST(sut_buf_append(&with, in.at, (size_t)(in.end - in.at)) == 0);
    const sut_sight s = sight_of(0, fuzz_str(&with)); /* a call of auth.login */
    record_of(&s, personal, &out);
    (void)only_envelope(&out);
    const uint8_t *found = memmem(out.data, out.len, CANARY, len);
    MUST(!found || (personal && memcmp(found + len, "@b.co", 5) == 0));
    MUST(!found || !memmem(found + len, out.len - (size_t)(found + len - out.data), CANARY, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 60000)
        return 0;
    const sut_str body = {(const char *)data + 1, size - 1};
    if (data[0] & 128) {
        check_request(body);
        return 0;
    }
    check_record(data[0], body);
    check_canary(data[0] & 64, body);
    return 0;
}
