/* A second world, for events: a journal that answers late, out of turn or not at all, consumers that ack, nack, give
 * up, hang and die, brokers that restart with nothing but what the journal holds; all from one seed. The oracle knows
 * what each group still owes, independently of the core. */
#include "core/events.h"
#include "sim.h"

#include "wire/msgpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENTS    400
#define ASKS      4096
#define CONSUMERS 5
#define GROUPS    2
#define CREDITS   3
#define HELD      16
#define STEPS     3000
#define MAX_TRIES 8

typedef enum ask_kind { ASK_PUBLISH, ASK_READ, ASK_SAVE, ASK_BURY } ask_kind;
typedef struct ask {
    ask_kind kind;
    uint64_t tag, from, sequence;
    uint32_t max_events, group, key;
    uint8_t value[2048];
    size_t value_len;
    bool acked[EVENTS];
} ask;

typedef struct held {
    uint64_t sequence;
    uint32_t attempt;
} held;

typedef struct consumer {
    uint64_t session, pong;
    uint32_t group, held_count;
    held held[HELD], last;
} consumer;

typedef struct world {
    sut_core *core;
    sut_acl *acl;
    sim_result *result;
    uint64_t random, now, next, publisher, pong;
    char keys[EVENTS][8];
    ask *asks;
    uint32_t ask_count;
    uint8_t saved[GROUPS][2048];
    size_t saved_len[GROUPS];
    bool acked[GROUPS][EVENTS], durable[GROUPS][EVENTS], dead[GROUPS][EVENTS];
    const consumer *out[GROUPS][EVENTS]; /* who has it */
    consumer consumers[CONSUMERS];
    bool calm;
    sut_core_event_limits limits;
} world;

static const char *const groups[GROUPS] = {"alpha", "beta"};

static uint64_t draw(world *w, uint64_t below)
{
    return sut_prng(&w->random) % below;
}

static void broke(world *w, const char *rule, uint32_t group, uint64_t sequence)
{
    if (!w->result->ok)
        return;
    w->result->ok = false;
    (void)snprintf(w->result->reason, sizeof(w->result->reason), "events: %s (group %s, event %llu)", rule,
                   groups[group], (unsigned long long)sequence);
}

/* ---- the journal ---- */

static ask *new_ask(world *w, ask_kind kind, uint64_t tag)
{
    ask *a = &w->asks[w->ask_count];
    if (w->ask_count == ASKS || (!w->calm && draw(w, 20) == 0))
        return NULL;
    w->ask_count++;
    memset(a, 0, offsetof(ask, value));
    a->kind = kind;
    a->tag = tag;
    return a;
}

static void on_event(void *app, sut_str subject, sut_core_event_desc *out)
{
    (void)app, (void)subject;
    *out = (sut_core_event_desc){.known = true, .open = true};
}

static int64_t on_wall_us(void *app)
{
    return (int64_t)(((world *)app)->now / 1000);
}

static uint64_t on_random(void *app)
{
    return sut_prng(&((world *)app)->random);
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    (void)count;
    ask *a = new_ask(app, ASK_PUBLISH, tag);
    if (!a)
        return -EAGAIN;
    a->key = events->key.len ? (uint32_t)(events->key.ptr[0] - '0') + 1 : 0;
    return 0;
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    ask *a = new_ask(app, ASK_READ, tag);
    if (!a)
        return -EAGAIN;
    a->from = r->from;
    a->max_events = r->max_events;
    return 0;
}

static uint32_t group_of(sut_str name)
{
    return sut_str_is(name, groups[0]) ? 0 : 1;
}

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    world *w = app;
    ask *a = value.len <= sizeof(a->value) ? new_ask(w, ASK_SAVE, tag) : NULL;
    if (!a)
        return -EAGAIN;
    a->group = group_of(group);
    a->value_len = value.len;
    memcpy(a->value, value.ptr, value.len);
    memcpy(a->acked, w->acked[a->group], sizeof(a->acked));
    return 0;
}

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    ask *a = new_ask(app, ASK_BURY, tag);
    if (!a)
        return -EAGAIN;
    a->group = group_of(d->group);
    a->sequence = d->event->sequence;
    return 0;
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    (void)app, (void)tag, (void)dead_id;
    return -EAGAIN;
}

static sut_stored_event event_at(const world *w, uint64_t sequence)
{
    const char *key = w->keys[sequence];
    return (sut_stored_event){.sequence = sequence,
                              .time_us = (int64_t)sequence,
                              .subject = SUT_STR("open.said"),
                              .key = key[0] ? sut_str_from(key) : SUT_STR_NONE,
                              .publisher = SUT_STR("pub"),
                              .body = SUT_STR("0123456789012345678901234567890123456789")};
}

static void answer_publish(world *w, const ask *a)
{
    const uint64_t sequence = w->next;
    struct sut_core_position position = {.sequence = sequence};
    const sut_core_publish_answer answer = {.positions = &position, .count = 1};
    if (sequence >= EVENTS)
        return;
    w->next++;
    w->keys[sequence][0] = a->key ? (char)('0' + (char)a->key - 1) : '\0';
    sut_core_published(w->core, w->now, a->tag, &answer);
    const sut_stored_event event = event_at(w, sequence);
    sut_core_appended(w->core, w->now, &event, 1, w->next);
}

static void answer(world *w, const ask *a)
{
    sut_stored_event found[EVENTS];
    const sut_status st = !w->calm && draw(w, 12) == 0 ? -EIO : 0;
    size_t count = 0;
    switch (a->kind) {
    case ASK_PUBLISH: answer_publish(w, a); break;
    case ASK_READ:
        for (uint64_t s = a->from; s < w->next && count < a->max_events; s++)
            found[count++] = event_at(w, s);
        sut_core_read_done(w->core, w->now, a->tag, st, found, count, a->from + count, 1);
        break;
    case ASK_SAVE:
        if (!st) {
            memcpy(w->saved[a->group], a->value, a->value_len);
            w->saved_len[a->group] = a->value_len;
            memcpy(w->durable[a->group], a->acked, sizeof(a->acked));
        }
        sut_core_saved(w->core, w->now, a->tag, st);
        break;
    case ASK_BURY:
        if (!st)
            w->dead[a->group][a->sequence] = true;
        sut_core_buried(w->core, w->now, a->tag, st, 1);
        break;
    }
}

/* Publishes are answered in order; the rest in any. */
static void answer_some(world *w)
{
    static ask a;
    uint32_t i = w->ask_count ? (uint32_t)draw(w, w->ask_count) : 0;
    if (w->ask_count == 0)
        return;
    for (uint32_t k = 0; w->asks[i].kind == ASK_PUBLISH && k < i; k++) {
        if (w->asks[k].kind == ASK_PUBLISH)
            i = k;
    }
    a = w->asks[i];
    memmove(&w->asks[i], &w->asks[i + 1], sizeof(ask) * (w->ask_count - i - 1));
    w->ask_count--;
    answer(w, &a);
}

/* ---- the core's outputs ---- */

static consumer *consumer_of(world *w, uint64_t session)
{
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        if (w->consumers[i].session == session)
            return &w->consumers[i];
    }
    return NULL;
}

static void check_delivery(world *w, const consumer *k, uint64_t sequence, uint32_t attempt)
{
    const uint32_t g = k->group;
    uint32_t out = 0;
    if (w->acked[g][sequence])
        broke(w, "delivered again after its end", g, sequence);
    if (w->out[g][sequence])
        broke(w, "out twice", g, sequence);
    if (attempt == 0 || attempt > MAX_TRIES)
        broke(w, "more deliveries than allowed", g, sequence);
    for (uint64_t s = 1; s < sequence && w->keys[sequence][0]; s++) {
        if (w->keys[s][0] == w->keys[sequence][0] && !w->acked[g][s] && !w->dead[g][s])
            broke(w, "overtook one of its key", g, sequence);
    }
    for (uint64_t s = 1; s < w->next; s++)
        out += w->out[g][s] == k;
    if (out >= CREDITS)
        broke(w, "more out than credits", g, sequence);
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    world *w = app;
    consumer *k = consumer_of(w, session);
    if (env->kind == SUT_PING)
        *(k ? &k->pong : &w->pong) = env->id;
    if (env->kind != SUT_DELIVER || !k)
        return;
    check_delivery(w, k, env->opt.sequence, env->opt.attempt);
    w->out[k->group][env->opt.sequence] = k;
    w->result->executions++;
    if (k->held_count == HELD)
        memmove(k->held, k->held + 1, sizeof(held) * --k->held_count);
    k->held[k->held_count++] = (held){env->opt.sequence, env->opt.attempt};
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    world *w = app;
    consumer *k = consumer_of(w, session);
    (void)reason;
    if (k)
        *k = (consumer){0};
    else
        w->publisher = 0;
}

/* What ends a delivery without its consumer's word is not told by an envelope. */
static void on_delivery(void *app, const char *outcome, sut_str group, sut_str name, const sut_stored_event *event,
                        uint32_t attempt, uint64_t took_ns)
{
    world *w = app;
    (void)name, (void)attempt, (void)took_ns;
    if (strcmp(outcome, "delivered") != 0)
        w->out[group_of(group)][event->sequence] = NULL;
    if (strcmp(outcome, "acked") == 0 || strcmp(outcome, "dead") == 0)
        w->acked[group_of(group)][event->sequence] = true;
}

/* ---- peers ---- */

static void says(world *w, uint64_t session, sut_envelope env)
{
    env.version = SUT_PROTOCOL_VERSION;
    sut_core_input(w->core, w->now, session, &env);
}

static uint64_t connect(world *w, const char *name)
{
    const uint64_t session = sut_core_open(w->core, w->now, sut_str_from(name));
    says(w, session, (sut_envelope){.kind = SUT_HELLO, .id = 1});
    return session;
}

static void join(world *w, consumer *k)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    k->held_count = 0;
    k->group = w->calm ? (uint32_t)(k - w->consumers) % GROUPS : (uint32_t)draw(w, GROUPS);
    k->session = connect(w, "con");
    if (sut_mp_add_map(&b, 5) || sut_mp_add_str(&b, SUT_STR("subjects")) || sut_mp_add_array(&b, 1) ||
        sut_mp_add_str(&b, SUT_STR("open.*")) || sut_mp_add_str(&b, SUT_STR("group")) ||
        sut_mp_add_str(&b, sut_str_from(groups[k->group])) || sut_mp_add_str(&b, SUT_STR("credits")) ||
        sut_mp_add_uint(&b, CREDITS) || sut_mp_add_str(&b, SUT_STR("ack_wait_ms")) || sut_mp_add_uint(&b, 1000) ||
        sut_mp_add_str(&b, SUT_STR("start")) || sut_mp_add_str(&b, SUT_STR("beginning")))
        abort();
    says(w, k->session, (sut_envelope){.kind = SUT_SUBSCRIBE, .id = 5, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

static void consume(world *w, consumer *k)
{
    static const uint8_t kinds[] = {SUT_ACK, SUT_ACK, SUT_ACK, SUT_ACK, SUT_NACK, SUT_NACK, SUT_PROGRESS, SUT_TERM};
    if (k->held_count == 0)
        return;
    const uint32_t i = (uint32_t)draw(w, k->held_count);
    const held h = k->held[i];
    const bool poison = h.sequence % 37 == 0;
    sut_envelope env = {.kind = SUT_ACK, .id = 5, .opt = {.sequence = h.sequence, .attempt = h.attempt}};
    if (!w->calm)
        env.kind = kinds[draw(w, SUT_ARRAY_LEN(kinds))];
    if (poison && env.kind != SUT_PROGRESS)
        env.kind = SUT_NACK;
    if (env.kind == SUT_NACK && draw(w, 2))
        env.opt.retry_after_ms = (uint32_t)draw(w, 800);
    if (env.kind != SUT_PROGRESS && draw(w, 10) > 0) { /* else it answers it once more, later */
        memmove(&k->held[i], &k->held[i + 1], sizeof(held) * (k->held_count - i - 1));
        k->held_count--;
    }
    says(w, k->session, env);
}

static void leave(world *w, consumer *k)
{
    const uint64_t session = k->session, how = draw(w, 3);
    if (how == 1)
        says(w, session, (sut_envelope){.kind = SUT_BYE});
    for (uint64_t i = 1; i < w->next && how < 2; i++) { /* given back: no outcome is told */
        if (w->out[k->group][i] == k)
            w->out[k->group][i] = NULL;
    }
    if (how == 0)
        says(w, session, (sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 5});
    k->held_count = 0;
    sut_core_close(w->core, w->now, session);
    *k = (consumer){0};
}

/* ---- one run ---- */

static bool start(world *w)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop};
    static const sut_core_event_ops event_ops = {.event = on_event,
                                                 .wall_us = on_wall_us,
                                                 .random = on_random,
                                                 .publish = on_publish,
                                                 .read = on_read,
                                                 .save = on_save,
                                                 .bury = on_bury,
                                                 .forget = on_forget,
                                                 .delivery = on_delivery};
    w->limits = SUT_CORE_EVENT_LIMITS_DEFAULT;
    w->limits.group_window = draw(w, 2) ? 20 : 65536;
    w->limits.group_bytes = draw(w, 2) ? 0 : 4u << 20;
    if (sut_core_new(&w->core, NULL, &ops, w) || sut_core_events_start(w->core, &w->limits, &event_ops, 1, w->next))
        return false;
    sut_core_set_acl(w->core, w->now, w->acl);
    for (uint32_t i = 0; i < GROUPS; i++) {
        if (w->saved_len[i] && sut_core_group_restore(w->core, w->now, sut_str_from(groups[i]),
                                                      (sut_str){(const char *)w->saved[i], w->saved_len[i]}))
            broke(w, "a saved place cannot be read", i, 0);
    }
    return true;
}

static bool restart(world *w)
{
    w->core = sut_core_free(w->core);
    w->ask_count = 0;
    w->publisher = w->pong = 0;
    memset(w->consumers, 0, sizeof(w->consumers));
    memset(w->out, 0, sizeof(w->out));
    memcpy(w->acked, w->durable, sizeof(w->acked));
    return start(w);
}

static void pass(world *w, uint64_t ms)
{
    w->now += ms * SUT_NS_PER_MS;
    sut_core_tick(w->core, w->now);
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        consumer *k = &w->consumers[i];
        if (k->pong)
            says(w, k->session, (sut_envelope){.kind = SUT_PONG, .id = k->pong});
        k->pong = 0;
    }
    if (w->pong)
        says(w, w->publisher, (sut_envelope){.kind = SUT_PONG, .id = w->pong});
    w->pong = 0;
}

static bool step(world *w)
{
    consumer *k = &w->consumers[draw(w, CONSUMERS)];
    const uint64_t dice = draw(w, 1000);
    if (dice < 250 && !w->calm) {
        char key[2] = {(char)('0' + (char)draw(w, 5)), '\0'};
        if (!w->publisher)
            w->publisher = connect(w, "pub");
        says(w, w->publisher,
             (sut_envelope){.kind = SUT_PUBLISH,
                            .id = 1,
                            .subject = SUT_STR("open.said"),
                            .key = draw(w, 4) ? sut_str_from(key) : SUT_STR_NONE});
    } else if (dice < 550) {
        answer_some(w);
    } else if (dice < 650) {
        pass(w, 1 + draw(w, w->calm ? 150 : draw(w, 5) ? 60 : 400));
    } else if (dice < 655 && !w->calm && draw(w, 3) == 0) {
        return restart(w);
    } else if (dice < 670 && !w->calm && k->session) {
        leave(w, k);
    } else if (!k->session) {
        join(w, k);
    } else {
        consume(w, k);
    }
    return true;
}

static void check_end(world *w)
{
    sut_core_event_counts counts;
    for (uint32_t g = 0; g < GROUPS; g++) {
        for (uint64_t s = 1; s < w->next; s++) {
            if (w->saved_len[g] && !w->acked[g][s] && !w->dead[g][s])
                broke(w, "never ended, though all is well again", g, s);
        }
    }
    sut_core_get_event_counts(w->core, &counts);
    if (w->result->ok && counts.bytes_held != 0)
        broke(w, "memory is held for nothing", 0, counts.bytes_held);
}

bool sim_events_run(uint64_t seed, sim_result *result)
{
    char error[100];
    world *w = calloc(1, sizeof(*w));
    *result = (sim_result){.ok = w != NULL};
    if (!w)
        return false;
    w->result = result;
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 7;
    w->now = SUT_NS_PER_S;
    w->next = 1;
    w->asks = calloc(ASKS, sizeof(ask));
    result->ok = w->asks &&
                 !sut_acl_parse(&w->acl, SUT_STR("pub role=actor publish=>\ncon role=actor subscribe=>\n"), error,
                                sizeof(error)) &&
                 start(w);
    for (uint32_t i = 0; i < STEPS && result->ok; i++)
        result->ok = step(w) && result->ok;
    w->calm = true;
    for (uint32_t i = 0; i < CONSUMERS && result->ok; i++) { /* so that each group has some again */
        if (w->consumers[i].session)
            leave(w, &w->consumers[i]);
    }
    for (uint32_t i = 0; i < 8 * STEPS && result->ok; i++)
        result->ok = step(w) && result->ok;
    if (result->ok)
        check_end(w);
    sut_core_free(w->core);
    sut_acl_free(w->acl);
    free(w->asks);
    free(w);
    return result->ok;
}
