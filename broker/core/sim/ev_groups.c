/* What each group is owed: an account kept from what its consumers get and say. A group goes through three kinds of
 * time: its own, a replay (in a generation of its own, after which it stands where it was), and lives of the broker,
 * each of which begins where the last saved value was made. */
#include "events.h"

#define MAX_PAUSE_SLACK_NS SIM_MS(2) /* timers count milliseconds */

bool ev_owed(const ev_world *w, uint32_t group, uint64_t sequence)
{
    const ev_stand *s = &w->groups[group].now;
    return s->exists && sequence >= s->start && sequence < w->next &&
           (ev_group_patterns[group] >> w->log[sequence].subject & 1) && (!s->replaying || sequence <= s->to);
}

/* ---- replays ---- */

static bool behind(const ev_world *w, uint32_t group, uint64_t sequence)
{
    return w->groups[group].now.done[sequence] != EV_OWED || sequence < w->oldest;
}

void ev_replay_stopped(ev_world *w, uint32_t group)
{
    ev_stand *s = &w->groups[group].now;
    s->replaying = false;
    s->paused = true;
    ev_saw(w, SIM_PATH_REPLAY_STOPPED);
    if (s->is_new)
        return;
    memcpy(s->done, s->before, sizeof(s->done));
    s->start = s->before_start;
    s->by_time = s->before_by_time;
    s->generation = s->generation_before;
}

static void replay_ended(ev_world *w, uint32_t group)
{
    ev_group *g = &w->groups[group];
    ev_stand *s = &g->now;
    for (uint64_t q = s->from; q <= s->to; q++) {
        if (ev_owed(w, group, q) && !behind(w, group, q))
            ev_broke(w, "a replay ended before this was told", group, q);
        if (g->out[q])
            ev_broke(w, "a replay ended while this was out", group, q);
    }
    ev_saw(w, SIM_PATH_REPLAY_ENDED);
    ev_replay_stopped(w, group);
    w->result->paths[SIM_PATH_REPLAY_STOPPED]--;
    s->paused = false;
    if (s->is_new)
        memset(s->done, EV_ACKED, s->to + 1);
}

static void find_view(const sut_core_group_view *v, void *arg)
{
    sut_core_group_view *out = arg;
    if (sut_str_eq(v->name, out->name))
        *out = *v;
}

bool ev_group_view(const ev_world *w, uint32_t group, sut_core_group_view *out)
{
    *out = (sut_core_group_view){.name = sut_str_from(ev_groups[group])};
    sut_core_each_group(w->core, find_view, out);
    return out->subject_count > 0;
}

void ev_group_sync(ev_world *w, uint32_t group)
{
    sut_core_group_view v;
    if (w->groups[group].now.replaying && ev_group_view(w, group, &v) && !v.replaying) {
        replay_ended(w, group);
        w->groups[group].cursor = 0; /* all of its own time is looked at anew */
    }
}

void ev_group_pace(ev_world *w, uint32_t group)
{
    ev_group *g = &w->groups[group];
    uint64_t first = g->now.from;
    if (!g->now.replaying || g->now.speed <= 0)
        return;
    while (first < g->now.to && (!ev_owed(w, group, first) || g->now.done[first] != EV_OWED))
        first++;
    if (g->pace_count == EV_PACES)
        memmove(g->paces, g->paces + 1, sizeof(g->paces[0]) * --g->pace_count);
    g->paces[g->pace_count++] = (ev_pace){w->now, w->log[first].time_us};
}

/* Retention may have eaten what it was to begin with: then it began with a later one. */
static bool in_time(const ev_world *w, uint32_t group, uint64_t sequence)
{
    const ev_group *g = &w->groups[group];
    uint64_t first = w->oldest < sequence ? w->oldest : sequence;
    while (first < sequence && (!ev_owed(w, group, first) || g->now.done[first] != EV_OWED))
        first++;
    for (uint32_t i = 0; i < g->pace_count; i++) {
        const bool eaten = w->oldest > g->now.from && w->log[first].time_us > g->paces[i].time_us;
        const int64_t time_us = eaten ? w->log[first].time_us : g->paces[i].time_us;
        const double us = (double)(w->log[sequence].time_us - time_us) / g->now.speed;
        const uint64_t due = g->paces[i].at_ns + (us > 0 ? (uint64_t)us * SUT_NS_PER_US : 0);
        if (w->now + MAX_PAUSE_SLACK_NS >= due)
            return true;
    }
    return false;
}

/* ---- deliveries ---- */

static ev_letter *letter_out(ev_world *w, uint32_t group, uint64_t sequence)
{
    const uint16_t letter = w->groups[group].letter[sequence];
    return letter ? &w->letters[letter - 1] : NULL;
}

static void check_order(ev_world *w, uint32_t group, uint64_t sequence)
{
    const uint8_t key = w->log[sequence].key;
    for (uint64_t s = w->oldest; key && s < sequence; s++) {
        if (w->log[s].key == key && ev_owed(w, group, s) && w->groups[group].now.done[s] == EV_OWED)
            ev_broke(w, "overtook one of its key", group, sequence);
    }
}

static void check_event(ev_world *w, uint32_t group, const sut_envelope *env)
{
    const ev_stand *s = &w->groups[group].now;
    const uint64_t sequence = env->opt.sequence;
    uint32_t uid = 0;
    if (env->opt.event_id.len == SUT_EVENT_ID_LEN)
        memcpy(&uid, env->opt.event_id.ptr, sizeof(uid));
    if (uid != w->log[sequence].uid || !sut_str_is(env->subject, ev_subjects[w->log[sequence].subject]) ||
        env->principal.user_id != w->log[sequence].user || env->body.len != 40)
        ev_broke(w, "delivered as another event", group, sequence);
    if (env->opt.generation != s->generation)
        ev_broke(w, "delivered in another generation", group, sequence);
    if ((env->opt.replayed != 0) != s->replaying)
        ev_broke(w, "marked replayed and is not, or the other way round", group, sequence);
    if (s->paused)
        ev_broke(w, "delivered while the group is paused", group, sequence);
}

static void letter_delivered(ev_world *w, ev_letter *l, uint32_t who, uint32_t attempt)
{
    if (l->out)
        ev_broke(w, "a redriven one is out twice", l->group, l->sequence);
    if (attempt <= l->attempts || attempt > l->attempts + EV_TRIES)
        ev_broke(w, "a redriven one has too many deliveries", l->group, l->sequence);
    l->out = who;
    l->attempt = attempt;
}

static void window_delivered(ev_world *w, uint32_t group, uint32_t who, uint64_t sequence, uint32_t attempt)
{
    ev_group *g = &w->groups[group];
    if (!ev_owed(w, group, sequence) || g->now.done[sequence] != EV_OWED)
        ev_broke(w, "delivered, and nobody owes it", group, sequence);
    if (g->out[sequence])
        ev_broke(w, "out twice", group, sequence);
    if (attempt == 0 || attempt > EV_TRIES)
        ev_broke(w, "more deliveries than allowed", group, sequence);
    if (attempt == EV_TRIES)
        ev_saw(w, SIM_PATH_LAST_TRY);
    check_order(w, group, sequence);
    if (g->now.replaying && g->now.speed > 0 && !in_time(w, group, sequence))
        ev_broke(w, "a paced replay was ahead of its time", group, sequence);
    g->out[sequence] = who;
    g->attempt[sequence] = attempt;
}

void ev_group_delivered(ev_world *w, ev_consumer *k, const sut_envelope *env)
{
    const uint64_t sequence = env->opt.sequence;
    const uint32_t group = k->group, who = (uint32_t)(k - w->consumers) + 1;
    if (sequence == 0 || sequence >= w->next) {
        ev_broke(w, "delivered, and the journal does not have it", group, sequence);
        return;
    }
    ev_group_sync(w, group);
    check_event(w, group, env);
    if (++k->out > k->credits)
        ev_broke(w, "more out than credits", group, sequence);
    ev_letter *l = letter_out(w, group, sequence);
    if (l)
        letter_delivered(w, l, who, env->opt.attempt);
    else
        window_delivered(w, group, who, sequence, env->opt.attempt);
    w->result->executions++;
}

/* ---- what became of them ---- */

static void seen(ev_world *w, const char *outcome)
{
    static const struct {
        const char *outcome;
        sim_path path;
    } all[] = {{"acked", SIM_PATH_ACKED},        {"nacked", SIM_PATH_NACKED}, {"expired", SIM_PATH_EXPIRED},
               {"lost", SIM_PATH_CONSUMER_LOST}, {"termed", SIM_PATH_TERMED}, {"dead", SIM_PATH_DEAD}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++) {
        if (strcmp(all[i].outcome, outcome) == 0)
            ev_saw(w, all[i].path);
    }
}

static void letter_outcome(ev_world *w, ev_letter *l, const char *outcome)
{
    if (l->out)
        w->consumers[l->out - 1].out--;
    l->out = 0;
    const bool acked = strcmp(outcome, "acked") == 0; /* the journal has it until it was told to forget it */
    if (!acked && strcmp(outcome, "dead") != 0)
        return;
    w->groups[l->group].letter[l->sequence] = 0;
    ev_saw(w, acked ? SIM_PATH_REDRIVEN_ACKED : SIM_PATH_REDRIVEN_DEAD);
}

void ev_group_outcome(ev_world *w, const char *outcome, uint32_t group, uint64_t sequence, uint32_t attempt)
{
    ev_group *g = &w->groups[group];
    if (strcmp(outcome, "delivered") == 0)
        return;
    seen(w, outcome);
    const bool answered = outcome[0] == 'a' || outcome[0] == 'n' || outcome[0] == 't'; /* acked, nacked, termed */
    if (answered && (w->said.sequence != sequence || w->said.attempt != attempt))
        ev_broke(w, "an answer counts for a delivery that it does not name", group, sequence);
    ev_letter *l = letter_out(w, group, sequence);
    if (l) {
        letter_outcome(w, l, outcome);
        return;
    }
    if (strcmp(outcome, "dead") == 0) {
        if (g->out[sequence] || g->now.done[sequence] != EV_OWED)
            ev_broke(w, "buried, and it was not owed", group, sequence);
        g->now.done[sequence] = EV_DEAD;
        return;
    }
    if (!g->out[sequence] || g->attempt[sequence] != attempt) {
        ev_broke(w, "the end of a delivery that is not out", group, sequence);
        return;
    }
    w->consumers[g->out[sequence] - 1].out--;
    g->out[sequence] = 0;
    if (strcmp(outcome, "acked") == 0)
        g->now.done[sequence] = EV_ACKED;
}

/* Unsubscribed, or after its bye: no outcome is told. */
void ev_group_given_back(ev_world *w, ev_consumer *k)
{
    const uint32_t who = (uint32_t)(k - w->consumers) + 1;
    for (uint64_t s = 1; s < w->next; s++) {
        if (w->groups[k->group].out[s] == who)
            w->groups[k->group].out[s] = 0;
    }
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        if (w->letters[i].out == who)
            w->letters[i].out = 0;
    }
    k->out = 0;
}
