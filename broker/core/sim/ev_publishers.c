/* Who publishes: an unnamed publisher that says an event's id again when an answer was lost, alone or in batches, now
 * or later; and an outbox that numbers what it says, and is taken over by another process now and then. */
#include "events.h"

#include "wire/msgpack.h"

#include <stdlib.h>

/* ---- what is owed an answer ---- */

static ev_publish *find(ev_world *w, uint64_t session, uint64_t id)
{
    for (uint32_t i = 0; i < EV_PUBLISHES; i++) {
        if (w->publishes[i].session == session && (session == 0 || w->publishes[i].id == id))
            return &w->publishes[i];
    }
    return NULL;
}

uint32_t ev_publishes_open(const ev_world *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < EV_PUBLISHES; i++)
        count += w->publishes[i].session != 0;
    return count;
}

bool ev_publisher_of(const ev_world *w, uint64_t session)
{
    return session == w->pub.session || session == w->box.session;
}

void ev_publishers_lost(ev_world *w, ev_publisher *p)
{
    for (uint32_t i = 0; i < EV_PUBLISHES; i++) {
        ev_publish *open = &w->publishes[i];
        if (open->session == 0 || open->session != p->session)
            continue;
        for (uint32_t k = 0; k < open->count && p->unknown_count < SUT_ARRAY_LEN(p->unknown); k++)
            p->unknown[p->unknown_count++] = open->uids[k];
        *open = (ev_publish){0};
    }
    p->session = p->pong = 0;
}

static bool is_published(const ev_world *w, uint32_t uid)
{
    return w->sequence_of[uid] || w->delayed[uid];
}

static void source_answered(ev_world *w, const ev_publish *p, const sut_envelope *env, sut_str code)
{
    if (env->kind == SUT_PUBLISHED) {
        w->box_number++;
        w->box_uid = 0;
    } else if (sut_str_is(code, "fenced")) {
        ev_saw(w, SIM_PATH_FENCED);
        w->box_epoch = w->source_epoch + 1;
    } else if (sut_str_is(code, "source_gap")) {
        ev_broke(w, "an outbox without gaps was told of one", 0, p->uids[0]);
    }
}

void ev_publish_answered(ev_world *w, uint64_t session, const sut_envelope *env)
{
    ev_publish *p = find(w, session, env->id);
    sut_arena *a = NULL;
    sut_error_body e = {.code = SUT_STR("")};
    if (!p) {
        ev_broke(w, "a publish was answered twice, or nobody asked", 0, env->id);
        return;
    }
    for (uint32_t i = 0; i < p->count && env->kind == SUT_PUBLISHED; i++) {
        if (!is_published(w, p->uids[i]))
            ev_broke(w, "acknowledged, and the journal does not have it", 0, p->uids[i]);
    }
    if (env->kind == SUT_PUBLISHED && !p->batch && env->opt.sequence && w->log[env->opt.sequence].uid != p->uids[0])
        ev_broke(w, "acknowledged with the place of another one", 0, env->opt.sequence);
    if (env->kind == SUT_ERROR_REPLY && (sut_arena_new(&a, 0) || sut_error_body_decode(a, env->body, &e)))
        ev_broke(w, "an error that cannot be read", 0, env->id);
    if (sut_str_is(e.code, "overloaded"))
        ev_saw(w, SIM_PATH_OVERLOADED);
    if (session == w->box.session)
        source_answered(w, p, env, e.code);
    sut_arena_free(a);
    *p = (ev_publish){0};
}

/* ---- the unnamed one ---- */

static uint32_t make_event(ev_world *w)
{
    const uint32_t uid = ++w->uid_count;
    w->made[uid] = (ev_event){.uid = uid,
                              .key = (uint8_t)(ev_draw(w, 4) ? 1 + ev_draw(w, EV_KEYS) : 0),
                              .subject = (uint8_t)ev_draw(w, 2),
                              .user = (uint8_t)ev_draw(w, 3)};
    return uid;
}

static uint32_t pick(ev_world *w, ev_publisher *p)
{
    if (p->unknown_count == 0 || ev_draw(w, 3) == 0)
        return w->uid_count + 1 < EV_UIDS && !w->calm ? make_event(w) : 0;
    const uint32_t i = (uint32_t)ev_draw(w, p->unknown_count), uid = p->unknown[i];
    p->unknown[i] = p->unknown[--p->unknown_count];
    ev_saw(w, SIM_PATH_SAID_AGAIN);
    return uid;
}

static sut_str id_of(uint32_t uid, uint8_t id[SUT_EVENT_ID_LEN])
{
    memset(id, 0, SUT_EVENT_ID_LEN);
    memcpy(id, &uid, sizeof(uid));
    return (sut_str){(const char *)id, SUT_EVENT_ID_LEN};
}

static sut_status put_item(sut_buf *b, const ev_event *e)
{
    uint8_t id[SUT_EVENT_ID_LEN];
    sut_status st = sut_mp_add_map(b, e->user ? 4 : 3);
    st = st ? st : sut_mp_add_str(b, SUT_STR("subject"));
    st = st ? st : sut_mp_add_str(b, sut_str_from(ev_subjects[e->subject]));
    st = st ? st : sut_mp_add_str(b, SUT_STR("event_id"));
    st = st ? st : sut_mp_add_bin(b, id_of(e->uid, id));
    st = st ? st : sut_mp_add_str(b, SUT_STR("body"));
    st = st ? st : sut_mp_add_bin(b, SUT_STR("x"));
    if (!e->user)
        return st;
    st = st ? st : sut_mp_add_str(b, SUT_STR("principal"));
    st = st ? st : sut_mp_add_map(b, 2);
    st = st ? st : sut_mp_add_str(b, SUT_STR("user_id"));
    st = st ? st : sut_mp_add_uint(b, e->user);
    st = st ? st : sut_mp_add_str(b, SUT_STR("level"));
    return st ? st : sut_mp_add_uint(b, 1);
}

static void say_batch(ev_world *w, const ev_publish *p)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    sut_status st = sut_mp_add_map(&b, 1);
    st = st ? st : sut_mp_add_str(&b, SUT_STR("events"));
    st = st ? st : sut_mp_add_array(&b, p->count);
    for (uint32_t i = 0; i < p->count && !st; i++)
        st = put_item(&b, &w->made[p->uids[i]]);
    if (st)
        abort();
    ev_saw(w, SIM_PATH_BATCH);
    ev_says(w, p->session, (sut_envelope){.kind = SUT_PUBLISH, .id = p->id, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

static void say_one(ev_world *w, const ev_publish *p, uint64_t number)
{
    const ev_event *e = &w->made[p->uids[0]];
    uint8_t id[SUT_EVENT_ID_LEN];
    sut_envelope env = {.kind = SUT_PUBLISH,
                        .id = p->id,
                        .subject = sut_str_from(ev_subjects[e->subject]),
                        .principal = {.user_id = e->user, .level = e->user ? 1 : 0},
                        .opt = {.event_id = id_of(e->uid, id)}};
    if (number)
        env.opt.source = SUT_STR("box"), env.opt.number = number, env.opt.epoch = w->box_epoch;
    else if (ev_draw(w, 12) == 0)
        env.opt.not_before = ev_now_us(w) + (int64_t)ev_draw(w, 3000) * 1000;
    ev_says(w, p->session, env);
}

static ev_publish *open_publish(ev_world *w, ev_publisher *p, const char *name)
{
    ev_publish *open = find(w, 0, 0);
    if (!open)
        return NULL;
    if (!p->session)
        p->session = ev_connect(w, name);
    *open = (ev_publish){.session = p->session, .id = ++p->next_id};
    return open;
}

void ev_publish_step(ev_world *w)
{
    uint32_t uid = pick(w, &w->pub);
    ev_publish *p = uid ? open_publish(w, &w->pub, "pub") : NULL;
    if (!p)
        return;
    p->uids[p->count++] = uid;
    while (p->count < EV_BATCH && ev_draw(w, 8) == 0 && (uid = pick(w, &w->pub)))
        p->uids[p->count++] = uid;
    p->batch = p->count > 1;
    const ev_publish said = *p; /* it may be answered at once */
    if (said.batch)
        say_batch(w, &said);
    else
        say_one(w, &said, 0);
}

/* ---- the outbox: one at a time, the same one until it is acknowledged ---- */

static bool under_way(const ev_world *w)
{
    for (uint32_t i = 0; i < EV_PUBLISHES; i++) {
        if (w->box.session && w->publishes[i].session == w->box.session)
            return true;
    }
    return false;
}

void ev_source_step(ev_world *w)
{
    if (!w->calm && ev_draw(w, 40) == 0) /* another process; or an old one that wakes up */
        w->box_epoch = ev_draw(w, 3) ? w->box_epoch + 1 : w->box_epoch - (w->box_epoch > 1);
    if (under_way(w) || (!w->box_uid && (w->calm || w->uid_count + 1 >= EV_UIDS)))
        return;
    if (!w->box_uid)
        w->box_uid = make_event(w);
    ev_publish *p = open_publish(w, &w->box, "box");
    if (!p)
        return;
    p->uids[p->count++] = w->box_uid;
    const ev_publish said = *p;
    say_one(w, &said, w->box_number + 1);
}
