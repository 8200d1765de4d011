/* A load is one call at a time. What the stream says counts only once a load that began after it was up is through;
 * a marker then tells that the broker has handed over all that was published. That auth publishes at all is looked
 * after by asking, every half a minute, for what came after the last page. */
#include "gate/feed.h"

#include "auth_schema.h"
#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define PERIOD_MS       500
#define TIMEOUT_MS      1000
#define AUDIT_NS        (30 * SUT_NS_PER_S)
#define CREDITS         1024
#define ARENA_MAX_BYTES (4u << 20)
#define US_PER_S        1000000

struct sut_feed {
    sut_loop *loop;
    sut_feed_bus bus;
    sut_revocations *table;
    sut_subscription *subscription; /* NULL: none, or refused; made at the next tick */
    sut_timer timer;
    sut_arena *arena;
    sut_buf question;
    int64_t cursor;
    bool up;     /* the broker took the subscription */
    bool loaded; /* all that was revoked before the stream began is in */
    bool stale;  /* the load under way began before the last gap: its end counts for nothing */
    bool asking;
    uint64_t position; /* of the stream: up to there we have all */
    uint64_t asked_ns, audited_ns;
    uint64_t fresh_ns; /* up to when all is known; 0: never */
};

static void tick(sut_timer *t, void *arg);
static void ask(sut_feed *f);

static void say(const sut_feed *f)
{
    bool fresh = f->fresh_ns != 0 && sut_now_ns() - f->fresh_ns <= SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS;
    const char *why = "for 3 s nobody has said which sessions were revoked: tokens are refused";
    if (!f->fresh_ns)
        why = f->up ? "auth has not said yet which sessions were revoked: tokens are refused"
                    : "the broker has not taken the subscription to session.revoked yet: tokens are refused";
    sut_health_set("revocations", true, fresh ? SUT_HEALTH_UP : SUT_HEALTH_DOWN, fresh ? NULL : why);
}

/* ---- into the table ---- */

static sut_status add(sut_feed *f, int64_t user_id, sut_str session, int64_t issued_before_us, int64_t revoked_us)
{
    const sut_revocation r = {.user_id = user_id,
                              .session = session,
                              .issued_before = issued_before_us / US_PER_S,
                              .at = revoked_us / US_PER_S};
    return sut_revocations_add(f->table, &r);
}

/* From the beginning: something was missed, did not fit or could not be read. */
static void reload(sut_feed *f, const char *why)
{
    sut_log(SUT_WARN, "gate", "revocations.reload", SUT_KV("why", why));
    f->loaded = false;
    f->stale = f->asking;
    f->cursor = 0;
    if (f->up && !f->asking)
        ask(f);
}

static sut_status take_items(sut_feed *f, const auth_revocations_out *out)
{
    const auth_revocation *const *items = out->items.items;
    for (size_t i = 0; i < out->items.count; i++) {
        const auth_revocation *it = items[i];
        sut_status st = add(f, it->user_id, it->has_session == SUT_PRESENT ? it->session : SUT_STR_NONE,
                            it->has_issued_before == SUT_PRESENT ? it->issued_before : 0, it->revoked_at);
        if (st)
            return st;
    }
    return 0;
}

/* ---- loading ---- */

/* True if the answer was taken in and there is more to ask for at once. */
static bool take_answer(sut_feed *f, sut_str body)
{
    auth_revocations_out out;
    sut_field_errors errs;
    sut_field_errors_init(&errs, f->arena, 1);
    sut_status st = sut_record_decode(&auth_revocations_out_record, body, SUT_UNKNOWN_IGNORE, f->arena, &out, &errs);
    if (st == 0)
        st = take_items(f, &out);
    bool more = false;
    if (st) {
        sut_log(SUT_ERROR, "gate", "revocations.bad_answer", SUT_KV_I("status", st));
        f->loaded = false;
        f->cursor = 0; /* asked again at the next tick */
    } else if (!f->stale) {
        more = out.more && out.cursor > f->cursor;
        f->cursor = out.cursor;
        if (!out.more && !f->loaded) {
            f->loaded = true;
            f->fresh_ns = f->asked_ns;
            sut_revocations_current(f->table, f->asked_ns);
        }
    }
    sut_arena_reset(f->arena);
    return more;
}

static void answered(void *arg, const sut_result *r)
{
    sut_feed *f = arg;
    f->asking = false;
    if (r->err == SUT_ERR_CANCELLED)
        return; /* the client is being freed */
    bool more = false;
    if (r->err == 0)
        more = take_answer(f, r->body);
    else
        sut_log(SUT_DEBUG, "gate", "revocations.no_answer", SUT_KV_S("code", r->code));
    if (f->stale && f->up)
        more = true;
    f->stale = false;
    say(f);
    if (more)
        ask(f);
}

static void ask(sut_feed *f)
{
    if (f->cursor == 0)
        sut_revocations_reload(f->table);
    const auth_revocations_in in = {.since = f->cursor, .has_since = SUT_PRESENT};
    sut_buf_reset(&f->question);
    if (sut_record_encode(&auth_revocations_in_record, &in, &f->question))
        return;
    const sut_call call = {.subject = SUT_STR("auth.revocations"),
                           .body = {(const char *)f->question.data, f->question.len},
                           .timeout_ms = TIMEOUT_MS,
                           .idempotent = true};
    f->asked_ns = f->audited_ns = sut_now_ns();
    f->asking = f->bus.call(f->bus.bus, &call, answered, f) == 0;
}

/* ---- the stream ---- */

static void note_position(sut_feed *f, uint64_t position)
{
    if (position > f->position)
        f->position = position;
}

static void on_event(void *arg, sut_delivery *d)
{
    sut_feed *f = arg;
    auth_session_revoked event;
    sut_field_errors errs;
    sut_field_errors_init(&errs, f->arena, 1);
    sut_status st = sut_record_decode(&auth_session_revoked_record, f->bus.envelope(d)->body, SUT_UNKNOWN_IGNORE,
                                      f->arena, &event, &errs);
    if (st == 0)
        st = add(f, event.user_id, event.has_session == SUT_PRESENT ? event.session : SUT_STR_NONE,
                 event.has_issued_before == SUT_PRESENT ? event.issued_before : 0, event.revoked_at);
    sut_arena_reset(f->arena);
    note_position(f, f->bus.envelope(d)->opt.sequence);
    f->bus.ack(d);
    if (st) {
        sut_log(SUT_ERROR, "gate", "revocations.bad_event", SUT_KV_I("status", st));
        reload(f, "an event could not be taken");
    }
}

static void on_marker(sut_feed *f)
{
    if (!f->loaded)
        return;
    f->fresh_ns = sut_now_ns();
    sut_revocations_current(f->table, f->fresh_ns);
    say(f);
}

/* The stream stands at `position`. If that is past what we had before, something came between. */
static void on_up(sut_feed *f, uint64_t position)
{
    bool missed = f->loaded && position > f->position;
    f->up = true;
    f->audited_ns = 0;
    note_position(f, position);
    if (missed)
        reload(f, "the stream went on without us");
    else if (!f->loaded && !f->asking)
        ask(f);
}

static void on_notice(void *arg, const sut_sub_notice *n)
{
    sut_feed *f = arg;
    switch (n->news) {
    case SUT_SUB_UP: on_up(f, n->position); break;
    case SUT_SUB_DOWN: f->up = false; break; /* it goes on from behind the last event, or a gap says that it cannot */
    case SUT_SUB_GAP: reload(f, "events were missed"); break;
    case SUT_SUB_MARKER:
        note_position(f, n->position);
        on_marker(f);
        break;
    case SUT_SUB_REFUSED:
        sut_log(SUT_ERROR, "gate", "revocations.refused", SUT_KV_S("detail", n->text));
        f->up = f->loaded = false;
        f->cursor = 0;
        f->subscription = f->bus.unsubscribe(f->subscription);
        break;
    }
}

static void subscribe(sut_feed *f)
{
    static const char *const subjects[] = {"session.revoked"};
    const sut_subscribe options = {.subjects = subjects,
                                   .subject_count = 1,
                                   .credits = CREDITS,
                                   .start = SUT_START_END,
                                   .on_event = on_event,
                                   .on_notice = on_notice,
                                   .arg = f};
    sut_status st = f->bus.subscribe(f->bus.bus, &options, &f->subscription);
    if (st) {
        f->subscription = NULL;
        sut_log(SUT_ERROR, "gate", "revocations.no_subscription", SUT_KV_I("status", st));
    }
}

/* ---- life ---- */

static void tick(sut_timer *t, void *arg)
{
    sut_feed *f = arg;
    sut_revocations_expire(f->table, sut_wall_us() / US_PER_S);
    if (!f->subscription)
        subscribe(f);
    bool due = !f->loaded || f->audited_ns == 0 || sut_now_ns() - f->audited_ns >= AUDIT_NS;
    if (f->up && !f->asking && due)
        ask(f);
    say(f);
    if (sut_timer_start_ms(f->loop, t, PERIOD_MS, tick, f))
        sut_log(SUT_ERROR, "gate", "revocations.no_timer");
}

sut_status sut_feed_new(sut_feed **out, sut_loop *loop, const sut_feed_bus *bus, sut_revocations *table)
{
    *out = NULL;
    sut_feed *f = calloc(1, sizeof(*f));
    if (!f)
        return SUT_TRACE(-ENOMEM, "feed");
    f->loop = loop;
    f->bus = *bus;
    f->table = table;
    sut_buf_init(&f->question, 0);
    sut_status st = sut_arena_new(&f->arena, ARENA_MAX_BYTES);
    if (st == 0)
        st = sut_timer_start_ms(loop, &f->timer, 0, tick, f);
    if (st) {
        sut_feed_free(f);
        return st;
    }
    *out = f;
    return 0;
}

void sut_feed_stop(sut_feed *f)
{
    if (!f)
        return;
    sut_timer_stop(&f->timer);
    f->up = false;
    if (f->subscription)
        f->subscription = f->bus.unsubscribe(f->subscription);
}

sut_feed *sut_feed_free(sut_feed *f)
{
    if (!f)
        return NULL;
    sut_timer_stop(&f->timer);
    sut_arena_free(f->arena);
    sut_buf_deinit(&f->question);
    free(f);
    return NULL;
}

/* ---- libsut ---- */

static sut_status call(void *bus, const sut_call *c, sut_result_fn fn, void *arg)
{
    return sut_call_start(bus, c, fn, arg, NULL);
}

static sut_status open_subscription(void *bus, const sut_subscribe *opt, sut_subscription **out)
{
    return sut_subscribe_start(bus, opt, out);
}

sut_feed_bus sut_feed_bus_of(sut_client *client)
{
    return (sut_feed_bus){.call = call,
                          .subscribe = open_subscription,
                          .unsubscribe = sut_subscribe_end,
                          .envelope = sut_delivery_envelope,
                          .ack = sut_ack,
                          .bus = client};
}
