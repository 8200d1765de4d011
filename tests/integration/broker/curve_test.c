/* tcp: CURVE only, and only keys of the access list. */
#include "peer.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(curve, .timeout = 60);

static void make(bus *b)
{
    bus_make(b);
    cr_assert_eq(bus_key(b, "new", "far", "--role", "tool", "--curve", NULL), 0);
    bus_use_tcp(b);
    bus_start(b);
}

static void join(peer *p, bus *b)
{
    sut_envelope env;

    peer_open(p, b, &(peer_options){.name = "far", .curve = true});
    peer_hello(p, "far", NULL, 0);
    peer_expect(p, SUT_WELCOME, &env);
}

Test(curve, a_known_key_is_its_peer)
{
    bus b;
    peer far, actor;

    make(&b);
    join(&far, &b);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_round_trip(&far, &actor, "echo.say");
    peer_close(&far);
    peer_close(&actor);
    bus_free(&b);
}

Test(curve, a_new_pair_replaces_a_revoked_one)
{
    bus b;
    peer p;

    make(&b);
    cr_assert_eq(bus_key(&b, "revoke", "far", NULL), 0);
    cr_assert_eq(bus_key(&b, "new", "far", "--role", "tool", "--curve", NULL), 0);
    join(&p, &b);
    peer_close(&p);
    bus_free(&b);
}

Test(curve, a_key_made_elsewhere_is_refused)
{
    char public_key[41], secret_key[41], text[512], path[128];
    FILE *f;
    bus b;
    peer p;

    make(&b);
    cr_assert_eq(zmq_curve_keypair(public_key, secret_key), 0);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n", public_key, secret_key);
    snprintf(path, sizeof path, "%s/keys/home.cert_secret", b.dir);
    f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    peer_open(&p, &b, &(peer_options){.name = "home", .curve = true});
    peer_wait_end(&p);
    peer_close(&p);
    bus_wait_number(&b, "refused.unknown_peer", 1);
    bus_free(&b);
}

Test(curve, a_revoked_key_is_cut_off_and_stays_out)
{
    bus b;
    peer p;

    make(&b);
    join(&p, &b);
    cr_assert_eq(bus_key(&b, "revoke", "far", NULL), 0);
    peer_wait_end(&p);
    peer_close(&p);
    bus_wait_number(&b, "dropped.revoked", 1);
    bus_free(&b);
}

/* A client that was given another server's key does not talk to us. */
Test(curve, the_wrong_server_key_ends_the_handshake)
{
    char public_key[41], secret_key[41];
    bus b;
    peer p;

    make(&b);
    cr_assert_eq(zmq_curve_keypair(public_key, secret_key), 0);
    peer_open(&p, &b, &(peer_options){.name = "far", .curve = true, .server_key = public_key});
    peer_wait_end(&p);
    peer_close(&p);
    bus_wait_number(&b, "counters.handshakes_failed", 1);
    bus_free(&b);
}

Test(curve, neither_plain_nor_nothing_comes_in_by_tcp)
{
    bus b;
    peer p;

    make(&b);
    peer_open(&p, &b, &(peer_options){.name = "edge", .endpoint = b.tcp});
    peer_wait_end(&p);
    peer_close(&p);
    peer_open(&p, &b, &(peer_options){.endpoint = b.tcp});
    peer_wait_end(&p);
    peer_close(&p);
    bus_wait_number(&b, "counters.handshakes_failed", 2);
    cr_assert_eq(bus_number(&b, "refused.unknown_peer"), 0, "the mechanism alone refuses them");
    bus_free(&b);
}

Test(curve, curve_does_not_come_in_by_ipc)
{
    bus b;
    peer p;

    make(&b);
    peer_open(&p, &b, &(peer_options){.name = "far", .curve = true, .endpoint = b.ipc});
    peer_wait_end(&p);
    peer_close(&p);
    bus_free(&b);
}

Test(curve, a_taken_port_is_named)
{
    char said[512], ipc[160];
    const char *env[] = {ipc, NULL};
    bus b;

    make(&b);
    snprintf(ipc, sizeof ipc, "SUT_BROKER_IPC=ipc://%s/t/bus", b.dir);
    cr_assert_eq(bus_try(&b, env, said, sizeof said), SUT_EXIT_UNAVAILABLE);
    cr_assert_not_null(strstr(said, "SUT_BROKER_TCP"), "%s", said);
    cr_assert_not_null(strstr(said, b.tcp), "%s", said);
    bus_free(&b);
}
