/* What operators do to groups. */
#include "event_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

typedef struct answer {
    char *error;
    size_t size;
} answer;

SUT_PRINTF(3, 4) static sut_status fail(const answer *a, sut_status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(a->error, a->size, fmt, ap);
    va_end(ap);
    return st;
}

static sut_status no_such(const answer *a, sut_str name)
{
    return fail(a, -ENOENT, "there is no group '%.*s'", SUT_STR_FMT(name));
}

static sut_status make(sut_core *c, const sut_group_command *cmd, const answer *a, core_group **out)
{
    if (!core_group_name_valid(cmd->group))
        return fail(a, -EINVAL, "a group's name is 1 to %d of [a-z0-9_.-] and begins with a letter or digit",
                    SUT_GROUP_NAME_MAX);
    if (!core_patterns_valid(cmd->subjects, cmd->subject_count))
        return fail(a, -EINVAL, "a group needs 1 to %d patterns, like user.registered, user.* or user.>",
                    SUT_GROUP_SUBJECTS);
    sut_status st = core_group_new(c, cmd->group, cmd->subjects, cmd->subject_count, out);
    if (st == -EBUSY)
        return fail(a, st, "a group of this name is just being deleted; try again");
    if (st == -ENOSPC)
        return fail(a, st, "there are %u groups; no more are allowed", c->events->group_count);
    return st ? fail(a, st, "out of memory") : 0;
}

static sut_status check_range(const struct core_events *e, uint64_t from, uint64_t to, const answer *a)
{
    if (e->next <= e->first)
        return fail(a, -EINVAL, "the journal is empty");
    if (from < e->first)
        return fail(a, -EINVAL, "the journal begins at %llu; what came before was removed by retention",
                    (unsigned long long)e->first);
    if (to >= e->next)
        return fail(a, -EINVAL, "the journal ends at %llu", (unsigned long long)(e->next - 1));
    if (from > to)
        return fail(a, -EINVAL, "the first sequence %llu is behind the last one, %llu", (unsigned long long)from,
                    (unsigned long long)to);
    return 0;
}

static sut_status create(sut_core *c, const sut_group_command *cmd, const answer *a)
{
    const struct core_events *e = c->events;
    core_group *g = NULL;
    if (core_group_find(e, cmd->group))
        return fail(a, -EEXIST, "there is a group '%.*s' already", SUT_STR_FMT(cmd->group));
    if (cmd->from > e->next)
        return fail(a, -EINVAL, "the journal ends at %llu", (unsigned long long)(e->next - 1));
    sut_status st = make(c, cmd, a, &g);
    if (st || !g)
        return st;
    if (cmd->from_time_us > 0) {
        g->place.from_time_us = cmd->from_time_us;
        g->place.cursor = e->first - 1;
    } else if (cmd->from > 0) {
        g->place.cursor = cmd->from - 1;
    }
    return 0;
}

static sut_status erase(sut_core *c, core_group *g, const answer *a)
{
    if (g->member_count > 0 && !g->paused)
        return fail(a, -EBUSY, "the group has %u members; pause it first, or stop them", g->member_count);
    core_group_erase(c, g);
    return 0;
}

/* A redriven one that is out or dying is counted once. */
static uint32_t busy_count(const core_group *g)
{
    const uint32_t out = g->in_flight + g->dying_count;
    return out > g->redrive_count ? out : g->redrive_count;
}

static sut_status replay(sut_core *c, const sut_group_command *cmd, const answer *a)
{
    struct core_events *e = c->events;
    core_group *g = core_group_find(e, cmd->group);
    const core_replay r = {.from = cmd->from && !cmd->from_time_us ? cmd->from : e->first,
                           .to = cmd->to ? cmd->to : e->next - 1,
                           .speed = cmd->speed};
    const bool is_new = !g;
    sut_status st = check_range(e, r.from, r.to, a);
    if (st)
        return st;
    if (!(cmd->speed >= 0 && cmd->speed <= 1e6))
        return fail(a, -EINVAL, "the speed is 0 (as fast as possible) to 1,000,000 times real time");
    if (g && g->replay.on)
        return fail(a, -EBUSY, "a replay of this group runs already; stop it first");
    if (g && !g->paused)
        return fail(a, -EBUSY, "the group is live; pause it first, or replay to a new group");
    if (g && (g->in_flight > 0 || g->dying_count > 0 || g->redrive_count > 0))
        return fail(a, -EBUSY, "%u events of the group are still out; try again when they are answered", busy_count(g));
    if (g && cmd->subject_count > 0 && !core_filter_same(&g->filter, cmd->subjects, cmd->subject_count))
        return fail(a, -EINVAL, "the group has other subjects; leave them away, or replay to a new group");
    if (g) {
        core_group_collapse(c, g);
        if (g->window.held)
            return fail(a, -ENOMEM, "out of memory");
    } else if ((st = make(c, cmd, a, &g))) {
        return st;
    }
    core_replay_begin(c, g, &r, cmd->from_time_us > 0 ? cmd->from_time_us : 0, is_new);
    return 0;
}

static void set_paused(sut_core *c, core_group *g, bool paused)
{
    if (g->paused == paused)
        return;
    g->paused = paused;
    core_replay_pause(c, g);
    core_group_dirty(c, g);
    core_group_wake(c, g);
}

sut_status sut_core_group_command(sut_core *c, uint64_t now_ns, const sut_group_command *cmd, char *error,
                                  size_t error_size)
{
    const answer a = {error, error_size};
    core_set_now(c, now_ns);
    if (!c->events)
        return fail(&a, -EAGAIN, "the journal is not open yet");
    core_group *g = core_group_find(c->events, cmd->group);
    const bool makes = cmd->action == SUT_GROUP_CREATE || cmd->action == SUT_GROUP_REPLAY;
    sut_status st = 0;
    if (!g && !makes)
        return no_such(&a, cmd->group);
    switch (cmd->action) {
    case SUT_GROUP_CREATE: st = create(c, cmd, &a); break;
    case SUT_GROUP_REPLAY: st = replay(c, cmd, &a); break;
    case SUT_GROUP_PAUSE: set_paused(c, g, true); break;
    case SUT_GROUP_RESUME: set_paused(c, g, false); break;
    case SUT_GROUP_DELETE: st = erase(c, g, &a); break;
    case SUT_GROUP_SKIP:
        if (!g->damaged)
            return fail(&a, -EBUSY, "the group stands at no damaged record");
        core_group_skip_damaged(c, g);
        break;
    case SUT_GROUP_STOP:
        if (!g->replay.on)
            return fail(&a, -EINVAL, "no replay of this group runs");
        core_replay_end(c, g, true);
        if (g->replay.on)
            st = fail(&a, -ENOMEM, "out of memory");
        break;
    }
    core_groups_pump(c);
    return st;
}
