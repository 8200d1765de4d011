/* broker.groups, broker.subscriptions, broker.group_*: views of the core's groups, and commands to it. */
#include "broker.h"
#include "control_request.h"
#include "traffic.h"

#include "base/clock.h"

#include "broker_schema.h"

#include <errno.h>

#define LIST_MAX 1000

static uint64_t ns_to_ms(uint64_t ns)
{
    return ns / SUT_NS_PER_MS;
}

/* ---- views ---- */

typedef struct collecting {
    sut_control_request *rq;
    const void **items;
    size_t count, max, total;
    sut_str only;
    bool failed;
} collecting;

static void *collect(collecting *c, size_t size)
{
    void *item;

    c->total++;
    if (c->count == c->max)
        return NULL;
    item = sut_control_alloc(c->rq, size);
    if (!item)
        c->failed = true;
    else
        c->items[c->count++] = item;
    return item;
}

static int32_t group_state(const sut_core_group_view *v)
{
    if (v->replaying)
        return BROKER_GROUP_STATE_REPLAYING;
    if (v->paused)
        return BROKER_GROUP_STATE_PAUSED;
    return v->members ? BROKER_GROUP_STATE_ACTIVE : BROKER_GROUP_STATE_IDLE;
}

static void set_replay(collecting *c, const sut_core_group_view *v, broker_group *g)
{
    broker_replay_state *replay;

    if (!v->replaying)
        return;
    replay = sut_control_alloc(c->rq, sizeof *replay);
    if (!replay) {
        c->failed = true;
        return;
    }
    *replay = (broker_replay_state){.from = (int64_t)v->replay_from,
                                    .to = (int64_t)v->replay_to,
                                    .at = (int64_t)v->replay_at,
                                    .speed = v->replay_speed};
    g->replay = replay;
    g->has_replay = SUT_PRESENT;
}

static void take_group(const sut_core_group_view *v, void *arg)
{
    collecting *c = arg;
    broker_group *g;

    if (c->only.ptr && !sut_str_eq(c->only, v->name))
        return;
    g = collect(c, sizeof *g);
    if (!g)
        return;
    *g = (broker_group){
        .name = v->name,
        .subjects = {(void *)(uintptr_t)v->subjects, v->subject_count},
        .state = group_state(v),
        .members = (int32_t)v->members,
        .credits_free = (int32_t)v->credits_free,
        .cursor = (int64_t)v->cursor,
        .next = (int64_t)v->next,
        .lag = (int64_t)(v->next - 1 - v->cursor),
        .window = (int32_t)v->window,
        .window_max = (int32_t)c->rq->broker->limits.events.group_window,
        .in_flight = (int32_t)v->in_flight,
        .waiting = (int32_t)v->waiting,
        .window_bytes = (int64_t)v->window_bytes,
        .oldest_ms = (int64_t)ns_to_ms(v->oldest_ns),
        .oldest_key = v->oldest_key,
        .has_oldest_key = v->oldest_key.ptr ? SUT_PRESENT : SUT_ABSENT,
        .generation = (int32_t)v->generation,
        .delivered_total = (int64_t)v->delivered_total,
        .acked_total = (int64_t)v->acked_total,
        .nacked_total = (int64_t)v->nacked_total,
        .expired_total = (int64_t)v->expired_total,
        .lost_total = (int64_t)v->lost_total,
        .dead_total = (int64_t)v->dead_total,
        .stale_total = (int64_t)v->stale_total,
        .damaged = (int64_t)v->damaged,
        .has_damaged = v->damaged ? SUT_PRESENT : SUT_ABSENT,
    };
    set_replay(c, v, g);
}

static void take_subscription(const sut_core_subscription_view *v, void *arg)
{
    collecting *c = arg;
    broker_subscription *s = collect(c, sizeof *s);

    if (!s)
        return;
    *s = (broker_subscription){
        .session = (int64_t)v->session,
        .id = (int64_t)v->id,
        .peer = v->peer,
        .group = v->group,
        .has_group = v->group.ptr ? SUT_PRESENT : SUT_ABSENT,
        .credits = (int32_t)v->credits,
        .in_flight = (int32_t)v->in_flight,
        .position = (int64_t)v->position,
        .current = v->current,
        .gaps_total = (int64_t)v->gaps_total,
        .missed_total = (int64_t)v->missed_total,
    };
}

static bool collecting_init(collecting *c, sut_control_request *rq)
{
    *c = (collecting){.rq = rq, .max = LIST_MAX, .only = SUT_STR_NONE};
    c->items = sut_control_alloc(rq, LIST_MAX * sizeof *c->items);
    if (!c->items)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    return c->items != NULL;
}

static void reply_groups(sut_control_request *rq, const collecting *c)
{
    const broker_groups_out out = {.groups_total = (int32_t)c->total, .groups = {c->items, c->count}};
    sut_control_reply(rq, &out);
}

void sut_control_groups(sut_control_request *rq)
{
    const broker_groups_in *in = rq->in;
    collecting c;

    if (!collecting_init(&c, rq))
        return;
    if (in->has_group == SUT_PRESENT)
        c.only = in->group;
    sut_core_each_group(rq->broker->core, take_group, &c);
    if (c.failed)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    else if (c.only.ptr && !c.count)
        sut_control_fail(rq, SUT_ERR_NOT_FOUND, "there is no group %.*s; broker.groups lists them",
                         SUT_STR_FMT(c.only));
    else
        reply_groups(rq, &c);
}

static void reply_subscriptions(sut_control_request *rq, const collecting *c)
{
    const broker_subscriptions_out out = {.subscriptions_total = (int32_t)c->total,
                                          .subscriptions = {c->items, c->count}};
    sut_control_reply(rq, &out);
}

void sut_control_subscriptions(sut_control_request *rq)
{
    collecting c;

    if (!collecting_init(&c, rq))
        return;
    sut_core_each_subscription(rq->broker->core, take_subscription, &c);
    if (c.failed)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    else
        reply_subscriptions(rq, &c);
}

/* ---- commands ---- */

/* False: it was refused, and the request is over. */
static bool command(sut_control_request *rq, const sut_group_command *cmd)
{
    char error[200] = "";
    const sut_status st = sut_core_group_command(rq->broker->core, sut_now_ns(), cmd, error, sizeof error);

    sut_traffic_soon(rq->broker);
    if (st == 0)
        return true;
    /* here no space is no room for another group, and not a full disk */
    sut_control_fail_status(rq, st == -ENOSPC ? -EAGAIN : st, error[0] ? error : "the command was refused");
    return false;
}

void sut_control_group_create(sut_control_request *rq)
{
    const broker_group_create_in *in = rq->in;
    const broker_group_create_out out = {.group = in->group};
    const sut_group_command cmd = {
        .action = SUT_GROUP_CREATE,
        .group = in->group,
        .subjects = in->subjects.items,
        .subject_count = in->subjects.count,
        .from = in->has_from == SUT_PRESENT ? (uint64_t)in->from : 0,
        .from_time_us = in->has_from_time == SUT_PRESENT ? in->from_time : 0,
    };

    if (command(rq, &cmd))
        sut_control_reply(rq, &out);
}

void sut_control_group_pause(sut_control_request *rq)
{
    const broker_group_pause_in *in = rq->in;
    const broker_group_pause_out out = {.group = in->group};
    const sut_group_command cmd = {.action = SUT_GROUP_PAUSE, .group = in->group};

    if (command(rq, &cmd))
        sut_control_reply(rq, &out);
}

void sut_control_group_resume(sut_control_request *rq)
{
    const broker_group_resume_in *in = rq->in;
    const broker_group_resume_out out = {.group = in->group};
    const sut_group_command cmd = {.action = SUT_GROUP_RESUME, .group = in->group};

    if (command(rq, &cmd))
        sut_control_reply(rq, &out);
}

void sut_control_group_delete(sut_control_request *rq)
{
    const broker_group_delete_in *in = rq->in;
    const broker_group_delete_out out = {.group = in->group};
    const sut_group_command cmd = {.action = SUT_GROUP_DELETE, .group = in->group};

    if (command(rq, &cmd))
        sut_control_reply(rq, &out);
}

typedef struct finding {
    sut_str name;
    bool found, replaying;
    uint64_t at, damaged;
} finding;

static void find_group(const sut_core_group_view *v, void *arg)
{
    finding *f = arg;

    if (sut_str_eq(v->name, f->name))
        *f = (finding){f->name, true, v->replaying, v->replay_at < v->cursor ? v->replay_at : v->cursor, v->damaged};
}

void sut_control_group_skip(sut_control_request *rq)
{
    const broker_group_skip_in *in = rq->in;
    const sut_group_command cmd = {.action = SUT_GROUP_SKIP, .group = in->group};
    broker_group_skip_out out = {.group = in->group};
    finding f = {.name = in->group};

    sut_core_each_group(rq->broker->core, find_group, &f);
    out.at = (int64_t)f.damaged;
    if (command(rq, &cmd))
        sut_control_reply(rq, &out);
}

void sut_control_group_stop(sut_control_request *rq)
{
    const broker_group_stop_in *in = rq->in;
    const sut_group_command cmd = {.action = SUT_GROUP_STOP, .group = in->group};
    broker_group_stop_out out = {.group = in->group};
    finding f = {.name = in->group};

    sut_core_each_group(rq->broker->core, find_group, &f);
    if (f.found && !f.replaying)
        sut_control_fail(rq, SUT_ERR_CONFLICT, "nothing is replayed to %.*s", SUT_STR_FMT(in->group));
    else if (command(rq, &cmd)) {
        out.at = (int64_t)f.at;
        sut_control_reply(rq, &out);
    }
}

/* ---- replay: the journal says first what the range is ---- */

typedef struct range {
    uint64_t first, next; /* what the journal has */
    uint64_t from, to;
} range;

static sut_status ask_range(sut_control_request *rq, sut_journal *j)
{
    const broker_group_replay_in *in = rq->in;
    range *r = rq->state;
    sut_journal_stats stats;
    sut_status st = sut_journal_get_stats(j, &stats);

    if (st < 0)
        return st;
    *r = (range){stats.first, stats.next, stats.first, stats.next - 1};
    if (in->has_from == SUT_PRESENT)
        r->from = (uint64_t)in->from;
    else if (in->has_from_time == SUT_PRESENT)
        st = sut_journal_seek_time(j, in->from_time, &r->from);
    if (st == 0 && in->has_to == SUT_PRESENT)
        r->to = (uint64_t)in->to;
    else if (st == 0 && in->has_to_time == SUT_PRESENT) {
        st = sut_journal_seek_time(j, in->to_time, &r->to); /* the first one of that time or later: not with it */
        r->to--;
    }
    return st;
}

static bool range_fails(sut_control_request *rq, const range *r)
{
    if (r->from < r->first)
        sut_control_fail(rq, SUT_ERR_POSITION_GONE,
                         "retention has removed what is before %llu; the journal has %llu to %llu",
                         (unsigned long long)r->first, (unsigned long long)r->first, (unsigned long long)(r->next - 1));
    else if (r->from >= r->next)
        sut_control_fail(rq, SUT_ERR_INVALID, "%llu is beyond the end; the journal has %llu to %llu",
                         (unsigned long long)r->from, (unsigned long long)r->first, (unsigned long long)(r->next - 1));
    else if (r->to < r->from)
        sut_control_fail(rq, SUT_ERR_INVALID, "there is nothing from %llu to %llu", (unsigned long long)r->from,
                         (unsigned long long)r->to);
    else
        return false;
    return true;
}

static void replay_range(sut_control_request *rq, sut_status status)
{
    const broker_group_replay_in *in = rq->in;
    range *r = rq->state;

    if (status < 0) {
        sut_control_fail_status(rq, status, "the journal cannot be read");
        return;
    }
    if (r->to >= r->next)
        r->to = r->next - 1;
    if (range_fails(rq, r))
        return;
    const broker_group_replay_out out = {.group = in->group,
                                         .from = (int64_t)r->from,
                                         .to = (int64_t)r->to,
                                         .positions = (int64_t)(r->to - r->from + 1)};
    const sut_group_command cmd = {
        .action = SUT_GROUP_REPLAY,
        .group = in->group,
        .subjects = in->subjects.items,
        .subject_count = in->has_subjects == SUT_PRESENT ? in->subjects.count : 0,
        .from = r->from,
        .to = r->to,
        .speed = in->speed,
    };
    if (in->dry_run || command(rq, &cmd))
        sut_control_reply(rq, &out);
}

void sut_control_group_replay(sut_control_request *rq)
{
    rq->state = sut_control_alloc(rq, sizeof(range));
    if (!rq->state)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    else
        sut_control_query(rq, ask_range, replay_range);
}
