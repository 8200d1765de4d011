/* The events of the broker's core, driven by a program of bytes: peers that publish, subscribe and answer with bodies
 * and numbers that nobody checked before, operators that mistype, saved places that are damaged, and a journal that
 * answers late, in any order and with errors. What must hold: everything emitted can be encoded, to a session that is
 * open; what is asked of the journal keeps the bounds that its port has; and nothing is left when all have gone. */
#include "core/events.h"
#include "fuzz.h"

#include "base/clock.h"

#include <errno.h>

#define PEERS    4
#define ASKS     256
#define LOG      512
#define OPS_MAX  500
#define BODY_MAX 512
#define STEP_NS  (20 * SUT_NS_PER_MS)
#define ACL_TEXT                                                                                                       \
    "user role=actor serve=user publish=> subscribe=>\n"                                                               \
    "tool role=tool publish=open.* subscribe=>\n"                                                                      \
    "oper role=operator publish=> subscribe=>\n"                                                                       \
    "edge role=edge subscribe=user.>,open.*\n"

typedef enum ask_kind { ASK_PUBLISH, ASK_READ, ASK_SAVE, ASK_BURY, ASK_FORGET } ask_kind;
typedef struct ask {
    ask_kind kind;
    uint64_t tag, from;
    size_t count;
} ask;

typedef struct world {
    const uint8_t *at, *end;
    sut_core *core;
    uint64_t now, random;
    uint64_t sessions[PEERS];
    uint64_t given[PEERS]; /* the sequence of the last delivery, and its attempt */
    uint32_t given_attempt[PEERS];
    ask asks[ASKS];
    size_t ask_count;
    uint64_t next_sequence, oldest;
    sut_buf out;
} world;

static unsigned next(world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

static uint64_t number(world *w)
{
    static const uint64_t edges[] = {0, 1, UINT32_MAX, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
    const unsigned which = next(w);
    return which < SUT_ARRAY_LEN(edges) ? edges[which] : which - SUT_ARRAY_LEN(edges);
}

static sut_str bytes(world *w, size_t max)
{
    size_t len = next(w) | (max > 255 ? (size_t)(next(w) & 1) << 8 : 0);
    const size_t left = (size_t)(w->end - w->at);
    len = len < left ? len : left;
    len = len < max ? len : max;
    const sut_str s = {(const char *)w->at, len};
    w->at += len;
    return s;
}

static int peer_of(const world *w, uint64_t session)
{
    for (int i = 0; i < PEERS; i++)
        if (w->sessions[i] == session)
            return i;
    return -1;
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    world *w = app;
    const int peer = peer_of(w, session);
    MUST(peer >= 0);
    sut_buf_reset(&w->out);
    MUST(sut_envelope_encode(&w->out, env) == 0);
    if (env->kind != SUT_DELIVER)
        return;
    MUST(env->opt.sequence > 0 && env->opt.sequence < w->next_sequence && env->opt.attempt > 0);
    w->given[peer] = env->opt.sequence;
    w->given_attempt[peer] = env->opt.attempt;
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    world *w = app;
    const int peer = peer_of(w, session);
    MUST(peer >= 0 && sut_drop_reason_name(reason));
    w->sessions[peer] = 0;
}

/* ---- the journal ---- */

static sut_status asked(world *w, ask_kind kind, uint64_t tag, uint64_t from, size_t count)
{
    if (w->ask_count == ASKS)
        return -EAGAIN;
    w->asks[w->ask_count++] = (ask){.kind = kind, .tag = tag, .from = from, .count = count};
    return 0;
}

static void on_event(void *app, sut_str subject, sut_core_event_desc *out)
{
    (void)app;
    *out =
        (sut_core_event_desc){.known = subject.len % 7 != 0, .open = subject.ptr[0] == 'o', .service = SUT_STR("user")};
}

static sut_str on_group_service(void *app, sut_str group)
{
    (void)app;
    return group.len > 0 && group.ptr[0] == 'u' ? SUT_STR("user") : SUT_STR_NONE;
}

static int64_t on_wall_us(void *app)
{
    return (int64_t)(((world *)app)->now / SUT_NS_PER_US);
}

static uint64_t on_random(void *app)
{
    return sut_prng(&((world *)app)->random);
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    MUST(count >= 1 && count <= SUT_PUBLISH_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        const sut_stored_event *e = &events[i];
        MUST(sut_subject_valid(e->subject) && e->key.len <= SUT_KEY_MAX && e->source.len <= SUT_SOURCE_MAX);
        MUST(e->publisher.len > 0 && e->principal.user_id >= 0 && e->principal.level != 2);
        MUST((e->source.len > 0) == (e->number > 0));
    }
    return asked(app, ASK_PUBLISH, tag, 0, count);
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    MUST(r->pattern_count >= 1 && r->pattern_count <= SUT_GROUP_SUBJECTS && r->max_events > 0 && r->max_bytes > 0);
    return asked(app, ASK_READ, tag, r->from, r->max_events);
}

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    MUST(group.len > 0 && group.len <= SUT_GROUP_NAME_MAX && value.len <= 64u << 10);
    return asked(app, ASK_SAVE, tag, 0, 0);
}

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    MUST(d->event->sequence > 0 && d->attempt_count <= 8);
    for (size_t i = 0; i < d->attempt_count; i++)
        MUST(sut_utf8_valid(d->attempts[i].message, NULL) && sut_utf8_valid(d->attempts[i].code, NULL));
    return asked(app, ASK_BURY, tag, 0, 0);
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    MUST(dead_id > 0);
    return asked(app, ASK_FORGET, tag, 0, 0);
}

static void on_delivery(void *app, const char *outcome, sut_str group, sut_str consumer, const sut_stored_event *event,
                        uint32_t attempt, uint64_t took_ns)
{
    (void)app, (void)attempt, (void)took_ns, (void)consumer;
    MUST(outcome && group.len > 0 && event->sequence > 0);
}

static sut_stored_event event_at(uint64_t sequence)
{
    static const char keys[] = "abcd";
    return (sut_stored_event){.sequence = sequence,
                              .time_us = (int64_t)sequence * 100000,
                              .subject = sequence % 3 ? SUT_STR("open.said") : SUT_STR("user.made"),
                              .key = sequence % 5 ? (sut_str){keys + sequence % 4, 1} : SUT_STR_NONE,
                              .publisher = SUT_STR("user"),
                              .body = SUT_STR("\x80")};
}

static void append(world *w, size_t count)
{
    static sut_stored_event events[SUT_PUBLISH_BATCH_MAX];
    size_t n = 0;
    while (n < count && w->next_sequence < LOG)
        events[n++] = event_at(w->next_sequence++);
    sut_core_appended(w->core, w->now, events, n, w->next_sequence);
}

static void answer_read(world *w, const ask *a, sut_status st)
{
    static sut_stored_event found[LOG];
    size_t count = 0;
    uint64_t s = a->from < w->oldest ? w->oldest : a->from;
    for (; s < w->next_sequence && count < a->count; s++)
        found[count++] = event_at(s);
    sut_core_read_done(w->core, w->now, a->tag, st, found, st ? 0 : count, s, w->oldest);
}

static void answer(world *w, unsigned which, sut_status st)
{
    static struct sut_core_position positions[SUT_PUBLISH_BATCH_MAX];
    if (w->ask_count == 0)
        return;
    which %= (unsigned)w->ask_count;
    const ask a = w->asks[which];
    w->asks[which] = w->asks[--w->ask_count];
    const sut_core_publish_answer said = {
        .err = st ? SUT_ERR_STORAGE_FULL : 0, .positions = positions, .count = st ? 0 : a.count};
    switch (a.kind) {
    case ASK_PUBLISH:
        sut_core_published(w->core, w->now, a.tag, &said);
        if (!st)
            append(w, a.count);
        break;
    case ASK_READ: answer_read(w, &a, st); break;
    case ASK_BURY: sut_core_buried(w->core, w->now, a.tag, st, 1); break;
    case ASK_SAVE:
    case ASK_FORGET: sut_core_saved(w->core, w->now, a.tag, st); break;
    }
}

/* ---- peers ---- */

static void say(world *w, unsigned peer, const sut_envelope *env)
{
    sut_buf_reset(&w->out);
    if (sut_envelope_encode(&w->out, env)) /* no wire could have carried it */
        return;
    sut_envelope read;
    size_t used;
    FUZZ_BUF(copy); /* what is emitted meanwhile goes into `out` */
    MUST(sut_buf_append(&copy, w->out.data, w->out.len) == 0);
    if (sut_envelope_decode(copy.data, copy.len, &read, &used) == SUT_ENV_OK)
        sut_core_input(w->core, w->now, w->sessions[peer], &read);
}

static void connect(world *w, unsigned peer)
{
    static const char *const names[PEERS] = {"user", "tool", "oper", "edge"};
    if (w->sessions[peer])
        return;
    w->sessions[peer] = sut_core_open(w->core, w->now, sut_str_from(names[peer]));
    say(w, peer, &(sut_envelope){.version = 1, .kind = SUT_HELLO, .id = 1});
}

static void publish(world *w, unsigned peer)
{
    static const char *const subjects[] = {"", "", "open.said", "user.made", "other.thing"};
    const unsigned flags = next(w);
    sut_envelope env = {.version = 1,
                        .kind = SUT_PUBLISH,
                        .id = next(w),
                        .subject = sut_str_from(subjects[next(w) % SUT_ARRAY_LEN(subjects)])};
    if (flags & 1) {
        env.opt.source = bytes(w, SUT_SOURCE_MAX);
        env.opt.number = number(w);
        env.opt.epoch = number(w);
    }
    if (flags & 2)
        env.opt.not_before = (int64_t)(number(w) & INT64_MAX);
    if (flags & 4)
        env.principal = (sut_principal){.user_id = 7, .level = 1};
    if (flags & 8)
        env.opt.replayed = 1;
    if (flags & 16)
        env.key = bytes(w, SUT_KEY_MAX);
    env.body = bytes(w, BODY_MAX);
    say(w, peer, &env);
}

static sut_str subscribe_body(world *w, sut_buf *b)
{
    static const char *const patterns[] = {"open.*", "user.>", ">", "open.said"};
    static const char *const groups[] = {"g", "h", "user-all"};
    const unsigned flags = next(w);
    MUST(sut_mp_add_map(b, 3u + ((flags & 1) != 0)) == 0);
    MUST(sut_mp_add_str(b, SUT_STR("subjects")) == 0 && sut_mp_add_array(b, 1) == 0);
    MUST(sut_mp_add_str(b, sut_str_from(patterns[flags >> 2 & 3])) == 0);
    MUST(sut_mp_add_str(b, SUT_STR("credits")) == 0 && sut_mp_add_uint(b, 1 + next(w) % 4) == 0);
    MUST(sut_mp_add_str(b, SUT_STR("start")) == 0);
    if (flags & 2)
        MUST(sut_mp_add_str(b, SUT_STR("beginning")) == 0);
    else
        MUST(sut_mp_add_map(b, 1) == 0 && sut_mp_add_str(b, flags & 16 ? SUT_STR("time") : SUT_STR("sequence")) == 0 &&
             sut_mp_add_uint(b, number(w)) == 0);
    if (flags & 1)
        MUST(sut_mp_add_str(b, SUT_STR("group")) == 0 &&
             sut_mp_add_str(b, sut_str_from(groups[(flags >> 5) % 3])) == 0);
    return fuzz_str(b);
}

static void subscribe(world *w, unsigned peer, bool raw)
{
    FUZZ_BUF(b);
    sut_envelope env = {.version = 1, .kind = SUT_SUBSCRIBE, .id = next(w) % 8};
    env.body = raw ? bytes(w, BODY_MAX) : subscribe_body(w, &b);
    say(w, peer, &env);
}

static void answer_delivery(world *w, unsigned peer)
{
    static const uint8_t kinds[] = {SUT_ACK, SUT_ACK, SUT_NACK, SUT_TERM, SUT_PROGRESS, SUT_UNSUBSCRIBE};
    const unsigned flags = next(w);
    sut_envelope env = {.version = 1, .kind = kinds[next(w) % SUT_ARRAY_LEN(kinds)], .id = next(w) % 8};
    env.opt.sequence = flags & 1 ? number(w) : w->given[peer];
    env.opt.attempt = flags & 2 ? next(w) : w->given_attempt[peer];
    env.opt.retry_after_ms = flags & 4 ? (uint32_t)number(w) : 0;
    if (flags & 8)
        env.body = bytes(w, BODY_MAX);
    say(w, peer, &env);
}

/* ---- operators, and what was saved ---- */

static void command(world *w)
{
    static const double speeds[] = {0, 1, 0.5, 1e300, -1};
    char error[200] = "";
    sut_str subjects[2] = {SUT_STR("open.*"), bytes(w, 40)};
    const sut_group_command cmd = {.action = (sut_group_action)(next(w) % (SUT_GROUP_STOP + 1)),
                                   .group = next(w) % 4 ? SUT_STR("g") : bytes(w, 80),
                                   .subjects = subjects,
                                   .subject_count = 1 + next(w) % 2,
                                   .from = number(w),
                                   .from_time_us = (int64_t)(number(w) & INT64_MAX),
                                   .to = number(w),
                                   .speed = speeds[next(w) % SUT_ARRAY_LEN(speeds)]};
    if (sut_core_group_command(w->core, w->now, &cmd, error, sizeof(error)))
        MUST(error[0] != 0);
}

static void redrive(world *w)
{
    char error[200] = "";
    const sut_core_attempt attempt = {.attempt = (uint32_t)number(w), .code = SUT_STR("x"), .message = SUT_STR("y")};
    const uint64_t sequence = 1 + next(w) % 64;
    const sut_stored_event event = event_at(sequence < w->next_sequence ? sequence : 1);
    if (w->next_sequence > 1 &&
        sut_core_redrive(w->core, w->now, SUT_STR("g"), 1 + next(w) % 4, &event, &attempt, 1, error, sizeof(error)))
        MUST(error[0] != 0);
}

static void restore(world *w)
{
    char name[] = "saved-0";
    name[6] = (char)('0' + next(w) % 8);
    const sut_str value = bytes(w, BODY_MAX);
    const sut_status st = sut_core_group_restore(w->core, w->now, sut_str_from(name), value);
    MUST(st <= 0);
}

static void see_group(const sut_core_group_view *v, void *arg)
{
    (void)arg;
    MUST(v->name.len > 0 && v->subject_count > 0 && v->window <= 64);
}

static void step(world *w)
{
    const unsigned op = next(w), peer = op >> 4 & 3;
    switch (op & 15) {
    case 0: connect(w, peer); break;
    case 1:
        sut_core_close(w->core, w->now, w->sessions[peer]);
        w->sessions[peer] = 0;
        break;
    case 2:
    case 3:
        w->now += STEP_NS * (1 + next(w) % 64);
        sut_core_tick(w->core, w->now);
        break;
    case 4: publish(w, peer); break;
    case 5: subscribe(w, peer, true); break;
    case 6: subscribe(w, peer, false); break;
    case 7: answer_delivery(w, peer); break;
    case 8: command(w); break;
    case 9: redrive(w); break;
    case 10: restore(w); break;
    case 11: answer(w, next(w), -EIO); break;
    case 12: append(w, next(w) % 8); break;
    case 13:
        w->oldest += next(w) % 8;
        w->oldest = w->oldest < w->next_sequence ? w->oldest : w->next_sequence;
        sut_core_retained(w->core, w->now, w->oldest);
        break;
    default: answer(w, next(w), 0); break;
    }
    sut_core_each_group(w->core, see_group, NULL);
}

static void finish(world *w)
{
    sut_core_event_counts counts;
    for (int i = 0; i < PEERS; i++) {
        sut_core_close(w->core, w->now, w->sessions[i]);
        w->sessions[i] = 0;
    }
    for (int i = 0; i < 40; i++) {
        for (int k = 0; w->ask_count > 0 && k < 1000; k++)
            answer(w, 0, 0);
        w->now += 30 * SUT_NS_PER_S;
        sut_core_tick(w->core, w->now);
    }
    sut_core_get_event_counts(w->core, &counts);
    MUST(counts.subscriptions == 0 && counts.publishes_pending == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop};
    static const sut_core_event_ops event_ops = {.event = on_event,
                                                 .group_service = on_group_service,
                                                 .wall_us = on_wall_us,
                                                 .random = on_random,
                                                 .publish = on_publish,
                                                 .read = on_read,
                                                 .save = on_save,
                                                 .bury = on_bury,
                                                 .forget = on_forget,
                                                 .delivery = on_delivery};
    static world w; /* large */
    static sut_acl *acl;
    char error[200];
    sut_core_event_limits limits = SUT_CORE_EVENT_LIMITS_DEFAULT;
    limits.group_window = 64;
    limits.group_bytes = 2048;
    limits.event_bytes = 128u << 10;
    limits.max_groups = 8;
    if (!acl)
        MUST(sut_acl_parse(&acl, SUT_STR(ACL_TEXT), error, sizeof error) == 0);
    memset(&w, 0, sizeof w);
    w.at = data;
    w.end = data + size;
    w.now = SUT_NS_PER_S;
    w.next_sequence = w.oldest = 1;
    sut_buf_init(&w.out, 0);
    MUST(sut_core_new(&w.core, NULL, &ops, &w) == 0);
    MUST(sut_core_events_start(w.core, &limits, &event_ops, 1, 1) == 0);
    sut_core_set_acl(w.core, w.now, acl);
    for (int i = 0; i < OPS_MAX && w.at < w.end; i++)
        step(&w);
    finish(&w);
    w.core = sut_core_free(w.core);
    sut_buf_deinit(&w.out);
    return 0;
}
