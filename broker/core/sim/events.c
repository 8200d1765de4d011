/* The world of events: time, the core's outputs, its lives, and one run from its first to its last step, all from one
 * seed. What is broken first is noted; see events.h for the parts. */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS       2200
#define DRAIN_STEPS 400

const char *const ev_subjects[2] = {"open.said", "open.done"};
const char *const ev_groups[EV_GROUPS] = {"alpha", "beta", "gamma"};
const uint32_t ev_group_patterns[EV_GROUPS] = {3, 1, 3}; /* bits of subjects */

const char *const sim_path_names[SIM_PATH_COUNT] = {
    [SIM_PATH_JOURNAL_BUSY] = "journal_busy",
    [SIM_PATH_STORAGE_FULL] = "storage_full",
    [SIM_PATH_OVERLOADED] = "overloaded",
    [SIM_PATH_SAID_AGAIN] = "said_again",
    [SIM_PATH_DUPLICATE] = "duplicate",
    [SIM_PATH_SOURCE_DUPLICATE] = "source_duplicate",
    [SIM_PATH_FENCED] = "fenced",
    [SIM_PATH_BATCH] = "batch",
    [SIM_PATH_DELAYED] = "delayed",
    [SIM_PATH_TOLD_LATE] = "told_late",
    [SIM_PATH_READ_AHEAD] = "read_ahead",
    [SIM_PATH_RETAINED] = "retained",
    [SIM_PATH_ACKED] = "acked",
    [SIM_PATH_NACKED] = "nacked",
    [SIM_PATH_EXPIRED] = "expired",
    [SIM_PATH_CONSUMER_LOST] = "consumer_lost",
    [SIM_PATH_TERMED] = "termed",
    [SIM_PATH_DEAD] = "dead",
    [SIM_PATH_BURY_FAILED] = "bury_failed",
    [SIM_PATH_LAST_TRY] = "last_try",
    [SIM_PATH_STALE_ACK] = "stale_ack",
    [SIM_PATH_EATEN] = "eaten",
    [SIM_PATH_WINDOW_FULL] = "window_full",
    [SIM_PATH_GROUP_GAP] = "group_gap",
    [SIM_PATH_SLOW_GAP] = "slow_gap",
    [SIM_PATH_LISTENER_GAP] = "listener_gap",
    [SIM_PATH_MARKER] = "marker",
    [SIM_PATH_LISTENER_RESUMED] = "listener_resumed",
    [SIM_PATH_LISTENER_REFUSED] = "listener_refused",
    [SIM_PATH_REDRIVEN] = "redriven",
    [SIM_PATH_REDRIVEN_ACKED] = "redriven_acked",
    [SIM_PATH_REDRIVEN_DEAD] = "redriven_dead",
    [SIM_PATH_PAUSED] = "paused",
    [SIM_PATH_DELETED] = "deleted",
    [SIM_PATH_REPLAY] = "replay",
    [SIM_PATH_REPLAY_NEW] = "replay_new",
    [SIM_PATH_REPLAY_PACED] = "replay_paced",
    [SIM_PATH_REPLAY_STOPPED] = "replay_stopped",
    [SIM_PATH_REPLAY_ENDED] = "replay_ended",
    [SIM_PATH_REPLAY_RESTARTED] = "replay_restarted",
    [SIM_PATH_RESTART] = "restart",
    [SIM_PATH_DRAINED] = "drained",
};

uint64_t ev_draw(ev_world *w, uint64_t below)
{
    return sut_prng(&w->random) % below;
}

void ev_broke(ev_world *w, const char *rule, uint32_t group, uint64_t sequence)
{
    if (!w->result->ok)
        return;
    w->result->ok = false;
    (void)snprintf(w->result->reason, sizeof(w->result->reason), "events, at %.3f ms: %s (group %s, number %llu)",
                   (double)w->now / 1e6, rule, ev_groups[group], (unsigned long long)sequence);
}

/* ---- the core's outputs ---- */

static void hash(ev_world *w, uint64_t session, const sut_envelope *env)
{
    const uint64_t numbers[] = {session, env->kind, env->id, env->opt.sequence, env->opt.attempt, w->now};
    for (size_t i = 0; i < SUT_ARRAY_LEN(numbers); i++)
        w->result->hash = (w->result->hash ^ numbers[i]) * UINT64_C(1099511628211);
}

/* Its group is not made after all. */
static void not_subscribed(ev_world *w, ev_consumer *k)
{
    sut_core_group_view v;
    k->ended = true;
    if (!ev_group_view(w, k->group, &v))
        w->groups[k->group].now = (ev_stand){0};
}

static void consumer_hears(ev_world *w, ev_consumer *k, const sut_envelope *env)
{
    switch (env->kind) {
    case SUT_PING: k->pong = env->id; break;
    case SUT_ERROR_REPLY: not_subscribed(w, k); break;
    case SUT_GAP: ev_saw(w, SIM_PATH_GROUP_GAP); break;
    case SUT_REPLY:
        if (!w->groups[k->group].durable.exists)
            ev_broke(w, "subscribed to a group that is not on disk", k->group, 0);
        k->answered = true;
        break;
    case SUT_DELIVER:
        ev_group_delivered(w, k, env);
        if (k->held_count == EV_HELD)
            memmove(k->held, k->held + 1, sizeof(ev_held) * --k->held_count);
        k->held[k->held_count++] = (ev_held){env->opt.sequence, env->opt.attempt};
        break;
    default: break;
    }
}

static ev_consumer *consumer_of(ev_world *w, uint64_t session)
{
    for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
        if (w->consumers[i].session == session)
            return &w->consumers[i];
    }
    return NULL;
}

static ev_listener *listener_of(ev_world *w, uint64_t session)
{
    for (uint32_t i = 0; i < EV_LISTENERS; i++) {
        if (w->listeners[i].session == session)
            return &w->listeners[i];
    }
    return NULL;
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    ev_world *w = app;
    hash(w, session, env);
    ev_consumer *k = consumer_of(w, session);
    ev_listener *l = listener_of(w, session);
    if (k) {
        consumer_hears(w, k, env);
    } else if (l && env->kind == SUT_PING) {
        l->pong = env->id;
    } else if (l && env->kind == SUT_ERROR_REPLY) {
        l->subscribed = false; /* no memory for it now */
        ev_saw(w, SIM_PATH_LISTENER_REFUSED);
    } else if (l) {
        ev_listener_heard(w, l, env);
    } else if (ev_publisher_of(w, session)) {
        if (env->kind == SUT_PING)
            *(session == w->pub.session ? &w->pub.pong : &w->box.pong) = env->id;
        else if (env->kind == SUT_PUBLISHED || env->kind == SUT_ERROR_REPLY)
            ev_publish_answered(w, session, env);
    }
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    ev_world *w = app;
    ev_consumer *k = consumer_of(w, session);
    ev_listener *l = listener_of(w, session);
    (void)reason;
    if (k)
        *k = (ev_consumer){0};
    else if (l)
        l->session = l->pong = 0;
    else if (session == w->pub.session)
        ev_publishers_lost(w, &w->pub);
    else if (session == w->box.session)
        ev_publishers_lost(w, &w->box);
}

/* ---- peers' inputs ---- */

void ev_says(ev_world *w, uint64_t session, sut_envelope env)
{
    env.version = SUT_PROTOCOL_VERSION;
    sut_core_input(w->core, w->now, session, &env);
}

uint64_t ev_connect(ev_world *w, const char *name)
{
    const uint64_t session = sut_core_open(w->core, w->now, sut_str_from(name));
    if (session == 0)
        ev_broke(w, "no session for a peer", 0, 0);
    ev_says(w, session, (sut_envelope){.kind = SUT_HELLO, .id = 1});
    return session;
}

/* ---- lives of the broker ---- */

static void restore(ev_world *w, uint32_t group)
{
    ev_group *g = &w->groups[group];
    sut_core_group_view v;
    g->now = g->durable;
    memset(g->out, 0, sizeof(g->out));
    memset(g->letter, 0, sizeof(g->letter));
    g->passed = 0;
    g->cursor = 0;
    g->pace_count = 0;
    g->paused_ns = w->now;
    if (!g->durable.exists)
        return;
    if (sut_core_group_restore(w->core, w->now, sut_str_from(ev_groups[group]),
                               (sut_str){(const char *)g->value, g->value_len}))
        ev_broke(w, "a saved place cannot be read", group, 0);
    ev_group_pace(w, group);
    if (g->now.replaying)
        ev_saw(w, SIM_PATH_REPLAY_RESTARTED);
    if (!ev_group_view(w, group, &v) || v.replaying != g->now.replaying)
        ev_broke(w, "a replay was forgotten, or made up", group, 0);
    for (uint64_t s = 1; s <= v.cursor && s < w->oldest; s++) { /* eaten, and told in the life that saved this */
        if (g->now.done[s] == EV_OWED)
            g->now.done[s] = EV_LOST;
    }
    for (uint64_t s = 1; s < w->oldest && g->now.replaying; s++) {
        if (g->now.before[s] == EV_OWED)
            g->now.before[s] = EV_LOST;
    }
}

bool ev_start(ev_world *w)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop};
    if (sut_core_new(&w->core, NULL, &ops, w) ||
        sut_core_events_start(w->core, &w->limits, &ev_ops, w->oldest, w->next))
        return false;
    w->told_next = w->next;
    w->told_oldest = w->oldest;
    sut_core_set_acl(w->core, w->now, w->acl);
    for (uint32_t i = 0; i < EV_GROUPS; i++)
        restore(w, i);
    ev_operator_restored(w);
    return true;
}

static bool restart(ev_world *w)
{
    ev_saw(w, SIM_PATH_RESTART);
    w->core = sut_core_free(w->core);
    ev_journal_crash(w);
    ev_publishers_lost(w, &w->pub);
    ev_publishers_lost(w, &w->box);
    memset(w->consumers, 0, sizeof(w->consumers));
    for (uint32_t i = 0; i < EV_LISTENERS; i++)
        w->listeners[i].session = w->listeners[i].pong = w->listeners[i].out_count = 0;
    return ev_start(w);
}

/* ---- time ---- */

static void pong(ev_world *w, uint64_t session, uint64_t *id)
{
    const uint64_t due = *id;
    *id = 0;
    if (due && session)
        ev_says(w, session, (sut_envelope){.kind = SUT_PONG, .id = due});
}

static void pass(ev_world *w, uint64_t ms)
{
    w->now += ms * SUT_NS_PER_MS;
    sut_core_tick(w->core, w->now);
    ev_journal_due(w);
    for (uint32_t i = 0; i < EV_CONSUMERS; i++)
        pong(w, w->consumers[i].session, &w->consumers[i].pong);
    for (uint32_t i = 0; i < EV_LISTENERS; i++)
        pong(w, w->listeners[i].session, &w->listeners[i].pong);
    pong(w, w->pub.session, &w->pub.pong);
    pong(w, w->box.session, &w->box.pong);
}

/* The broker leaves in order: nothing new is given, what is out is answered, and all of it is written. */
static bool drain(ev_world *w)
{
    const uint64_t since = w->now;
    sut_core_drain(w->core, w->now);
    for (int i = 0; i < DRAIN_STEPS && !sut_core_drained(w->core); i++) {
        for (uint32_t k = 0; k < EV_CONSUMERS; k++)
            ev_consumer_answer(w, &w->consumers[k]);
        ev_journal_answer(w);
        pass(w, ev_draw(w, 20));
    }
    if (!sut_core_drained(w->core))
        ev_broke(w, "a drain that does not end", 0, 0);
    if (w->now - since < SIM_MS(SUT_CORE_LIMITS_DEFAULT.drain_ms)) {
        ev_saw(w, SIM_PATH_DRAINED);
        ev_check_drained(w);
    }
    return restart(w);
}

/* ---- one run ---- */

static bool fault(ev_world *w, ev_consumer *k, ev_listener *l)
{
    switch (ev_draw(w, 12)) {
    case 0: return ev_draw(w, 3) ? true : restart(w);
    case 1: return ev_draw(w, 4) ? true : drain(w);
    case 2: w->full = !w->full; break;
    case 3: ev_journal_retain(w); break;
    case 4: ev_journal_tell(w); break;
    case 5:
        if (w->pub.session) {
            const uint64_t session = w->pub.session;
            ev_publishers_lost(w, &w->pub);
            sut_core_close(w->core, w->now, session);
        }
        break;
    case 6:
        if (w->box.session) {
            const uint64_t session = w->box.session;
            ev_publishers_lost(w, &w->box);
            sut_core_close(w->core, w->now, session);
        }
        break;
    case 7:
        if (l->session)
            ev_listener_leave(w, l);
        break;
    case 8:
    case 9: ev_operator_step(w); break;
    default:
        if (k->session)
            ev_consumer_leave(w, k);
        break;
    }
    return true;
}

static bool step(ev_world *w)
{
    ev_consumer *k = &w->consumers[ev_draw(w, EV_CONSUMERS)];
    ev_listener *l = &w->listeners[ev_draw(w, EV_LISTENERS)];
    const uint64_t dice = ev_draw(w, 1000);
    if (dice < 150)
        ev_publish_step(w);
    else if (dice < 200)
        ev_source_step(w);
    else if (dice < 500)
        ev_journal_answer(w);
    else if (dice < 600)
        pass(w, 1 + ev_draw(w, ev_draw(w, 5) ? 60 : 400));
    else if (dice < 640)
        return fault(w, k, l);
    else if (dice < 720 && l->session)
        ev_listener_ack(w, l);
    else if (dice < 720)
        ev_listener_join(w, l);
    else if (k->session)
        ev_consumer_answer(w, k);
    else
        ev_consumer_join(w, k);
    return true;
}

/* No more faults: everybody is there and answers; whatever is owed ends within EV_QUIET_MS. */
static void calm_down(ev_world *w)
{
    w->calm = true;
    w->full = false;
    ev_operator_resume(w);
    for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
        if (w->consumers[i].session)
            ev_consumer_leave(w, &w->consumers[i]);
    }
    const uint64_t since = w->now;
    while (w->result->ok && !ev_quiet(w)) {
        for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
            if (!w->consumers[i].session || w->consumers[i].ended)
                ev_consumer_join(w, &w->consumers[i]);
            while (w->result->ok && w->consumers[i].held_count > 0)
                ev_consumer_answer(w, &w->consumers[i]);
        }
        for (uint32_t i = 0; i < EV_LISTENERS; i++) {
            if (!w->listeners[i].session)
                ev_listener_join(w, &w->listeners[i]);
            ev_listener_ack(w, &w->listeners[i]);
        }
        while (w->ask_count > 0)
            ev_journal_answer(w);
        ev_journal_tell(w);
        pass(w, 1 + ev_draw(w, 120));
        ev_check(w);
        if (w->now - since > SIM_MS(EV_QUIET_MS))
            ev_broke(w, "not all that was owed ended in time", 0, w->next);
    }
}

static void empty(ev_world *w)
{
    for (uint32_t i = 0; i < EV_CONSUMERS; i++)
        sut_core_close(w->core, w->now, w->consumers[i].session);
    for (uint32_t i = 0; i < EV_LISTENERS; i++)
        sut_core_close(w->core, w->now, w->listeners[i].session);
    for (int i = 0; i < 40; i++) {
        while (w->ask_count > 0)
            ev_journal_answer(w);
        pass(w, 100);
    }
    ev_check_empty(w);
}

static void make_limits(ev_world *w)
{
    static const uint64_t group_bytes[] = {0, 400, 4u << 20}, event_bytes[] = {24u << 10, 64u << 20};
    sut_core_event_limits *l = &w->limits;
    *l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l->group_window = ev_draw(w, 2) ? 20 : 65536;
    l->group_bytes = group_bytes[ev_draw(w, SUT_ARRAY_LEN(group_bytes))];
    l->event_bytes = event_bytes[ev_draw(w, 4) > 0];
    l->publishes_per_peer = ev_draw(w, 3) ? 65536 : 3;
    l->backoff_max_ms = 1000;
}

static bool make_world(ev_world *w, uint64_t seed)
{
    static const char list[] = "pub role=actor publish=>\nbox role=actor publish=>\ncon role=actor subscribe=>\n"
                               "eph role=edge subscribe=>\n";
    char error[100];
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 7;
    w->now = SUT_NS_PER_S;
    w->next = w->oldest = 1;
    w->box_epoch = 1;
    make_limits(w);
    return !sut_acl_parse(&w->acl, SUT_STR(list), error, sizeof(error)) && ev_start(w);
}

bool sim_events_run(uint64_t seed, sim_result *result)
{
    ev_world *w = calloc(1, sizeof(*w));
    *result = (sim_result){.ok = w != NULL, .hash = 14695981039346656037u};
    if (!w)
        return false;
    w->result = result;
    result->ok = make_world(w, seed);
    for (uint32_t i = 0; i < STEPS && result->ok; i++) {
        const bool alive = step(w);
        if (alive && result->ok)
            ev_check(w);
        result->ok = result->ok && alive;
    }
    if (result->ok)
        calm_down(w);
    if (result->ok)
        ev_check_end(w);
    if (result->ok)
        empty(w);
    sut_core_free(w->core);
    sut_acl_free(w->acl);
    ev_journal_free(w);
    free(w);
    return result->ok;
}
