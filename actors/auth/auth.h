/* What the files of the auth actor share: its settings and the pieces that several handlers use. */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth_schema.h"
#include "base/keyring.h"
#include "kit/kit.h"
#include "kit/pg.h"
#include "kit/projection.h"
#include "throttle.h"
#include "token.h"

typedef struct auth_settings {
    const char *jwt_keys;   /* SUT_JWT_KEYS */
    const char *jwt_secret; /* JWT_SECRET */
    const char *jwt_issuer, *jwt_audience;
    int64_t bcrypt_cost;
    int64_t access_ttl_s;
    int64_t refresh_ttl_s;
    int64_t session_idle_s, session_max_s;
    int64_t login_free_account, login_free_network, login_delay_s, login_delay_max_s;
    bool require_verified; /* REQUIRE_VERIFIED_EMAIL */
    const char *public_url;
    const char *smtp_url, *smtp_user, *smtp_password, *smtp_tls, *smtp_ca_file, *mail_from, *mail_dir;
} auth_settings;

extern auth_settings auth_config;
/* Loaded at start and again at each SIGHUP; a bad file keeps the old ones. Do not keep it across a call that parks. */
extern sut_keyring *auth_keys;
extern sut_token_rules auth_token_rules;

/* actor.c: all but the entries, which are linked into the program. */
extern const sut_actor_options auth_actor;

/* ---- account.c: rows of users ---- */

typedef enum {
    AUTH_PENDING,
    AUTH_UNDOING, /* it is being given up, and never becomes active */
    AUTH_ACTIVE
} auth_status;

typedef struct auth_account {
    int64_t id;
    sut_str email, password_hash, username, display_name;
    auth_status status;
    int32_t level;
    bool is_verified;
    int64_t password_version; /* grows with each change of the password */
} auth_account;

/* By address, as normalised by the schema (trimmed, lower case). `*found` false: there is none. */
SUT_MUST_CHECK sut_status auth_account_by_email(sut_request *rq, sut_str email, auth_account *out, bool *found);
/* Inserts a pending account and sets out->id; `*taken`: the address has one already. */
SUT_MUST_CHECK sut_status auth_account_insert(sut_request *rq, auth_account *account, bool *taken);
/* Activates an account whose profile exists, sets its level, and, if it was not active before, publishes
 * user.registered and asks for the mail that confirms its address.
 * `*active` false: its registration is being given up, or it is gone. */
SUT_MUST_CHECK sut_status auth_account_activate(sut_request *rq, sut_pg_tx *tx, auth_account *account, bool *active);

/* ---- password_set.c: the caller shows the present password once more ---- */

typedef struct auth_owner {
    int64_t user_id; /* given */
    sut_str email;
    int64_t password_version; /* of the password that was right: whoever acts on it checks this under the row's lock */
} auth_owner;

/* 0, or AUTH_ERR_WRONG_PASSWORD at `pointer` ("/old_password"). Takes as long if there is no such account. */
SUT_MUST_CHECK sut_status auth_owner_confirm(sut_request *rq, const char *pointer, sut_str password, auth_owner *owner);
/* AUTH_ERR_WRONG_PASSWORD, for a password that was changed meanwhile. */
sut_status auth_owner_refuse(sut_request *rq, const char *pointer);

/* ---- saga.c: registration spans two actors (DESIGN section 8) ---- */

typedef enum { AUTH_SAGA_DONE, AUTH_SAGA_NAME_TAKEN, AUTH_SAGA_UNDONE } auth_saga_end;

/* Creates the profile of a pending account; idempotent. On DONE the account may be activated, and account->username is
 * what the profile has. On NAME_TAKEN or UNDONE the account has been removed again, and the name is free for others.
 * Any other status: not decided; the sweeper goes on. */
SUT_MUST_CHECK sut_status auth_saga_profile(sut_request *rq, auth_account *account, auth_saga_end *end);
/* Gives a registration up: removes profile and account, unless the account has become active meanwhile. */
SUT_MUST_CHECK sut_status auth_saga_undo(sut_request *rq, int64_t user_id);
/* Periodic: finishes or undoes registrations that were interrupted. */
sut_status auth_saga_sweep(sut_request *rq, void *arg);

/* ---- session.c: logins ---- */

typedef struct auth_client { /* who asks, as the edge sees it and as it says; both may be absent */
    sut_str address, device;
    char network[AUTH_NETWORK_SIZE]; /* throttle.h; "": not known */
} auth_client;

/* `user_agent` is turned into words (device.h). */
auth_client auth_client_of(sut_request *rq, sut_str address, sut_str user_agent);

typedef struct auth_grant { /* what a client gets for a login */
    auth_client client;
    int64_t user_id;
    int32_t level;
    char session_id[AUTH_SESSION_ID_SIZE];
    sut_str access_token, refresh_token;
    int64_t issued_us, access_expires_s; /* microseconds, seconds since 1970 */
    int64_t begun_us;                    /* when the session was opened */
} auth_grant;

/* When a session that was opened at `begun_us` and is seen at `now_us` ends unless it is seen again: by SESSION_IDLE_S,
 * SESSION_MAX_S and the lifetime of a refresh token, whichever is first. */
int64_t auth_session_expires_us(int64_t begun_us, int64_t now_us);

/* Opens a new session for grant->user_id and level, with its first refresh token, in the transaction. The user's oldest
 * sessions beyond 100 are revoked. */
SUT_MUST_CHECK sut_status auth_session_open(sut_request *rq, sut_pg_tx *tx, auth_grant *grant);
/* Queues the next refresh token of grant->session_id and makes the access token. Neither outlives the session. */
SUT_MUST_CHECK sut_status auth_session_extend(sut_request *rq, sut_pg_tx *tx, auth_grant *grant);
/* Once the transaction is committed: mirrors the session to Redis and fills in the reply. */
void auth_session_answer(sut_request *rq, const auth_grant *grant, sut_str username, sut_str email, auth_tokens *out);
/* The name that the user has now, for which the user actor is asked; `known` if it cannot be asked. */
sut_str auth_present_name(sut_request *rq, int64_t user_id, sut_str known);
/* Revokes one session, or all of the user's if `session_id` is absent, numbers that for the edges, and publishes
 * session.revoked for each. The last thing in its transaction: it takes the lock of decision 6. */
SUT_MUST_CHECK sut_status auth_session_revoke(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str session_id);
/* The same of one session, which must not be absent; `*ended` 0: it is not the user's, or has ended before. */
SUT_MUST_CHECK sut_status auth_session_revoke_one(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str session_id,
                                                  size_t *ended);
/* The same of all of the user's sessions but `keep`, which must not be absent. */
SUT_MUST_CHECK sut_status auth_session_revoke_others(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str keep);

/* ---- mirror.c: session:<user_id> in Redis, as the seed has it ---- */

/* Both are best effort: PostgreSQL is the record. They neither fail nor change the request's error. */
void auth_mirror_put(sut_request *rq, int64_t user_id, const char *session_id, int64_t expires_s);
void auth_mirror_drop(sut_request *rq, int64_t user_id, sut_str session_id); /* absent: all of the user's */

/* ---- username.c ---- */

#define AUTH_PROJECTION_COUNT 1
extern const sut_projection auth_projections[AUTH_PROJECTION_COUNT];

/* ---- cleanup.c ---- */

/* Periodic: removes expired sessions, tokens and revocations, a bounded batch a run. */
sut_status auth_cleanup(sut_request *rq, void *arg);

#endif
