/* What is shown: by schema, secrets never, personal fields on demand, and nothing that is not certainly showable. */
#include "bench_test.h"

#include "wire/msgpack.h"

#define SECRET "canary-7391"

static sut_buf s_body;

static void record_setup(void)
{
    bench_setup();
    sut_buf_init(&s_body, 0);
}

static void record_teardown(void)
{
    bench_teardown();
    sut_buf_deinit(&s_body);
}

TestSuite(record, .init = record_setup, .fini = record_teardown, .timeout = 30);

/* A map of the texts: name, value, name, value …, NULL. */
static sut_str body_of(const char *const *texts)
{
    size_t count = 0;
    while (texts[count])
        count++;
    sut_buf_reset(&s_body);
    cr_assert_eq(sut_mp_add_map(&s_body, count / 2), 0);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(sut_mp_add_str(&s_body, sut_str_from(texts[i])), 0);
    return (sut_str){(const char *)s_body.data, s_body.len};
}
#define BODY(...) body_of((const char *const[]){__VA_ARGS__, NULL})

static const got *shown(const sut_sight *s, bool personal)
{
    sut_tap_request r = everything();
    uint64_t lost;
    r.personal = personal;
    must_attach(1, 9, &r);
    pass(s);
    const got *g = must_get();
    cr_assert(sut_tap_hub_detach(t.hub, 1, 9, &lost));
    cr_assert_eq(g->kind, SUT_TAP);
    cr_assert_eq(g->id, 9);
    cr_assert_not(says(g, SECRET), "%s", g->json);
    cr_assert_not(says(g, "session-canary"));
    return g;
}

Test(record, a_call_with_its_headers_and_its_body_by_schema)
{
    sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", BODY("email", "ada@example.org", "password", SECRET));
    const got *g = shown(&s, false);
    cr_assert_str_eq(g->subject, "auth.login");
    cr_assert_str_eq(g->key, "k");
    cr_assert_eq(g->user_id, 42);
    cr_assert(says(g, "\"kind\":\"call\",\"from\":\"edge\",\"to\":\"auth\",\"subject\":\"auth.login\""), "%s", g->json);
    cr_assert(says(g, "\"id\":7,\"body\":{\"email\":\"<redacted>\",\"password\":\"<redacted>\"},\"lost\":0"), "%s",
              g->json);
    cr_assert_not(says(g, "withheld"));
    cr_assert_not(says(g, "took_us"));
}

Test(record, personal_fields_on_demand_and_secrets_never)
{
    sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", BODY("email", "ada@example.org", "password", SECRET));
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"email\":\"ada@example.org\",\"password\":\"<redacted>\""), "%s", g->json);
}

Test(record, a_reply_is_shown_by_what_its_method_gives)
{
    sut_sight s = sight(SUT_SIGHT_REPLY, "auth.login", BODY("access_token", SECRET, "token_type", "Bearer"));
    s.took_us = 1234;
    s.attempt = 2;
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"kind\":\"reply\""));
    cr_assert(says(g, "\"attempt\":2,\"took_us\":1234"));
    cr_assert(says(g, "\"access_token\":\"<redacted>\",\"token_type\":\"Bearer\""), "%s", g->json);
}

Test(record, what_no_schema_declares_is_withheld)
{
    sut_sight field = sight(SUT_SIGHT_CALL, "auth.login", BODY("email", "ada@example.org", "hidden", SECRET));
    const got *g = shown(&field, true);
    cr_assert(says(g, "\"body\":{\"email\":\"ada@example.org\"},\"withheld\":true"), "%s", g->json);
    sut_sight method = sight(SUT_SIGHT_CALL, "other.thing", BODY("text", SECRET));
    g = shown(&method, true);
    cr_assert(says(g, "\"withheld\":true"));
    cr_assert_not(says(g, "\"body\""), "%s", g->json);
    sut_sight event = sight(SUT_SIGHT_EVENT, "other.happened", BODY("text", SECRET));
    event.key = SUT_STR(SECRET);
    g = shown(&event, true);
    cr_assert(says(g, "\"withheld\":true"));
    cr_assert_str_eq(g->key, "<redacted>");
}

Test(record, what_cannot_be_decoded_is_withheld)
{
    sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", SUT_STR("\x82\xa8password\xab" SECRET));
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"withheld\":true"));
    cr_assert_not(says(g, "\"body\""), "%s", g->json);
    sut_sight twice = sight(SUT_SIGHT_CALL, "auth.login", BODY("email", SECRET, "email", "b"));
    g = shown(&twice, false);
    cr_assert(says(g, "\"withheld\":true"));
}

Test(record, a_value_of_another_type_than_declared_is_redacted)
{
    sut_sight s = sight(SUT_SIGHT_EVENT, "probe.sent", BODY("lane", "a", "n", SECRET));
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"body\":{\"lane\":\"a\",\"n\":\"<redacted>\"}"), "%s", g->json);
}

static sut_str error_body(const char *code, const char *message)
{
    const sut_field_error field = {SUT_STR("/" SECRET), SUT_STR("range"), SUT_STR(SECRET)};
    const sut_error_body e = {.code = sut_str_from(code),
                              .message = sut_str_from(message),
                              .http_status = 422,
                              .retry_after_ms = 5,
                              .errors = &field,
                              .error_count = 1};
    sut_buf_reset(&s_body);
    cr_assert_eq(sut_error_body_encode(&s_body, &e), 0);
    return (sut_str){(const char *)s_body.data, s_body.len};
}

Test(record, of_an_error_its_code_and_numbers_but_not_its_words)
{
    sut_sight s = sight(SUT_SIGHT_ERROR, "auth.login", error_body("validation_failed", SECRET));
    s.code = SUT_STR("validation_failed");
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"code\":\"validation_failed\",\"body\":{\"code\":\"validation_failed\",\"http_status\":422,"
                      "\"retry_after_ms\":5},\"withheld\":true"),
              "%s", g->json);
}

Test(record, a_code_that_nobody_declared_is_free_text)
{
    sut_sight s = sight(SUT_SIGHT_ERROR, "auth.login", error_body(SECRET, "no"));
    s.code = SUT_STR(SECRET);
    const got *g = shown(&s, true);
    cr_assert_not(says(g, "\"code\""), "%s", g->json);
    cr_assert(says(g, "\"withheld\":true"));
}

Test(record, an_event_with_its_identity)
{
    sut_sight s = sight(SUT_SIGHT_EVENT, "probe.sent", BODY("lane", "a", "note", "about somebody"));
    s.sequence = 12;
    s.at_us = 1700000000000000;
    s.replayed = true;
    memcpy(s.event_id, "0123456789abcdef", SUT_EVENT_ID_LEN);
    const got *g = shown(&s, false);
    cr_assert(says(g, "{\"at\":1700000000000000,\"kind\":\"event\",\"from\":\"edge\",\"subject\":\"probe.sent\","),
              "%s", g->json);
    cr_assert(says(g, "\"sequence\":12,\"event_id\":\"30313233343536373839616263646566\",\"replayed\":true,"
                      "\"body\":{\"lane\":\"a\",\"note\":\"<redacted>\"},\"lost\":0}"),
              "%s", g->json);
    cr_assert_str_eq(g->key, "k");
    s.body = BODY("lane", "a", "note", "about somebody");
    cr_assert(says(shown(&s, true), "\"note\":\"about somebody\""));
}

Test(record, a_body_too_large_to_be_copied_is_withheld)
{
    static char large[TAP_BODY_MAX + 1];
    memset(large, SECRET[0], sizeof large);
    sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", (sut_str){large, sizeof large});
    const got *g = shown(&s, true);
    cr_assert(says(g, "\"bytes\":65537,"), "%s", g->json);
    cr_assert(says(g, "\"withheld\":true"));
}

Test(record, an_empty_body_is_an_empty_map)
{
    sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", SUT_STR_NONE);
    cr_assert(says(shown(&s, false), "\"bytes\":0,\"id\":7,\"body\":{},\"lost\":0"));
}
