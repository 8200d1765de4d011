/* Who may connect and what they may do: PLAIN over ipc, and the access list on every envelope. */
#include "peer.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

TestSuite(access, .timeout = 60);

static void expect_refused(bus *b, const peer_options *o)
{
    peer p;

    peer_open(&p, b, o);
    peer_wait_end(&p);
    peer_close(&p);
}

/* The broker serves others: what every case ends with. */
static void expect_service(bus *b)
{
    peer caller, actor;

    peer_join(&actor, b, "echo", "echo", 10);
    peer_join(&caller, b, "edge", NULL, 0);
    peer_round_trip(&caller, &actor, "echo.say");
    peer_close(&caller);
    peer_close(&actor);
}

Test(access, a_peer_without_a_key_is_refused)
{
    bus b;

    bus_make(&b);
    bus_start(&b);
    expect_refused(&b, &(peer_options){.name = NULL});
    bus_wait_number(&b, "counters.handshakes_failed", 1);
    expect_service(&b);
    bus_free(&b);
}

Test(access, a_wrong_secret_is_refused_logged_and_counted_but_not_shown)
{
    bus b;

    bus_make(&b);
    bus_start(&b);
    expect_refused(&b, &(peer_options){.name = "edge", .password = "canary-wrong-password"});
    bus_wait_number(&b, "refused.wrong_secret", 1);
    cr_assert(bus_logged(&b, "reason=wrong_secret peer=edge"));
    cr_assert_not(bus_logged(&b, "canary"));
    expect_service(&b);
    bus_free(&b);
}

Test(access, an_unknown_name_is_refused)
{
    bus b;

    bus_make(&b);
    bus_start(&b);
    expect_refused(&b, &(peer_options){.name = "stranger", .password = "x"});
    expect_refused(&b, &(peer_options){.name = "../keys/edge", .password = "x"});
    bus_wait_number(&b, "refused.unknown_peer", 2);
    expect_service(&b);
    bus_free(&b);
}

Test(access, a_secret_that_others_can_read_is_not_used)
{
    char path[128];
    bus b;

    bus_make(&b);
    bus_start(&b);
    snprintf(path, sizeof path, "%s/keys/tool.secret", b.dir);
    cr_assert_eq(chmod(path, 0644), 0);
    expect_refused(&b, &(peer_options){.name = "tool"});
    bus_wait_number(&b, "refused.no_secret_file", 1);
    bus_free(&b);
}

Test(access, a_new_key_works_at_once_and_without_a_restart)
{
    bus b;
    peer p;

    bus_make(&b);
    bus_start(&b);
    cr_assert_eq(bus_key(&b, "new", "fresh", "--role", "tool", NULL), 0);
    peer_join(&p, &b, "fresh", NULL, 0); /* the first attempt */
    peer_close(&p);
    cr_assert_gt(kill(b.pid, 0), -1);
    bus_free(&b);
}

Test(access, revoking_cuts_a_living_peer_off_at_once)
{
    bus b;
    peer actor, caller;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_call(&caller, "echo.say", 30000, SUT_STR_NONE);
    peer_expect(&actor, SUT_CALL, &env);

    cr_assert_eq(bus_key(&b, "revoke", "echo", NULL), 0);
    peer_wait_end(&actor);
    peer_expect(&caller, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "outcome_unknown");
    expect_refused(&b, &(peer_options){.name = "echo", .password = "any"});
    bus_wait_number(&b, "dropped.revoked", 1);
    peer_close(&actor);
    peer_close(&caller);
    bus_free(&b);
}

Test(access, a_revoked_peer_that_has_not_spoken_yet_is_not_let_in)
{
    bus b;
    peer p;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&p, &b, "tool", NULL, 0);
    peer_close(&p);
    peer_open(&p, &b, &(peer_options){.name = "tool"});
    bus_wait_number(&b, "counters.connections_granted", 3); /* tool twice, and the operator who asks */
    cr_assert_eq(bus_key(&b, "revoke", "tool", NULL), 0);
    peer_hello(&p, "tool", NULL, 0);
    cr_assert(!peer_receive(&p, &env, 500) || env.kind == SUT_ERROR_REPLY);
    peer_wait_end(&p);
    peer_close(&p);
    bus_free(&b);
}

Test(access, a_broken_list_is_logged_and_the_old_one_stays)
{
    char path[128], *good;
    FILE *f;
    bus b;

    bus_make(&b);
    bus_start(&b);
    good = bus_read(&b, "acl");
    snprintf(path, sizeof path, "%s/acl", b.dir);
    f = fopen(path, "w");
    fputs("edge role=emperor\n", f);
    fclose(f);
    WAIT_UNTIL(bus_logged(&b, "event=acl.unreadable"));
    expect_service(&b);
    cr_assert_geq(bus_number(&b, "counters.acl_reload_failures"), 1);
    f = fopen(path, "w");
    fputs(good, f);
    fclose(f);
    free(good);
    WAIT_UNTIL(bus_logged(&b, "event=acl.loaded"));
    bus_free(&b);
}

static void expect_error(peer *p, const char *code)
{
    sut_envelope env;

    peer_expect(p, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), code);
}

Test(access, a_tool_may_not_set_a_principal)
{
    bus b;
    peer tool, actor;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_CALL,
                        .id = 1,
                        .subject = SUT_STR("echo.say"),
                        .ttl_ms = 1000,
                        .principal = {.user_id = 42, .level = 3}};

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&tool, &b, "tool", NULL, 0);
    peer_send(&tool, &env);
    expect_error(&tool, "forbidden");
    cr_assert_not(peer_receive(&actor, &env, 50));
    bus_wait_number(&b, "refused.principal", 1);
    cr_assert(bus_logged(&b, "what=principal peer=tool"));
    peer_round_trip(&tool, &actor, "echo.say");
    peer_close(&tool);
    peer_close(&actor);
    bus_free(&b);
}

Test(access, an_edge_may_set_a_principal)
{
    bus b;
    peer edge, actor;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_CALL,
                        .id = 1,
                        .subject = SUT_STR("echo.say"),
                        .ttl_ms = 1000,
                        .principal = {.user_id = 42, .level = 3}};

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&edge, &b, "edge", NULL, 0);
    peer_send(&edge, &env);
    peer_expect(&actor, SUT_CALL, &env);
    cr_assert_eq(env.principal.user_id, 42);
    peer_close(&edge);
    peer_close(&actor);
    bus_free(&b);
}

Test(access, a_tool_may_not_serve)
{
    bus b;
    peer tool;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_open(&tool, &b, &(peer_options){.name = "tool"});
    peer_hello(&tool, "tool", "echo", 10);
    peer_expect(&tool, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "forbidden");
    bus_wait_number(&b, "refused.hello", 1);
    cr_assert(bus_logged(&b, "what=hello peer=tool"));
    cr_assert_eq(bus_number(&b, "services_total"), 0);
    peer_close(&tool);
    bus_free(&b);
}

Test(access, an_actor_serves_nothing_but_its_own)
{
    bus b;
    peer actor;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_open(&actor, &b, &(peer_options){.name = "echo"});
    peer_hello(&actor, "echo", "auth", 10);
    peer_expect(&actor, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "forbidden");
    peer_close(&actor);
    bus_free(&b);
}

Test(access, only_operators_call_the_broker)
{
    static const char *const names[] = {"tool", "edge", "echo"};
    bus b;
    peer p;

    bus_make(&b);
    bus_start(&b);
    for (size_t i = 0; i < SUT_ARRAY_LEN(names); i++) {
        peer_join(&p, &b, names[i], NULL, 0);
        peer_call(&p, "broker.status", 1000, SUT_STR_NONE);
        expect_error(&p, "forbidden");
        peer_close(&p);
    }
    bus_wait_number(&b, "refused.call", 3);
    cr_assert(bus_logged(&b, "what=call peer=tool"));
    bus_free(&b);
}

Test(access, rights_on_the_command_line_hold)
{
    bus b;
    peer p;

    bus_make(&b);
    bus_start(&b);
    cr_assert_eq(bus_key(&b, "new", "narrow", "--role", "tool", "--call", "echo.look,broker.ping", NULL), 0);
    peer_join(&p, &b, "narrow", NULL, 0);
    peer_call(&p, "echo.say", 1000, SUT_STR_NONE);
    expect_error(&p, "forbidden");
    peer_call(&p, "broker.status", 1000, SUT_STR_NONE);
    expect_error(&p, "forbidden");
    peer_call(&p, "broker.ping", 1000, SUT_STR_NONE);
    peer_expect(&p, SUT_REPLY, &(sut_envelope){0});
    peer_close(&p);
    bus_free(&b);
}

Test(access, a_hello_with_another_name_is_refused)
{
    bus b;
    peer p;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_open(&p, &b, &(peer_options){.name = "tool"});
    peer_hello(&p, "operator", NULL, 0);
    peer_expect(&p, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "forbidden");
    peer_close(&p);
    bus_free(&b);
}

Test(access, a_routing_id_of_the_peer_s_own_is_refused)
{
    bus b;
    peer p;

    bus_make(&b);
    bus_start(&b);
    peer_open(&p, &b, &(peer_options){.name = "tool", .routing_id = "chosen"});
    peer_hello(&p, "tool", NULL, 0);
    peer_wait_end(&p);
    bus_wait_number(&b, "refused.routing_id", 1);
    peer_close(&p);
    expect_service(&b);
    bus_free(&b);
}
