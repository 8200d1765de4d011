/* What operators do: pause, resume, delete, replay, stop, and redrive dead letters. The core may refuse; what it
 * accepts is held against it. */
#include "events.h"

#include <errno.h>
#include <stdio.h>

static sut_status command(ev_world *w, uint32_t group, sut_group_command cmd)
{
    char error[200] = "";
    sut_str subject =
        ev_group_patterns[group] == 3 ? SUT_STR("open.*") : sut_str_from(ev_subjects[ev_group_patterns[group] >> 1]);
    cmd.group = sut_str_from(ev_groups[group]);
    if (cmd.action == SUT_GROUP_REPLAY) {
        cmd.subjects = &subject;
        cmd.subject_count = 1;
    }
    return sut_core_group_command(w->core, w->now, &cmd, error, sizeof(error));
}

static void set_paused(ev_world *w, uint32_t group, bool paused)
{
    ev_group *g = &w->groups[group];
    const bool was = g->now.paused;
    if (!g->now.exists)
        return;
    g->now.paused = paused;
    if (!paused && was) {
        for (uint32_t i = 0; i < g->pace_count; i++)
            g->paces[i].at_ns += w->now - g->paused_ns;
    } else if (paused && !was) {
        g->paused_ns = w->now;
        ev_saw(w, SIM_PATH_PAUSED);
    }
    if (command(w, group, (sut_group_command){.action = paused ? SUT_GROUP_PAUSE : SUT_GROUP_RESUME}))
        ev_broke(w, "cannot be paused or resumed", group, 0);
}

/* Its members hear a gap, and their subscriptions end. */
static void erase(ev_world *w, uint32_t group)
{
    ev_group *g = &w->groups[group];
    const sut_status st = command(w, group, (sut_group_command){.action = SUT_GROUP_DELETE});
    if (st == -ENOENT || st == -EBUSY)
        return;
    if (st)
        ev_broke(w, "cannot be deleted", group, 0);
    ev_saw(w, SIM_PATH_DELETED);
    for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
        if (w->consumers[i].session && w->consumers[i].group == group && !w->consumers[i].ended) {
            w->consumers[i].ended = true;
            ev_group_given_back(w, &w->consumers[i]);
        }
    }
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        if (w->letters[i].group == group)
            w->letters[i] = (ev_letter){0};
    }
    g->now = (ev_stand){0};
    g->pace_count = 0;
    memset(g->letter, 0, sizeof(g->letter));
    memset(g->out, 0, sizeof(g->out));
}

/* As if the replay were taken: its first events may be given from within the command. */
static void expect_replay(ev_world *w, ev_group *g, uint64_t from, uint64_t to, double speed)
{
    const ev_stand before = g->now;
    ev_stand *s = &g->now;
    *s = (ev_stand){.exists = true,
                    .replaying = true,
                    .is_new = !before.exists,
                    .generation_before = 1,
                    .generation = 1,
                    .generation_last = 1,
                    .start = from,
                    .from = from,
                    .to = to,
                    .before_start = before.start,
                    .before_by_time = before.by_time,
                    .speed = speed};
    if (before.exists) {
        s->generation_before = before.generation;
        s->generation = s->generation_last = before.generation_last + 1;
    }
    memcpy(s->before, before.done, sizeof(s->before));
    g->cursor = from - 1;
    g->pace_count = 0;
    ev_group_pace(w, (uint32_t)(g - w->groups));
}

static void replay(ev_world *w, uint32_t group)
{
    static const double speeds[] = {0, 0, 1, 10};
    static ev_group before;
    ev_group *g = &w->groups[group];
    const bool is_new = !g->now.exists;
    ev_group_sync(w, group);
    if (w->told_next <= w->told_oldest + 2 || g->now.replaying)
        return;
    if (!is_new && !g->now.paused)
        set_paused(w, group, true);
    const uint64_t from = w->told_oldest + ev_draw(w, w->told_next - w->told_oldest - 1);
    const uint64_t to = from + ev_draw(w, w->told_next - from);
    const double speed = speeds[ev_draw(w, SUT_ARRAY_LEN(speeds))];
    before = *g;
    expect_replay(w, g, from, to, speed);
    const sut_group_command cmd = {.action = SUT_GROUP_REPLAY, .from = from, .to = to, .speed = speed};
    if (command(w, group, cmd)) {
        *g = before;
        return;
    }
    if (is_new)
        g->passed = 0;
    ev_saw(w, is_new ? SIM_PATH_REPLAY_NEW : SIM_PATH_REPLAY);
    if (speed > 0)
        ev_saw(w, SIM_PATH_REPLAY_PACED);
}

static void stop(ev_world *w, uint32_t group)
{
    ev_group *g = &w->groups[group];
    ev_group_sync(w, group);
    if (!g->now.replaying || command(w, group, (sut_group_command){.action = SUT_GROUP_STOP}))
        return;
    for (uint32_t i = 0; i < EV_CONSUMERS; i++) {
        if (w->consumers[i].session && w->consumers[i].group == group && !w->consumers[i].ended)
            ev_group_given_back(w, &w->consumers[i]);
    }
    ev_replay_stopped(w, group);
    g->cursor = 0;
}

/* ---- dead letters ---- */

static bool other_given(const ev_world *w, const ev_letter *l)
{
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        const ev_letter *other = &w->letters[i];
        if (other->id && other != l && other->redriving && other->group == l->group && other->sequence == l->sequence)
            return true;
    }
    return w->groups[l->group].letter[l->sequence] != 0;
}

static void give(ev_world *w, ev_letter *l)
{
    char error[200] = "";
    const sut_core_attempt attempt = {.attempt = l->attempts, .consumer = SUT_STR("con"), .code = SUT_STR("nack")};
    const sut_stored_event event = ev_stored(w, l->sequence);
    uint16_t *given = &w->groups[l->group].letter[l->sequence];
    l->redriving = true;
    *given = (uint16_t)(l - w->letters + 1);
    if (sut_core_redrive(w->core, w->now, sut_str_from(ev_groups[l->group]), l->id, &event, &attempt, 1, error,
                         sizeof(error)) == 0) {
        ev_saw(w, SIM_PATH_REDRIVEN);
        return;
    }
    l->redriving = false;
    *given = 0;
}

static void redrive(ev_world *w)
{
    ev_letter *l = &w->letters[ev_draw(w, EV_LETTERS)];
    if (!l->id || l->redriving || other_given(w, l))
        return;
    const ev_group *g = &w->groups[l->group]; /* both, so that no life has it in the window as well */
    if (g->now.replaying || g->durable.replaying || g->now.done[l->sequence] != EV_DEAD ||
        g->durable.done[l->sequence] != EV_DEAD)
        return;
    give(w, l);
}

void ev_operator_restored(ev_world *w)
{
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        ev_letter *l = &w->letters[i];
        l->out = 0;
        if (l->id && l->redriving)
            give(w, l);
    }
}

void ev_operator_step(ev_world *w)
{
    const uint32_t group = (uint32_t)ev_draw(w, EV_GROUPS);
    switch (ev_draw(w, 8)) {
    case 0: set_paused(w, group, true); break;
    case 1: set_paused(w, group, false); break;
    case 2:
        erase(w, 2);
        if (ev_draw(w, 2)) /* and a new one by a replay */
            replay(w, 2);
        break;
    case 3: replay(w, group); break;
    case 4:
        for (uint32_t g = 0; g < EV_GROUPS; g++)
            stop(w, g);
        break;
    default:
        for (int i = 0; i < 8; i++)
            redrive(w);
        break;
    }
}

void ev_operator_resume(ev_world *w)
{
    for (uint32_t g = 0; g < EV_GROUPS; g++) {
        if (w->groups[g].now.paused)
            set_paused(w, g, false);
    }
}
