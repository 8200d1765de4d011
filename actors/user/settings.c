/* user.settings_get and user.settings_update. Who has set nothing has no row, and the defaults. */
#include "user.h"
#include "user_service.h"

#include <errno.h>

/* In the order of user_settings, as fill reads them. `s` is settings. */
#define COLUMNS                                                                                                        \
    "s.locale, s.time_zone, s.notify_liked, s.notify_commented, s.notify_followed, s.notify_mentioned, "               \
    "s.notify_friend_request, s.notify_message, s.notify_by_email, s.notify_by_push"

static const sut_pg_stmt s_get = {"user_settings_get", "SELECT " COLUMNS " FROM settings s WHERE s.user_id = $1", 1};

/* A NULL changes nothing. First the row, with its defaults, if there is none. */
static const sut_pg_stmt s_make = {
    "user_settings_make",
    "INSERT INTO settings (user_id) SELECT user_id FROM user_profiles WHERE user_id = $1 "
    "ON CONFLICT (user_id) DO NOTHING",
    1};
static const sut_pg_stmt s_update = {
    "user_settings_update",
    "UPDATE settings s SET locale = coalesce($2, s.locale), time_zone = coalesce($3, s.time_zone), "
    "notify_liked = coalesce($4, s.notify_liked), "
    "notify_commented = coalesce($5, s.notify_commented), "
    "notify_followed = coalesce($6, s.notify_followed), "
    "notify_mentioned = coalesce($7, s.notify_mentioned), "
    "notify_friend_request = coalesce($8, s.notify_friend_request), "
    "notify_message = coalesce($9, s.notify_message), "
    "notify_by_email = coalesce($10, s.notify_by_email), "
    "notify_by_push = coalesce($11, s.notify_by_push), "
    "updated_at = now() WHERE s.user_id = $1 RETURNING " COLUMNS,
    11};

static sut_status fill(sut_request *rq, const sut_pg_result *r, user_settings *out)
{
    user_notification_defaults *n = SUT_REQUEST_NEW(rq, user_notification_defaults);
    if (!n)
        return -ENOMEM;
    out->notifications = n;
    bool set = sut_pg_rows(r) == 1;
    out->locale = set ? sut_pg_get_text(r, 0, 0) : SUT_STR("en");
    out->time_zone = set ? sut_pg_get_text(r, 0, 1) : SUT_STR("UTC");
    *n = (user_notification_defaults){
        .liked = !set || sut_pg_get_bool(r, 0, 2),
        .has_liked = SUT_PRESENT,
        .commented = !set || sut_pg_get_bool(r, 0, 3),
        .has_commented = SUT_PRESENT,
        .followed = !set || sut_pg_get_bool(r, 0, 4),
        .has_followed = SUT_PRESENT,
        .mentioned = !set || sut_pg_get_bool(r, 0, 5),
        .has_mentioned = SUT_PRESENT,
        .friend_request = !set || sut_pg_get_bool(r, 0, 6),
        .has_friend_request = SUT_PRESENT,
        .message = !set || sut_pg_get_bool(r, 0, 7),
        .has_message = SUT_PRESENT,
        .by_email = set && sut_pg_get_bool(r, 0, 8),
        .has_by_email = SUT_PRESENT,
        .by_push = !set || sut_pg_get_bool(r, 0, 9),
        .has_by_push = SUT_PRESENT,
    };
    return 0;
}

sut_status user_settings_get(sut_request *rq, const user_settings_get_in *in, user_settings_get_out *out)
{
    (void)in;
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_get, SUT_PG_PARAMS(sut_pg_i64(sut_request_user_id(rq))), &r);
    return st != 0 ? st : fill(rq, r, out);
}

typedef struct update {
    const user_settings_update_in *in;
    user_settings_update_out *out;
} update;

static sut_pg_param flag(uint8_t has, bool value)
{
    return has == SUT_PRESENT ? sut_pg_bool(value) : sut_pg_null(SUT_PG_BOOL);
}

static sut_pg_param text(uint8_t has, sut_str value)
{
    return sut_pg_text(has == SUT_PRESENT ? value : SUT_STR_NONE);
}

static sut_status run_update(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const update *u = arg;
    const sut_pg_result *r;
    static const user_notification_defaults none = {0};
    const user_notification_defaults *n = u->in->notifications ? u->in->notifications : &none;
    sut_pg_param me = sut_pg_i64(sut_request_user_id(rq));
    sut_status st = sut_pg_queue(tx, &s_make, SUT_PG_PARAMS(me));
    if (!st)
        st = sut_pg_exec(tx, &s_update,
                         SUT_PG_PARAMS(me, text(u->in->has_locale, u->in->locale),
                                       text(u->in->has_time_zone, u->in->time_zone), flag(n->has_liked, n->liked),
                                       flag(n->has_commented, n->commented), flag(n->has_followed, n->followed),
                                       flag(n->has_mentioned, n->mentioned),
                                       flag(n->has_friend_request, n->friend_request), flag(n->has_message, n->message),
                                       flag(n->has_by_email, n->by_email), flag(n->has_by_push, n->by_push)),
                         &r);
    if (st)
        return st;
    return sut_pg_rows(r) == 1 ? fill(rq, r, u->out) : user_not_found(rq);
}

sut_status user_settings_update(sut_request *rq, const user_settings_update_in *in, user_settings_update_out *out)
{
    return sut_pg_tx_once(rq, run_update, &(update){in, out}, out);
}
