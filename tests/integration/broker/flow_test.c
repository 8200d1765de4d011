/* Peers that stop, do not read, or go away: bounded memory, prompt answers, and nobody else notices. */
#include "peer.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(flow, .timeout = 60);

#define BIG 32768

static void send_big_calls(peer *p, const char *subject, int count)
{
    static char body[BIG];

    for (int i = 0; i < count; i++)
        peer_call(p, subject, 10000, (sut_str){body, sizeof body});
}

/* An actor in a process of its own, which says on a pipe when it has joined, and then does nothing but wait. */
static pid_t actor_process(bus *b, const char *name, int credits)
{
    int ready[2];
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        bus own = *b;
        peer p;

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        own.zmq = zmq_ctx_new();
        peer_join(&p, &own, name, name, credits);
        (void)!write(ready[1], "!", 1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* Reads what has come, keeping the session alive. */
static int drain(peer *p)
{
    sut_envelope env;
    int n = 0;

    while (peer_receive(p, &env, 0))
        n++;
    return n;
}

Test(flow, a_stopped_actor_takes_bounded_memory_and_nobody_else_notices)
{
    bus b;
    peer flood, caller, actor;
    pid_t stopped;
    sut_envelope env;
    uint64_t begin;
    long before;
    int answers = 0;

    bus_make(&b);
    cr_assert_eq(bus_key(&b, "new", "slow", "--role", "actor", NULL), 0);
    bus_start(&b);
    stopped = actor_process(&b, "slow", 4096);
    peer_join(&actor, &b, "echo", "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_join(&flood, &b, "tool", NULL, 0);
    before = bus_resident_kib(&b);
    kill(stopped, SIGSTOP);
    begin = bus_now_ms();
    for (int round = 0; round < 40; round++) {
        send_big_calls(&flood, "slow.work", 25);
        peer_round_trip(&caller, &actor, "echo.say");
        answers += drain(&flood);
    }
    /* Every call ends, although nobody reads, well before its deadline: the stopped peer is taken for dead. */
    while (answers < 1000 && bus_now_ms() - begin < 20000) {
        if (peer_receive(&flood, &env, 100)) {
            cr_assert_eq(env.kind, SUT_ERROR_REPLY);
            answers++;
        } else {
            peer_round_trip(&caller, &actor, "echo.say");
        }
    }
    cr_assert_eq(answers, 1000);
    cr_assert_lt(bus_now_ms() - begin, 9000);
    cr_assert_lt(bus_resident_kib(&b) - before, 100 * 1024);
    kill(stopped, SIGKILL);
    waitpid(stopped, NULL, 0);
    peer_close(&flood);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

Test(flow, a_peer_that_never_reads_is_closed_when_its_queue_is_full)
{
    static char body[BIG];
    bus b;
    peer greedy, caller, actor;
    sut_envelope env;
    int served = 0;

    bus_make(&b);
    bus_write_limits(&b, "peer_queue_bytes = 262144\n");
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 1000);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_open(&greedy, &b, &(peer_options){.name = "tool", .receive_hwm = 1});
    peer_hello(&greedy, "tool", NULL, 0);
    peer_expect(&greedy, SUT_WELCOME, &env);
    for (int i = 0; i < 500; i++) /* small calls, large answers */
        peer_call(&greedy, "echo.large", 10000, SUT_STR_NONE);
    while (served < 500 && peer_receive(&actor, &env, 5000)) {
        if (env.kind == SUT_CALL) {
            peer_reply(&actor, &env, (sut_str){body, sizeof body});
            served++;
        }
        if (env.kind == SUT_CANCEL)
            break;
    }
    bus_wait_number(&b, "counters.peers_overflowed", 1);
    cr_assert(bus_logged(&b, "event=peer.overflow peer=tool"));
    for (int i = 0; i < 10; i++)
        peer_round_trip(&caller, &actor, "echo.say");
    peer_close(&greedy);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

/* libzmq's own bound counts messages, not bytes: alone it would take all of these in. */
Test(flow, large_replies_to_a_peer_that_never_reads_are_bounded_by_bytes)
{
    static char body[900 * 1024];
    bus b;
    peer greedy, actor;
    sut_envelope env;
    long before;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 1000);
    peer_open(&greedy, &b, &(peer_options){.name = "tool", .receive_hwm = 1});
    peer_hello(&greedy, "tool", NULL, 0);
    peer_expect(&greedy, SUT_WELCOME, &env);
    before = bus_resident_kib(&b);
    cr_assert_gt(before, 0);
    for (int i = 0; i < 40; i++)
        peer_call(&greedy, "echo.large", 20000, SUT_STR_NONE);
    for (int i = 0; i < 40; i++) {
        do
            cr_assert(peer_receive(&actor, &env, 5000));
        while (env.kind != SUT_CALL && env.kind != SUT_CANCEL);
        if (env.kind == SUT_CANCEL) /* the caller was closed: it owed more than its bound */
            break;
        peer_reply(&actor, &env, (sut_str){body, sizeof body});
    }
    bus_wait_number(&b, "counters.peers_overflowed", 1);
#ifndef SUT_ASAN
    cr_assert_lt(bus_resident_kib(&b) - before, 32 * 1024);
#endif
    peer_close(&greedy);
    peer_close(&actor);
    bus_free(&b);
}

/* A burst beyond libzmq's own queue waits in ours and arrives whole and in order. */
Test(flow, a_slow_reader_gets_everything_in_order)
{
    static char body[BIG];
    bus b;
    peer slow, actor;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 1000);
    peer_open(&slow, &b, &(peer_options){.name = "edge", .receive_hwm = 1});
    peer_hello(&slow, "edge", NULL, 0);
    peer_expect(&slow, SUT_WELCOME, &env);
    for (int i = 0; i < 240; i++) /* 7.5 MiB of answers: below the bound of 8 */
        peer_call(&slow, "echo.large", 20000, SUT_STR_NONE);
    for (int i = 0; i < 240; i++) {
        peer_expect(&actor, SUT_CALL, &env);
        peer_reply(&actor, &env, (sut_str){body, sizeof body});
    }
    for (uint64_t id = 1; id <= 240; id++) {
        peer_expect(&slow, SUT_REPLY, &env);
        cr_assert_eq(env.id, id);
        cr_assert_eq(env.body.len, (size_t)BIG);
    }
    peer_close(&slow);
    peer_close(&actor);
    bus_free(&b);
}

Test(flow, what_is_ready_together_travels_together)
{
    bus b;
    peer caller, actor;
    sut_envelope env;
    sut_buf frame;
    int alone = 0;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 1000);
    peer_join(&caller, &b, "edge", NULL, 0);
    sut_buf_init(&frame, 0);
    for (uint64_t id = 1; id <= 100; id++)
        cr_assert_eq(sut_envelope_encode(&frame, &(sut_envelope){.version = SUT_PROTOCOL_VERSION,
                                                                 .kind = SUT_CALL,
                                                                 .id = id,
                                                                 .subject = SUT_STR("echo.say"),
                                                                 .ttl_ms = 5000}),
                     0);
    peer_send_bytes(&caller, frame.data, frame.len);
    sut_buf_deinit(&frame);
    for (int i = 0; i < 100; i++) {
        peer_expect(&actor, SUT_CALL, &env);
        alone += actor.at == zmq_msg_size(&actor.frame); /* the last one of its frame */
    }
    cr_assert_eq(alone, 1, "a hundred calls of one frame came in %d frames", alone);
    peer_close(&caller);
    peer_close(&actor);
    bus_free(&b);
}

/* kill -9: the caller is told at once, long before the deadline. */
Test(flow, the_calls_of_a_killed_actor_end_at_once)
{
    bus b;
    peer caller;
    sut_envelope env;
    pid_t actor;
    uint64_t begin;

    bus_make(&b);
    bus_start(&b);
    actor = actor_process(&b, "echo", 10);
    peer_join(&caller, &b, "edge", NULL, 0);
    peer_call(&caller, "echo.say", 30000, SUT_STR_NONE);
    /* Given to the actor, as far as the broker knows. */
    WAIT_UNTIL(bus_number(&b, "counters.envelopes_out") >= 4);
    kill(actor, SIGKILL);
    waitpid(actor, NULL, 0);
    begin = bus_now_ms();
    peer_expect(&caller, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "outcome_unknown");
    cr_assert_lt(bus_now_ms() - begin, 1500);
    peer_close(&caller);
    bus_free(&b);
}

/* The reply is on its way when the connection ends: it must not be lost. */
Test(flow, a_reply_sent_just_before_leaving_arrives)
{
    bus b;
    peer caller, actor;
    sut_envelope env;

    bus_make(&b);
    bus_start(&b);
    peer_join(&caller, &b, "edge", NULL, 0);
    for (int i = 0; i < 20; i++) {
        const int linger = 1000;

        peer_join(&actor, &b, "echo", "echo", 1);
        peer_call(&caller, "echo.say", 5000, SUT_STR_NONE);
        peer_expect(&actor, SUT_CALL, &env);
        zmq_setsockopt(actor.socket, ZMQ_LINGER, &linger, sizeof linger);
        peer_reply(&actor, &env, SUT_STR("\x80"));
        peer_close(&actor);
        peer_expect(&caller, SUT_REPLY, &env);
    }
    peer_close(&caller);
    bus_free(&b);
}

/* A caller that goes away: its call is cancelled, its route is gone (EHOSTUNREACH), and the reply goes nowhere. */
Test(flow, a_caller_that_goes_away_harms_nobody)
{
    bus b;
    peer caller, actor, other;
    sut_envelope env, cancel;

    bus_make(&b);
    bus_start(&b);
    peer_join(&actor, &b, "echo", "echo", 2);
    peer_join(&other, &b, "edge", NULL, 0);
    for (int i = 0; i < 10; i++) {
        peer_join(&caller, &b, "tool", NULL, 0);
        peer_call(&caller, "echo.say", 20000, SUT_STR_NONE);
        peer_expect(&actor, SUT_CALL, &env);
        const uint64_t id = env.id;
        peer_close(&caller);
        peer_expect(&actor, SUT_CANCEL, &cancel);
        cr_assert_eq(cancel.id, id);
        peer_reply(&actor, &(sut_envelope){.id = id, .subject = SUT_STR("echo.say"), .opt.attempt = 1},
                   SUT_STR("\x80"));
        peer_round_trip(&other, &actor, "echo.say");
    }
    peer_close(&other);
    peer_close(&actor);
    bus_free(&b);
}

Test(flow, a_thousand_connections_come_and_go)
{
    bus b;
    peer p;
    long before;

    bus_make(&b);
    bus_start(&b);
    for (int i = 0; i < 50; i++) {
        peer_join(&p, &b, "tool", NULL, 0);
        peer_close(&p);
    }
    bus_wait_number(&b, "counters.peers_lost", 50);
    before = bus_resident_kib(&b);
    cr_assert_gt(before, 0);
    for (int i = 0; i < 1000; i++) {
        peer_join(&p, &b, "tool", NULL, 0);
        peer_close(&p);
    }
    bus_wait_number(&b, "counters.peers_lost", 1050);
    WAIT_UNTIL(bus_number(&b, "sessions_total") == 1);
#ifndef SUT_ASAN /* which keeps what was freed */
    cr_assert_lt(bus_resident_kib(&b) - before, 4096);
#endif
    bus_free(&b);
}
