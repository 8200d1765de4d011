/* The DEALER side of the protocol, as little of it as the tests need. */
#include "peer.h"

#include "base/arena.h"
#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 10000

static void set_string(void *socket, int option, const char *value)
{
    cr_assert_eq(zmq_setsockopt(socket, option, value, strlen(value)), 0, "option %d: %s", option, zmq_strerror(errno));
}

static void set_int(void *socket, int option, int value)
{
    cr_assert_eq(zmq_setsockopt(socket, option, &value, sizeof value), 0, "option %d: %s", option, zmq_strerror(errno));
}

static void use_plain(peer *p, bus *b, const peer_options *o)
{
    char name[96], *secret;

    snprintf(name, sizeof name, "keys/%s.secret", o->name);
    secret = bus_read(b, name);
    secret[strcspn(secret, "\n")] = '\0';
    set_string(p->socket, ZMQ_PLAIN_USERNAME, o->name);
    set_string(p->socket, ZMQ_PLAIN_PASSWORD, o->password ? o->password : secret[0] ? secret : "none");
    free(secret);
}

/* The value of `key = "…"` in a zcert file. */
static void cert_value(bus *b, const char *file, const char *key, char out[41])
{
    char *text = bus_read(b, file), *at = strstr(text, key);

    cr_assert_not_null(at, "%s has no %s", file, key);
    at = strchr(at, '"');
    cr_assert(at && strlen(at) > 41);
    snprintf(out, 41, "%.40s", at + 1);
    free(text);
}

static void use_curve(peer *p, bus *b, const peer_options *o)
{
    char file[96], key[41];

    snprintf(file, sizeof file, "keys/%s.cert_secret", o->name);
    cert_value(b, file, "public-key", key);
    set_string(p->socket, ZMQ_CURVE_PUBLICKEY, key);
    cert_value(b, file, "secret-key", key);
    set_string(p->socket, ZMQ_CURVE_SECRETKEY, key);
    if (!o->server_key)
        cert_value(b, "keys/broker.cert", "public-key", key);
    set_string(p->socket, ZMQ_CURVE_SERVERKEY, o->server_key ? o->server_key : key);
}

static void watch(peer *p, bus *b)
{
    static int serial;
    char address[64];

    snprintf(address, sizeof address, "inproc://peer-%d", serial++);
    cr_assert_eq(zmq_socket_monitor(p->socket, address, ZMQ_EVENT_ALL), 0);
    p->monitor = zmq_socket(b->zmq, ZMQ_PAIR);
    cr_assert_eq(zmq_connect(p->monitor, address), 0);
}

void peer_open(peer *p, bus *b, const peer_options *o)
{
    *p = (peer){.answers_pings = true};
    p->socket = zmq_socket(b->zmq, ZMQ_DEALER);
    cr_assert_not_null(p->socket);
    set_int(p->socket, ZMQ_LINGER, 0);
    set_int(p->socket, ZMQ_RECONNECT_IVL, -1);
    set_int(p->socket, ZMQ_SNDTIMEO, WAIT_MS);
    if (o->receive_hwm)
        set_int(p->socket, ZMQ_RCVHWM, o->receive_hwm);
    if (o->routing_id)
        set_string(p->socket, ZMQ_ROUTING_ID, o->routing_id);
    if (o->curve)
        use_curve(p, b, o);
    else if (o->name)
        use_plain(p, b, o);
    watch(p, b);
    cr_assert_eq(zmq_connect(p->socket, o->endpoint ? o->endpoint
                                        : o->curve  ? b->tcp
                                                    : b->ipc),
                 0, "%s", zmq_strerror(errno));
}

void peer_close(peer *p)
{
    if (p->holds_frame)
        zmq_msg_close(&p->frame);
    zmq_socket_monitor(p->socket, NULL, 0);
    zmq_close(p->monitor);
    zmq_close(p->socket);
}

void peer_send_bytes(peer *p, const void *bytes, size_t len)
{
    cr_assert_geq(zmq_send(p->socket, bytes, len, 0), 0, "%s", zmq_strerror(errno));
}

void peer_send(peer *p, const sut_envelope *env)
{
    sut_buf buf;

    sut_buf_init(&buf, 0);
    cr_assert_eq(sut_envelope_encode(&buf, env), 0);
    peer_send_bytes(p, buf.data, buf.len);
    sut_buf_deinit(&buf);
}

void peer_hello(peer *p, const char *name, const char *service, int credits)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_HELLO};
    sut_buf body;
    int bad = 0;

    sut_buf_init(&body, 0);
    bad |= sut_mp_add_map(&body, 2);
    bad |= sut_mp_add_str(&body, SUT_STR("name"));
    bad |= sut_mp_add_str(&body, sut_str_from(name));
    bad |= sut_mp_add_str(&body, SUT_STR("services"));
    bad |= sut_mp_add_array(&body, service ? 1 : 0);
    if (service) {
        bad |= sut_mp_add_map(&body, 2);
        bad |= sut_mp_add_str(&body, SUT_STR("name"));
        bad |= sut_mp_add_str(&body, sut_str_from(service));
        bad |= sut_mp_add_str(&body, SUT_STR("credits"));
        bad |= sut_mp_add_int(&body, credits);
    }
    cr_assert_eq(bad, 0);
    env.body = (sut_str){(const char *)body.data, body.len};
    peer_send(p, &env);
    sut_buf_deinit(&body);
}

void peer_join(peer *p, bus *b, const char *name, const char *service, int credits)
{
    sut_envelope env;

    peer_open(p, b, &(peer_options){.name = name});
    peer_hello(p, name, service, credits);
    peer_expect(p, SUT_WELCOME, &env);
}

/* The next frame, if there is one within the time. */
static bool next_frame(peer *p, uint64_t end_ms)
{
    const uint64_t now = bus_now_ms();
    zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};

    if (p->holds_frame)
        zmq_msg_close(&p->frame);
    p->holds_frame = false;
    if (zmq_poll(&item, 1, end_ms > now ? (long)(end_ms - now) : 0) <= 0)
        return false;
    zmq_msg_init(&p->frame);
    cr_assert_geq(zmq_msg_recv(&p->frame, p->socket, 0), 0);
    cr_assert_not(zmq_msg_more(&p->frame), "the broker sent a message of more than one part");
    p->holds_frame = true;
    p->at = 0;
    return true;
}

bool peer_receive(peer *p, sut_envelope *out, int timeout_ms)
{
    const uint64_t end = bus_now_ms() + (uint64_t)timeout_ms;

    for (;;) {
        size_t used = 0;

        if (!p->holds_frame || p->at == zmq_msg_size(&p->frame)) {
            if (!next_frame(p, end))
                return false;
        }
        cr_assert_eq(sut_envelope_decode((uint8_t *)zmq_msg_data(&p->frame) + p->at, zmq_msg_size(&p->frame) - p->at,
                                         out, &used),
                     SUT_ENV_OK);
        p->at += used;
        if (out->kind != SUT_PING)
            return true;
        if (p->answers_pings)
            peer_send(p, &(sut_envelope){.version = SUT_PROTOCOL_VERSION, .kind = SUT_PONG, .id = out->id});
    }
}

void peer_expect(peer *p, sut_kind kind, sut_envelope *out)
{
    do
        cr_assert(peer_receive(p, out, WAIT_MS), "no envelope of kind %d came", (int)kind);
    while (out->kind != kind);
}

uint64_t peer_call(peer *p, const char *subject, uint32_t ttl_ms, sut_str body)
{
    const sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                              .kind = SUT_CALL,
                              .id = ++p->next_id,
                              .subject = sut_str_from(subject),
                              .ttl_ms = ttl_ms,
                              .body = body};

    peer_send(p, &env);
    return env.id;
}

void peer_reply(peer *p, const sut_envelope *call, sut_str body)
{
    peer_send(p, &(sut_envelope){.version = SUT_PROTOCOL_VERSION,
                                 .kind = SUT_REPLY,
                                 .id = call->id,
                                 .subject = call->subject,
                                 .opt.attempt = call->opt.attempt,
                                 .body = body});
}

void peer_round_trip(peer *caller, peer *actor, const char *subject)
{
    sut_envelope env;
    const uint64_t id = peer_call(caller, subject, 5000, SUT_STR("\x81\xa1x\x01"));

    do {
        peer_expect(actor, SUT_CALL, &env);
        peer_reply(actor, &env, env.body);
    } while (!sut_str_is(env.subject, subject));
    peer_expect(caller, SUT_REPLY, &env);
    cr_assert_eq(env.id, id);
    cr_assert(sut_str_eq(env.body, SUT_STR("\x81\xa1x\x01")));
}

const char *peer_error_code(const sut_envelope *env)
{
    static char code[64];
    sut_error_body body;
    sut_arena *arena;

    cr_assert_eq(env->kind, SUT_ERROR_REPLY);
    cr_assert_eq(sut_arena_new(&arena, 0), 0);
    cr_assert_eq(sut_error_body_decode(arena, env->body, &body), 0);
    snprintf(code, sizeof code, "%.*s", SUT_STR_FMT(body.code));
    sut_arena_free(arena);
    return code;
}

/* The next monitor event, 0 if there is none in time. */
static int next_event(peer *p, int timeout_ms)
{
    zmq_pollitem_t item = {.socket = p->monitor, .events = ZMQ_POLLIN};
    zmq_msg_t msg;
    uint16_t event = 0;

    if (zmq_poll(&item, 1, timeout_ms) <= 0)
        return 0;
    zmq_msg_init(&msg);
    cr_assert_geq(zmq_msg_recv(&msg, p->monitor, 0), 0);
    memcpy(&event, zmq_msg_data(&msg), sizeof event);
    zmq_msg_close(&msg);
    zmq_msg_init(&msg);
    cr_assert_geq(zmq_msg_recv(&msg, p->monitor, 0), 0);
    zmq_msg_close(&msg);
    return event;
}

static bool is_end(int event)
{
    return event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_CLOSED || event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
           event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
}

int peer_wait_end(peer *p)
{
    int event;

    do {
        event = next_event(p, WAIT_MS);
        cr_assert_neq(event, 0, "the connection did not end");
    } while (!is_end(event));
    return event;
}

bool peer_ended(peer *p)
{
    int event;

    while ((event = next_event(p, 0)))
        if (is_end(event))
            return true;
    return false;
}
