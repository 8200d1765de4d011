/* The user actor's steps of a registration: user.profile_create and user.profile_undo. Both may come any number of
 * times and in any order; a lock a user makes them follow one another, so that a create never slips past an undo. */
#include "user.h"
#include "user_service.h"

#include "auth_schema.h"
#include "base/log.h"
#include "kit/event.h"

static const sut_pg_stmt s_lock = {"user_registration_lock", "SELECT pg_advisory_xact_lock(7306, hashint8($1))", 1};

static const sut_pg_stmt s_create = {"user_profile_create",
                                     "INSERT INTO user_profiles (user_id, username, display_name) SELECT $1, $2, $3 "
                                     "WHERE NOT EXISTS (SELECT 1 FROM profile_tombstones WHERE user_id = $1) "
                                     "ON CONFLICT (user_id) DO NOTHING RETURNING username",
                                     3};

static const sut_pg_stmt s_name = {"user_profile_name", "SELECT username FROM user_profiles WHERE user_id = $1", 1};

static const sut_pg_stmt s_tombstone = {
    "user_profile_tombstone", "INSERT INTO profile_tombstones (user_id) VALUES ($1) ON CONFLICT DO NOTHING", 1};

static const sut_pg_stmt s_remove = {"user_profile_remove", "DELETE FROM user_profiles WHERE user_id = $1", 1};

typedef struct creation {
    const user_profile_create_in *in;
    user_profile_create_out *out;
    bool undone;
} creation;

static sut_status create(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    creation *c = arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_queue(tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(c->in->user_id)));
    if (st == 0)
        st = sut_pg_exec(
            tx, &s_create,
            SUT_PG_PARAMS(sut_pg_i64(c->in->user_id), sut_pg_text(c->in->username), sut_pg_text(c->in->display_name)),
            &r);
    if (st != 0)
        return st;
    c->out->created = sut_pg_rows(r) == 1;
    if (!c->out->created) {
        st = sut_pg_exec(tx, &s_name, SUT_PG_PARAMS(sut_pg_i64(c->in->user_id)), &r);
        if (st != 0)
            return st;
    }
    c->undone = sut_pg_rows(r) == 0;
    if (!c->undone)
        c->out->username = sut_pg_get_text(r, 0, 0);
    return 0;
}

sut_status user_profile_create(sut_request *rq, const user_profile_create_in *in, user_profile_create_out *out)
{
    creation c = {.in = in, .out = out};
    sut_status st = sut_pg_tx_run(rq, create, &c);
    if (st == SUT_ERR_CONFLICT && sut_pg_violated(rq, "user_profiles_username_key"))
        return sut_fail_field_as(rq, USER_ERR_USERNAME_TAKEN, "/username", "taken", "This name is taken.");
    if (st == 0 && c.undone)
        return sut_fail(rq, USER_ERR_REGISTRATION_UNDONE, "The registration of this user was given up.");
    return st;
}

typedef struct removal {
    int64_t user_id;
    user_profile_undo_out *out;
} removal;

static sut_status undo(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    removal *u = arg;
    const sut_pg_result *r;
    sut_pg_params id = SUT_PG_PARAMS(sut_pg_i64(u->user_id));
    sut_status st = sut_pg_queue(tx, &s_lock, id);
    if (st == 0)
        st = sut_pg_queue(tx, &s_tombstone, id);
    if (st == 0)
        st = sut_pg_exec(tx, &s_remove, id, &r);
    if (st == 0)
        u->out->removed = sut_pg_affected(r) == 1;
    return st;
}

sut_status user_profile_undo(sut_request *rq, const user_profile_undo_in *in, user_profile_undo_out *out)
{
    removal u = {.user_id = in->user_id, .out = out};
    return sut_pg_tx_run(rq, undo, &u);
}

/* The profile is there before the account becomes active, so this finds it; unless user_db was restored from a backup,
 * or the history is told again to a new one. */
sut_status user_on_registered(sut_request *rq, const auth_user_registered *event)
{
    user_profile_create_out out = {0};
    const user_profile_create_in in = {.user_id = event->user_id,
                                       .username = event->username,
                                       .display_name = event->display_name,
                                       .has_display_name = event->has_display_name};
    creation c = {.in = &in, .out = &out};
    sut_status st = sut_pg_tx_run(rq, create, &c);
    if (st == 0 && out.created)
        sut_log(SUT_WARN, "user", "profile.was_missing", SUT_KV_I("user_id", event->user_id));
    return st;
}
