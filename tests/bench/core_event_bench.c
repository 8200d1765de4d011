/* What an event costs in the broker's core alone, from the journal's read to the acknowledgement of a group's one
 * member, and from an append to one. No sockets, no codec, no disk. Prints nanoseconds of processor time an event (so
 * that a busy machine changes little). */
#include "base/clock.h"
#include "core/events.h"
#include "wire/msgpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS  1000000
#define LANES   1024
#define CREDITS 1024
#define READ    1024
#define BODY    240

typedef struct bench {
    sut_core *core;
    uint64_t session, next, appended, delivered;
    struct {
        uint64_t sequence;
        uint32_t attempt;
    } ring[2 * CREDITS];
    uint32_t head, tail;
    struct {
        uint64_t tag, from;
        uint32_t count;
    } read;
    uint64_t save;
} bench;

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    bench *b = app;
    (void)session;
    if (env->kind != SUT_DELIVER)
        return;
    b->ring[b->tail % (2 * CREDITS)].sequence = env->opt.sequence;
    b->ring[b->tail++ % (2 * CREDITS)].attempt = env->opt.attempt;
    b->delivered++;
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    (void)app, (void)session;
    fprintf(stderr, "core_event_bench: dropped: %s\n", sut_drop_reason_name(reason));
    exit(1);
}

static void on_event(void *app, sut_str subject, sut_core_event_desc *out)
{
    (void)app, (void)subject;
    *out = (sut_core_event_desc){.known = true, .open = true};
}

static int64_t on_wall_us(void *app)
{
    (void)app;
    return 1;
}

static uint64_t on_random(void *app)
{
    (void)app;
    return 4711;
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    (void)app, (void)tag, (void)events, (void)count;
    return -1;
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    bench *b = app;
    b->read.tag = tag;
    b->read.from = r->from;
    b->read.count = r->max_events < READ ? r->max_events : READ;
    return 0;
}

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    bench *b = app;
    (void)group, (void)value;
    b->save = tag;
    return 0;
}

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    (void)app, (void)tag, (void)d;
    return -1;
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    (void)app, (void)tag, (void)dead_id;
    return -1;
}

static sut_stored_event event_at(uint64_t sequence)
{
    static char body[BODY], keys[LANES][8];
    char *key = keys[sequence % LANES];
    if (!key[0])
        (void)snprintf(key, sizeof(keys[0]), "%u", (unsigned)(sequence % LANES));
    return (sut_stored_event){
        .sequence = sequence,
        .time_us = (int64_t)sequence,
        .subject = SUT_STR("probe.sent"),
        .key = sut_str_from(key),
        .traceparent = SUT_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        .publisher = SUT_STR("bench"),
        .body = {body, BODY},
    };
}

static void answer_journal(bench *b)
{
    static sut_stored_event found[READ];
    while (b->read.tag || b->save) {
        const uint64_t read = b->read.tag, save = b->save;
        b->read.tag = b->save = 0;
        if (save)
            sut_core_saved(b->core, 1, save, 0);
        if (!read)
            continue;
        size_t count = 0;
        uint64_t s = b->read.from;
        for (; s < b->next && count < b->read.count; s++)
            found[count++] = event_at(s);
        sut_core_read_done(b->core, 1, read, 0, found, count, s, 1);
    }
}

static void say(bench *b, sut_envelope env)
{
    env.version = SUT_PROTOCOL_VERSION;
    sut_core_input(b->core, 1, b->session, &env);
}

static void subscribe(bench *b)
{
    sut_buf body;
    sut_buf_init(&body, 0);
    if (sut_mp_add_map(&body, 4) || sut_mp_add_str(&body, SUT_STR("subjects")) || sut_mp_add_array(&body, 1) ||
        sut_mp_add_str(&body, SUT_STR("probe.*")) || sut_mp_add_str(&body, SUT_STR("group")) ||
        sut_mp_add_str(&body, SUT_STR("g")) || sut_mp_add_str(&body, SUT_STR("credits")) ||
        sut_mp_add_uint(&body, CREDITS) || sut_mp_add_str(&body, SUT_STR("start")) ||
        sut_mp_add_str(&body, SUT_STR("beginning")))
        exit(1);
    say(b, (sut_envelope){.kind = SUT_SUBSCRIBE, .id = 7, .body = {(const char *)body.data, body.len}});
    sut_buf_deinit(&body);
}

static void ack_all(bench *b)
{
    while (b->head != b->tail) {
        const sut_envelope_options opt = {.sequence = b->ring[b->head % (2 * CREDITS)].sequence,
                                          .attempt = b->ring[b->head % (2 * CREDITS)].attempt};
        b->head++;
        say(b, (sut_envelope){.kind = SUT_ACK, .id = 7, .opt = opt});
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * SUT_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void run(const char *what, uint64_t in_log)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop};
    static const sut_core_event_ops event_ops = {.event = on_event,
                                                 .wall_us = on_wall_us,
                                                 .random = on_random,
                                                 .publish = on_publish,
                                                 .read = on_read,
                                                 .save = on_save,
                                                 .bury = on_bury,
                                                 .forget = on_forget};
    static bench b;
    char error[100];
    sut_acl *acl = NULL;
    b = (bench){.next = in_log + 1};
    if (sut_acl_parse(&acl, SUT_STR("bench role=actor subscribe=>\n"), error, sizeof(error)) ||
        sut_core_new(&b.core, NULL, &ops, &b) || sut_core_events_start(b.core, NULL, &event_ops, 1, b.next))
        exit(1);
    sut_core_set_acl(b.core, 1, acl);
    b.session = sut_core_open(b.core, 1, SUT_STR("bench"));
    say(&b, (sut_envelope){.kind = SUT_HELLO, .id = 1});
    const uint64_t before = cpu_ns();
    subscribe(&b);
    while (b.delivered < EVENTS) {
        answer_journal(&b);
        ack_all(&b);
        if (b.next > EVENTS)
            continue;
        static sut_stored_event fresh[64];
        size_t count = 0;
        while (count < 64)
            fresh[count++] = event_at(b.next++);
        sut_core_appended(b.core, 1, fresh, count, b.next);
    }
    printf("%-32s %6.0f ns\n", what, (double)(cpu_ns() - before) / EVENTS);
    sut_core_free(b.core);
    sut_acl_free(acl);
}

int main(void)
{
    run("read, delivered, acknowledged", EVENTS);
    run("appended, delivered, acknowledged", 0);
    return 0;
}
