/* Who subscribes: consumers of groups that ack, nack, give up, hang, answer twice and die; listeners that answer when
 * they please, lose their session and go on behind what they were told of. */
#include "events.h"

#include "wire/msgpack.h"

#include <stdlib.h>

typedef struct wanted {
    const char *group;
    uint32_t patterns, credits;
    uint8_t key, user;
    uint64_t sequence; /* 0: as `start` says */
    int64_t time_us;
    const char *start;
} wanted;

static sut_status put_text(sut_buf *b, const char *name, sut_str text)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_str(b, text);
}

static sut_status put_number(sut_buf *b, const char *name, uint64_t number)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(name));
    return st ? st : sut_mp_add_uint(b, number);
}

static sut_status put_subjects(sut_buf *b, uint32_t patterns)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("subjects"));
    st = st ? st : sut_mp_add_array(b, 1);
    return st ? st : sut_mp_add_str(b, patterns == 3 ? SUT_STR("open.*") : sut_str_from(ev_subjects[patterns >> 1]));
}

static sut_status put_start(sut_buf *b, const wanted *o)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("start"));
    if (!o->sequence && !o->time_us)
        return st ? st : sut_mp_add_str(b, sut_str_from(o->start));
    st = st ? st : sut_mp_add_map(b, 1);
    return st ? st : o->sequence ? put_number(b, "sequence", o->sequence) : put_number(b, "time", (uint64_t)o->time_us);
}

static void subscribe(ev_world *w, uint64_t session, const wanted *o)
{
    static const char keys[] = "abcdefgh";
    sut_buf b;
    sut_buf_init(&b, 0);
    sut_status st = sut_mp_add_map(&b, (size_t)3 + (o->group ? 2 : 0) + (o->key != 0) + (o->user != 0));
    st = st ? st : put_subjects(&b, o->patterns);
    st = st ? st : put_start(&b, o);
    st = st ? st : put_number(&b, "credits", o->credits);
    if (o->group)
        st = st ? st : put_text(&b, "group", sut_str_from(o->group));
    if (o->group)
        st = st ? st : put_number(&b, "ack_wait_ms", 1000);
    if (o->key)
        st = st ? st : put_text(&b, "key", (sut_str){keys + o->key, 1});
    if (o->user)
        st = st ? st : put_number(&b, "user_id", o->user);
    if (st)
        abort();
    ev_says(w, session, (sut_envelope){.kind = SUT_SUBSCRIBE, .id = EV_SUB, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

/* ---- consumers ---- */

static uint64_t first_at(const ev_world *w, int64_t time_us)
{
    uint64_t s = w->oldest;
    while (s < w->next && w->log[s].time_us < time_us)
        s++;
    return s;
}

static bool has_member(const ev_world *w, uint32_t group)
{
    for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
        if (w->consumers[i].session && !w->consumers[i].ended && w->consumers[i].group == group)
            return true;
    }
    return false;
}

/* The first consumer makes its group; where that begins is known at once, but for a time. */
static void expect_group(ev_world *w, uint32_t group, wanted *o)
{
    ev_group *g = &w->groups[group];
    const uint64_t dice = ev_draw(w, 4);
    o->start = dice == 0 ? "end" : "beginning";
    if (dice == 1)
        o->sequence = w->told_oldest + ev_draw(w, w->told_next - w->told_oldest + 1);
    else if (dice == 2 && w->told_next > w->told_oldest)
        o->time_us = w->log[w->told_oldest + ev_draw(w, w->told_next - w->told_oldest)].time_us;
    g->now = (ev_stand){.exists = true, .generation = 1, .generation_last = 1};
    g->now.start = dice == 0     ? w->told_next
                   : o->sequence ? o->sequence
                   : o->time_us  ? first_at(w, o->time_us)
                                 : w->told_oldest;
    g->now.by_time = o->time_us != 0;
    g->cursor = g->passed = 0;
}

void ev_consumer_join(ev_world *w, ev_consumer *k)
{
    *k = (ev_consumer){.credits = 1 + (uint32_t)ev_draw(w, EV_CREDITS)};
    k->group = w->calm ? (uint32_t)(k - w->consumers) % EV_GROUPS : (uint32_t)ev_draw(w, EV_GROUPS);
    wanted o = {
        .group = ev_groups[k->group], .patterns = ev_group_patterns[k->group], .credits = k->credits, .start = "end"};
    const uint64_t session = ev_connect(w, "con");
    if (!w->groups[k->group].now.exists)
        expect_group(w, k->group, &o);
    else if (!has_member(w, k->group))
        ev_group_pace(w, k->group);
    k->session = session;
    subscribe(w, k->session, &o);
}

static uint8_t answer_of(ev_world *w, uint64_t sequence)
{
    static const uint8_t kinds[] = {SUT_ACK,  SUT_ACK,  SUT_ACK,      SUT_ACK, SUT_ACK,
                                    SUT_NACK, SUT_NACK, SUT_PROGRESS, SUT_TERM};
    const uint8_t kind = w->calm ? SUT_ACK : kinds[ev_draw(w, SUT_ARRAY_LEN(kinds))];
    return w->log[sequence].uid % 37 == 0 && kind != SUT_PROGRESS ? SUT_NACK : kind; /* poison */
}

void ev_consumer_answer(ev_world *w, ev_consumer *k)
{
    if (k->held_count == 0)
        return;
    const uint32_t i = (uint32_t)ev_draw(w, k->held_count);
    const ev_held h = k->held[i];
    sut_envelope env = {
        .kind = answer_of(w, h.sequence), .id = EV_SUB, .opt = {.sequence = h.sequence, .attempt = h.attempt}};
    if (env.kind == SUT_NACK && ev_draw(w, 2))
        env.opt.retry_after_ms = (uint32_t)ev_draw(w, 800);
    if (!w->calm && ev_draw(w, 30) == 0) { /* not of this delivery at all */
        env.opt.attempt = (uint32_t)ev_draw(w, 3) ? h.attempt + 1 : h.attempt - 1;
        ev_saw(w, SIM_PATH_STALE_ACK);
    } else if (env.kind != SUT_PROGRESS && (w->calm || ev_draw(w, 10) > 0)) { /* else once more, later */
        memmove(&k->held[i], &k->held[i + 1], sizeof(ev_held) * (k->held_count - i - 1));
        k->held_count--;
    }
    w->said = (ev_held){h.sequence, env.opt.attempt};
    ev_says(w, k->session, env);
    w->said = (ev_held){0};
}

void ev_consumer_leave(ev_world *w, ev_consumer *k)
{
    const uint64_t session = k->session, how = ev_draw(w, 3);
    if (how == 1)
        ev_says(w, session, (sut_envelope){.kind = SUT_BYE});
    if (how < 2)
        ev_group_given_back(w, k);
    if (how == 0)
        ev_says(w, session, (sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = EV_SUB});
    k->held_count = 0;
    sut_core_close(w->core, w->now, session);
    *k = (ev_consumer){0};
}

/* ---- listeners ---- */

void ev_listener_join(ev_world *w, ev_listener *k)
{
    wanted o = {.start = "end"};
    if (k->next == 0 || k->next > w->told_next) { /* or it heard more than this life of the broker has been told of */
        *k = (ev_listener){.credits = 1 + (uint32_t)ev_draw(w, EV_CREDITS * 4),
                           .patterns = 1 + (uint32_t)ev_draw(w, 3),
                           .key = (uint8_t)(ev_draw(w, 3) ? 0 : 1 + ev_draw(w, EV_KEYS)),
                           .user = (uint8_t)(ev_draw(w, 4) ? 0 : 1 + ev_draw(w, 2)),
                           .lazy = 1 + (uint32_t)ev_draw(w, 12)};
        o.start = ev_draw(w, 2) ? "end" : "beginning";
        k->next = o.start[0] == 'e' ? w->told_next : w->told_oldest;
    } else {
        o.sequence = k->next;
        ev_saw(w, SIM_PATH_LISTENER_RESUMED);
    }
    k->out_count = 0;
    k->subscribed = true;
    o.patterns = k->patterns;
    o.credits = k->credits;
    o.key = k->key;
    o.user = k->user;
    const uint64_t session = ev_connect(w, "eph");
    k->session = session;
    subscribe(w, session, &o);
}

void ev_listener_ack(ev_world *w, ev_listener *k)
{
    if (!k->subscribed) {
        ev_listener_leave(w, k);
        return;
    }
    if (k->out_count == 0 || (!w->calm && ev_draw(w, k->lazy)))
        return;
    const uint32_t count = w->calm ? k->out_count : 1 + (uint32_t)ev_draw(w, k->out_count);
    const uint64_t sequence = k->out[count - 1];
    memmove(k->out, k->out + count, sizeof(k->out[0]) * (k->out_count - count));
    k->out_count -= count;
    ev_says(w, k->session, (sut_envelope){.kind = SUT_ACK, .id = EV_SUB, .opt = {.sequence = sequence}});
}

void ev_listener_leave(ev_world *w, ev_listener *k)
{
    const uint64_t session = k->session;
    if (ev_draw(w, 2))
        ev_says(w, session, (sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = EV_SUB});
    sut_core_close(w->core, w->now, session);
    k->session = k->pong = 0;
    k->out_count = 0;
    k->subscribed = false;
}
