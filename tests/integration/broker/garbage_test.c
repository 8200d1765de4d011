/* What is no envelope costs its sender the connection, and nobody else anything. */
#include "peer.h"
#include "raw.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(garbage, .timeout = 60);

typedef struct sample {
    const char *what;
    const char *bytes;
    size_t len;
} sample;
#define SAMPLE(what, literal)                                                                                          \
    {                                                                                                                  \
        what, literal, sizeof(literal) - 1                                                                             \
    }

#define CALL_HEAD                                                                                                      \
    "\x9a\x01\x0a\x01\xa8"                                                                                             \
    "echo.bad"
#define CALL_REST "\xc0\xcd\x03\xe8\xc0\xc0\x80\xc4\x00"

static const sample samples[] = {
    SAMPLE("an empty frame", ""),
    SAMPLE("text", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    SAMPLE("nil", "\xc0"),
    SAMPLE("a truncated array", "\x9a\x01\x0a"),
    SAMPLE("nine positions", "\x99\x01\x0a\x01\xa8"
                             "echo.bad"
                             "\xc0\x00\xc0\xc0\x80"),
    SAMPLE("a million positions", "\xdd\x00\x0f\x42\x40\x01\x0a"),
    SAMPLE("an array that claims 4 GiB", "\xdd\xff\xff\xff\xff"),
    SAMPLE("another version", "\x9a\x63\x0a\x01\xa8"
                              "echo.bad" CALL_REST),
    SAMPLE("an unknown kind", "\x9a\x01\x7f\x01\xa8"
                              "echo.bad" CALL_REST),
    SAMPLE("a reserved kind", "\x9a\x01\x32\x01\xa8"
                              "echo.bad" CALL_REST),
    SAMPLE("a subject with a space", "\x9a\x01\x0a\x01\xa8"
                                     "echo bad" CALL_REST),
    SAMPLE("a subject that is no UTF-8", "\x9a\x01\x0a\x01\xa4\xff\xfe\xfd\xfc" CALL_REST),
    SAMPLE("a body that is a string", CALL_HEAD "\xc0\x00\xc0\xc0\x80\xa1x"),
    SAMPLE("a body that claims 4 GiB", CALL_HEAD "\xc0\x00\xc0\xc0\x80\xc6\xff\xff\xff\xff"),
    SAMPLE("options nested too deep",
           CALL_HEAD "\xc0\x00\xc0\xc0\x81\x63\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
                     "\x91\x91\x91\x91\xc0\xc4\x00"),
    SAMPLE("an option twice", CALL_HEAD "\xc0\x00\xc0\xc0\x82\x03\x01\x03\x02\xc4\x00"),
    SAMPLE("an ext type", CALL_HEAD "\xc0\x00\xc0\xc0\x80\xd4\x01\x00"),
    SAMPLE("a negative id", "\x9a\x01\x0a\xff\xa8"
                            "echo.bad" CALL_REST),
    SAMPLE("a principal of two", CALL_HEAD "\xc0\x00\x92\x01\x01\xc0\x80\xc4\x00"),
    SAMPLE("a traceparent of three letters", CALL_HEAD "\xc0\x00\xc0\xa3"
                                                       "abc"
                                                       "\x80\xc4\x00"),
    SAMPLE("garbage behind a good envelope", CALL_HEAD CALL_REST "\xc1\xc1"),
};

typedef struct scene {
    bus b;
    peer caller, actor;
} scene;

static void open_scene_with(scene *s, int silent_ms)
{
    bus_make(&s->b);
    s->b.silent_ms = silent_ms;
    bus_start(&s->b);
    peer_join(&s->actor, &s->b, "echo", "echo", 100);
    peer_join(&s->caller, &s->b, "edge", NULL, 0);
    peer_round_trip(&s->caller, &s->actor, "echo.say");
}

static void open_scene(scene *s)
{
    open_scene_with(s, 0);
}

/* The sessions that were there before are there still. */
static void close_scene(scene *s)
{
    peer_round_trip(&s->caller, &s->actor, "echo.say");
    cr_assert_not(peer_ended(&s->caller));
    cr_assert_not(peer_ended(&s->actor));
    peer_close(&s->caller);
    peer_close(&s->actor);
    bus_free(&s->b);
}

Test(garbage, each_kind_drops_its_sender_only)
{
    scene s;

    open_scene(&s);
    for (size_t i = 0; i < SUT_ARRAY_LEN(samples); i++) {
        peer bad;

        peer_join(&bad, &s.b, "tool", NULL, 0);
        peer_send_bytes(&bad, samples[i].bytes, samples[i].len);
        peer_wait_end(&bad);
        peer_close(&bad);
        peer_round_trip(&s.caller, &s.actor, "echo.say");
    }
    bus_wait_number(&s.b, "counters.drops_total", (long long)SUT_ARRAY_LEN(samples));
    close_scene(&s);
}

/* Before hello there is no session to be polite to, but the same holds. */
Test(garbage, instead_of_hello)
{
    scene s;

    open_scene(&s);
    for (size_t i = 0; i < SUT_ARRAY_LEN(samples); i++) {
        peer bad;

        peer_open(&bad, &s.b, &(peer_options){.name = "tool"});
        peer_send_bytes(&bad, samples[i].bytes, samples[i].len);
        peer_wait_end(&bad);
        peer_close(&bad);
        peer_round_trip(&s.caller, &s.actor, "echo.say");
    }
    close_scene(&s);
}

Test(garbage, the_sender_is_told_why)
{
    scene s;
    peer bad;
    sut_envelope env;

    open_scene(&s);
    peer_join(&bad, &s.b, "tool", NULL, 0);
    peer_send_bytes(&bad, "\xc1", 1);
    peer_expect(&bad, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "bad_envelope");
    peer_wait_end(&bad);
    peer_close(&bad);
    close_scene(&s);
}

Test(garbage, more_than_one_part)
{
    scene s;
    peer bad;

    open_scene(&s);
    peer_join(&bad, &s.b, "tool", NULL, 0);
    for (int i = 0; i < 10000; i++)
        cr_assert_geq(zmq_send(bad.socket, "part", 4, ZMQ_SNDMORE), 0);
    peer_send_bytes(&bad, "last", 4);
    peer_wait_end(&bad);
    peer_close(&bad);
    close_scene(&s);
}

Test(garbage, an_envelope_over_the_limit)
{
    static const size_t sizes[] = {SUT_ENVELOPE_MAX + 1024, 3 * SUT_ENVELOPE_MAX};
    scene s;

    open_scene(&s);
    for (size_t i = 0; i < SUT_ARRAY_LEN(sizes); i++) {
        static const char head[] = CALL_HEAD "\xc0\xcd\x03\xe8\xc0\xc0\x80\xc6";
        uint8_t *bytes = calloc(1, sizes[i]);
        const uint32_t body = htobe32((uint32_t)(sizes[i] - (sizeof head - 1) - 4));
        peer bad;

        memcpy(bytes, head, sizeof head - 1);
        memcpy(bytes + sizeof head - 1, &body, sizeof body);
        peer_join(&bad, &s.b, "tool", NULL, 0);
        peer_send_bytes(&bad, bytes, sizes[i]);
        peer_wait_end(&bad);
        peer_close(&bad);
        free(bytes);
    }
    close_scene(&s);
}

Test(garbage, what_is_just_over_the_limit_is_called_too_large)
{
    static const char head[] = CALL_HEAD "\xc0\xcd\x03\xe8\xc0\xc0\x80\xc6";
    const size_t size = SUT_ENVELOPE_MAX + 1024;
    uint8_t *bytes = calloc(1, size);
    const uint32_t body = htobe32((uint32_t)(size - (sizeof head - 1) - 4));
    sut_envelope env;
    scene s;
    peer bad;

    open_scene(&s);
    memcpy(bytes, head, sizeof head - 1);
    memcpy(bytes + sizeof head - 1, &body, sizeof body);
    peer_join(&bad, &s.b, "tool", NULL, 0);
    peer_send_bytes(&bad, bytes, size);
    peer_expect(&bad, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "payload_too_large");
    peer_wait_end(&bad);
    peer_close(&bad);
    free(bytes);
    close_scene(&s);
}

Test(garbage, calls_before_hello_are_answered_by_hello_required)
{
    scene s;
    peer p;
    sut_envelope env;

    open_scene(&s);
    peer_open(&p, &s.b, &(peer_options){.name = "tool"});
    peer_call(&p, "echo.say", 1000, SUT_STR_NONE);
    peer_expect(&p, SUT_ERROR_REPLY, &env);
    cr_assert_str_eq(peer_error_code(&env), "hello_required");
    peer_close(&p);
    close_scene(&s);
}

Test(garbage, something_that_is_no_zmtp)
{
    static const char text[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
                               "................................................................";
    scene s;
    int fd;

    open_scene(&s);
    fd = raw_connect(&s.b);
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    WAIT_UNTIL(raw_closed(fd));
    close(fd);
    close_scene(&s);
}

Test(garbage, a_connection_that_says_nothing_is_closed)
{
    scene s;
    int greeted, silent;
    peer p;

    open_scene_with(&s, 700);
    silent = raw_connect(&s.b); /* not even a greeting */
    greeted = raw_connect(&s.b);
    raw_handshake(greeted, &s.b, "tool");
    peer_open(&p, &s.b, &(peer_options){.name = "tool"}); /* authenticated, no hello */
    WAIT_UNTIL(raw_closed(silent));
    WAIT_UNTIL(raw_closed(greeted));
    peer_wait_end(&p);
    close(silent);
    close(greeted);
    peer_close(&p);
    bus_wait_number(&s.b, "counters.connections_reaped", 3);
    close_scene(&s);
}

/* libzmq holds the parts of an unfinished message back and bounds neither their number nor their sum; what ends such a
 * peer is that it says nothing. */
Test(garbage, a_message_without_end)
{
    static char part[32768];
    scene s;
    long before;
    int fd;

    open_scene_with(&s, 700);
    before = bus_resident_kib(&s.b);
    fd = raw_connect(&s.b);
    raw_handshake(fd, &s.b, "tool");
    for (int i = 0; i < 1000 && raw_frame(fd, part, sizeof part, true); i++) {
        bus_nap();
        peer_round_trip(&s.caller, &s.actor, "echo.say");
    }
    WAIT_UNTIL(raw_closed(fd));
    close(fd);
    cr_assert_lt(bus_resident_kib(&s.b) - before, 40 * 1024);
    close_scene(&s);
}
