/* users.username: a projection of the user actor's profiles. It follows user.updated, and can be built anew. */
#include "auth.h"
#include "auth_service.h"

#include "kit/call.h"
#include "kit/event.h"
#include "user_schema.h"

#include <errno.h>

#define PAGE 500

/* ---- following ---- */

static const sut_pg_stmt s_take = {"auth_username_take",
                                   "UPDATE users SET username = $2, username_version = $3 WHERE id = $1 AND "
                                   "username_version < $3",
                                   3};

static sut_pg_params values_of(const user_user_updated *event, sut_pg_param values[3])
{
    values[0] = sut_pg_i64(event->user_id);
    values[1] = sut_pg_text(event->username);
    values[2] = sut_pg_i64(event->version);
    return (sut_pg_params){values, 3};
}

static sut_status take(sut_request *rq, sut_pg_tx *tx, void *event)
{
    (void)rq;
    sut_pg_param values[3];
    return sut_pg_queue(tx, &s_take, values_of(event, values));
}

sut_status auth_on_updated(sut_request *rq, const user_user_updated *event)
{
    user_user_updated copy = *event;
    return sut_pg_tx_run(rq, take, &copy);
}

/* ---- building it anew ---- */

static const sut_pg_stmt s_empty = {"auth_username_empty", "TRUNCATE username_copy", 0};

#define NEWER_SQL                                                                                                      \
    " ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, version = excluded.version "                   \
    "WHERE c.version < excluded.version"
static const sut_pg_stmt s_fill = {"auth_username_fill",
                                   "INSERT INTO username_copy AS c SELECT * FROM unnest($1::bigint[], $2::text[], "
                                   "$3::bigint[])" NEWER_SQL,
                                   3};
static const sut_pg_stmt s_apply = {"auth_username_apply",
                                    "INSERT INTO username_copy AS c VALUES ($1, $2, $3)" NEWER_SQL, 3};

/* The live copy goes on meanwhile: where it is newer, it is right. */
#define WRONG_SQL "(c.version > u.username_version OR (c.version = u.username_version AND c.username <> u.username))"
static const sut_pg_stmt s_compare = {
    "auth_username_compare",
    "SELECT count(*) FILTER (WHERE u.id IS NULL), count(*) FILTER (WHERE c.user_id IS NULL), "
    "count(*) FILTER (WHERE c.username <> u.username AND " WRONG_SQL
    ") FROM username_copy c FULL JOIN (SELECT * FROM users WHERE status = 'active') u ON u.id = c.user_id",
    0};
static const sut_pg_stmt s_swap = {"auth_username_swap",
                                   "UPDATE users u SET username = c.username, username_version = c.version "
                                   "FROM username_copy c WHERE u.id = c.user_id AND " WRONG_SQL,
                                   0};

static sut_status fresh(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    (void)arg;
    return sut_pg_queue(tx, &s_empty, SUT_PG_NO_PARAMS);
}

static sut_status fill(sut_request *rq, const user_usernames_out *names)
{
    size_t count = names->items.count;
    const user_username_version *const *items = names->items.items;
    int64_t *ids = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *ids);
    int64_t *versions = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *versions);
    sut_str *texts = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *texts);
    if (!ids || !versions || !texts)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        ids[i] = items[i]->user_id;
        texts[i] = items[i]->username;
        versions[i] = items[i]->version;
    }
    return sut_pg_run(
        rq, &s_fill,
        SUT_PG_PARAMS(sut_pg_i64_array(ids, count), sut_pg_text_array(texts, count), sut_pg_i64_array(versions, count)),
        NULL);
}

static sut_status page(sut_request *rq, sut_projection_page *p)
{
    const user_usernames_in in = {.after = p->after, .has_after = SUT_PRESENT, .limit = PAGE, .has_limit = SUT_PRESENT};
    user_usernames_out out;
    sut_status st = sut_kit_call(rq, &user_usernames_method, &in, &out, NULL);
    if (st == 0 && out.items.count > 0)
        st = fill(rq, &out);
    if (st != 0)
        return st;
    p->rows = (int64_t)out.items.count;
    p->after = out.cursor;
    p->more = out.more;
    return 0;
}

static sut_status apply(sut_request *rq, const sut_event *event, const void *body)
{
    (void)event;
    sut_pg_param values[3];
    return sut_pg_run(rq, &s_apply, values_of(body, values), NULL);
}

static sut_status swap(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    const sut_pg_result *r;
    sut_projection_diff *diff = arg;
    sut_status st = sut_pg_exec(tx, &s_compare, SUT_PG_NO_PARAMS, &r);
    if (st != 0)
        return st;
    *diff = (sut_projection_diff){
        .missing = sut_pg_get_i64(r, 0, 0), .extra = sut_pg_get_i64(r, 0, 1), .different = sut_pg_get_i64(r, 0, 2)};
    return sut_pg_queue(tx, &s_swap, SUT_PG_NO_PARAMS);
}

static const sut_event *const s_events[] = {&user_user_updated_event};
const sut_projection auth_projections[AUTH_PROJECTION_COUNT] = {{.name = "username",
                                                                 .events = s_events,
                                                                 .event_count = SUT_ARRAY_LEN(s_events),
                                                                 .fresh = fresh,
                                                                 .page = page,
                                                                 .apply = apply,
                                                                 .swap = swap}};

sut_status auth_rebuild_start(sut_request *rq, const auth_rebuild_start_in *in, auth_rebuild_start_out *out)
{
    (void)out;
    return sut_projection_rebuild(rq, in->projection);
}

sut_status auth_rebuild_status(sut_request *rq, const auth_rebuild_status_in *in, auth_rebuild_status_out *out)
{
    sut_projection_status s;
    sut_status st = sut_projection_look(rq, in->projection, &s);
    if (st != 0)
        return st;
    *out = (auth_rebuild_status_out){.state = s.state,
                                     .error = s.error,
                                     .has_error = s.error.ptr ? SUT_PRESENT : SUT_ABSENT,
                                     .rows = s.rows,
                                     .replayed = s.replayed,
                                     .missing = s.diff.missing,
                                     .extra = s.diff.extra,
                                     .different = s.diff.different};
    return 0;
}
