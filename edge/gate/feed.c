/* One call at a time; an answer counts from when its question was sent, so that freshness is never overstated. */
#include "gate/feed.h"

#include "auth_schema.h"
#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define PERIOD_MS       500
#define TIMEOUT_MS      1000
#define ARENA_MAX_BYTES (4u << 20)
#define US_PER_S        1000000

struct sut_feed {
    sut_loop *loop;
    sut_client *client;
    sut_revocations *table;
    sut_timer timer;
    sut_arena *arena;
    sut_buf question;
    int64_t cursor;
    uint64_t asked_ns, fresh_ns; /* when the pending question was sent; up to when all is known, 0: never */
    bool asking;
};

static void tick(sut_timer *t, void *arg);
static void ask(sut_feed *f);

static void say(const sut_feed *f)
{
    bool fresh = f->fresh_ns != 0 && sut_now_ns() - f->fresh_ns <= SUT_REVOCATIONS_STALE_MS * SUT_NS_PER_MS;
    const char *why = f->fresh_ns ? "auth has not said for 3 s which sessions were revoked: tokens are refused"
                                  : "auth has not said yet which sessions were revoked: tokens are refused";
    sut_health_set("revocations", true, fresh ? SUT_HEALTH_UP : SUT_HEALTH_DOWN, fresh ? NULL : why);
}

static sut_status take_items(sut_feed *f, const auth_revocations_out *out)
{
    const auth_revocation *const *items = out->items.items;
    for (size_t i = 0; i < out->items.count; i++) {
        const auth_revocation *it = items[i];
        sut_revocation r = {.user_id = it->user_id, .at = it->revoked_at / US_PER_S};
        if (it->has_session == SUT_PRESENT)
            r.session = it->session;
        if (it->has_issued_before == SUT_PRESENT)
            r.issued_before = it->issued_before / US_PER_S;
        sut_status st = sut_revocations_add(f->table, &r);
        if (st)
            return st;
    }
    return 0;
}

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
        f->cursor = 0; /* what did not fit or could not be read must not be skipped */
    } else {
        more = out.more && out.cursor > f->cursor;
        f->cursor = out.cursor;
        if (!out.more) {
            sut_revocations_current(f->table, f->asked_ns);
            f->fresh_ns = f->asked_ns;
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
    f->asked_ns = sut_now_ns();
    f->asking = sut_call_start(f->client, &call, answered, f, NULL) == 0;
}

static void tick(sut_timer *t, void *arg)
{
    sut_feed *f = arg;
    sut_revocations_expire(f->table, sut_wall_us() / US_PER_S);
    if (!f->asking)
        ask(f);
    say(f);
    if (sut_timer_start_ms(f->loop, t, PERIOD_MS, tick, f))
        sut_log(SUT_ERROR, "gate", "revocations.no_timer"); /* stale in 3 s, so closed */
}

sut_status sut_feed_new(sut_feed **out, sut_loop *loop, sut_client *client, sut_revocations *table)
{
    *out = NULL;
    sut_feed *f = calloc(1, sizeof(*f));
    if (!f)
        return SUT_TRACE(-ENOMEM, "feed");
    f->loop = loop;
    f->client = client;
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
