/* broker.*: what the daemon says of itself. */
#include "peer.h"

#include "wire/record.h"

#include <criterion/criterion.h>

TestSuite(status, .timeout = 60);

static json_t *ask(bus *b, const char *subject)
{
    peer p;
    sut_envelope env;
    sut_buf text;
    json_t *root;

    peer_join(&p, b, "operator", NULL, 0);
    peer_call(&p, subject, 5000, SUT_STR_NONE);
    peer_expect(&p, SUT_REPLY, &env);
    cr_assert_eq(sut_body_scan(env.body), SUT_ENV_OK);
    sut_buf_init(&text, 0);
    cr_assert_eq(sut_msgpack_to_json(env.body, &text), 0);
    root = json_loadb((const char *)text.data, text.len, 0, NULL);
    cr_assert_not_null(root);
    sut_buf_deinit(&text);
    peer_close(&p);
    return root;
}

static json_t *named(json_t *list, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return item;
    }
    return NULL;
}

static long long number(json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    cr_assert(json_is_integer(v), "%s is missing", key);
    return json_integer_value(v);
}

Test(status, ping_answers)
{
    bus b;
    json_t *root;

    bus_make(&b);
    bus_start(&b);
    root = ask(&b, "broker.ping");
    cr_assert_str_eq(json_string_value(json_object_get(root, "version")), SUT_VERSION);
    json_decref(root);
    bus_free(&b);
}

Test(status, services_and_peers_are_as_they_are)
{
    bus b;
    peer actor, caller;
    json_t *root, *service, *session;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 7);
    peer_join(&caller, &b, "edge", NULL, 0);
    for (int i = 0; i < 5; i++)
        peer_round_trip(&caller, &actor, "echo.say");
    peer_call(&caller, "echo.say", 5000, SUT_STR_NONE); /* one in flight */
    peer_expect(&actor, SUT_CALL, &env);
    root = ask(&b, "broker.status");
    service = named(json_object_get(root, "services"), "echo");
    cr_assert_not_null(service);
    cr_assert_eq(number(service, "instances"), 1);
    cr_assert_eq(number(service, "credits_free"), 6);
    cr_assert_eq(number(service, "in_flight"), 1);
    cr_assert_eq(number(service, "queued"), 0);
    cr_assert_gt(number(service, "p50_us"), 0);
    cr_assert_geq(number(service, "p99_us"), number(service, "p50_us"));
    session = named(json_object_get(root, "sessions"), "edge");
    cr_assert_str_eq(json_string_value(json_object_get(session, "role")), "edge");
    cr_assert_str_eq(json_string_value(json_object_get(session, "state")), "ready");
    cr_assert_eq(number(session, "calls_pending"), 1);
    cr_assert_eq(number(named(json_object_get(root, "sessions"), "echo"), "calls_in_hand"), 1);
    cr_assert_gt(number(json_object_get(root, "memory"), "resident_bytes"), 0);
    cr_assert_gt(number(json_object_get(root, "memory"), "core_bytes"), 0);
    json_decref(root);
    root = ask(&b, "broker.services");
    cr_assert_not_null(named(json_object_get(root, "services"), "echo"));
    json_decref(root);
    root = ask(&b, "broker.peers");
    cr_assert_not_null(named(json_object_get(root, "sessions"), "operator"));
    json_decref(root);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

Test(status, methods_are_those_of_the_schemas)
{
    bus b;
    json_t *root, *login;

    bus_make(&b);
    bus_start(&b);
    root = ask(&b, "broker.methods");
    login = named(json_object_get(root, "methods"), "auth.login");
    cr_assert_not_null(login);
    cr_assert_str_eq(json_string_value(json_object_get(login, "service")), "auth");
    cr_assert_gt(number(login, "timeout_ms"), 0);
    cr_assert_not_null(named(json_object_get(root, "control"), "broker.status"));
    json_decref(root);
    bus_free(&b);
}

Test(status, an_unknown_control_method_is_said_to_be_one)
{
    bus b;
    peer p;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&p, &b, "operator", NULL, 0);
    peer_call(&p, "broker.explode", 1000, SUT_STR_NONE);
    peer_expect(&p, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "no_such_method");
    peer_close(&p);
    bus_free(&b);
}

/* Many at once wait their turn or are turned away; all are answered. */
Test(status, a_flood_of_control_calls_is_bounded)
{
    bus b;
    peer p;
    sut_envelope env;
    int replies = 0, overloaded = 0;

    bus_make(&b);
    bus_start(&b);
    peer_join(&p, &b, "operator", NULL, 0);
    for (int i = 0; i < 3000; i++)
        peer_call(&p, "broker.ping", 20000, SUT_STR_NONE);
    while (replies + overloaded < 3000) {
        cr_assert(peer_receive(&p, &env, 10000));
        if (env.kind == SUT_REPLY) {
            replies++;
        } else {
            cr_assert_str_eq(peer_error_code(&env), "overloaded");
            overloaded++;
        }
    }
    cr_assert_gt(replies, 0);
    peer_close(&p);
    bus_free(&b);
}
