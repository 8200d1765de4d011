/* Asking for mails. */
#include "mail.h"

#include "base/clock.h"
#include "kit/event.h"

typedef struct kind_rules {
    const char *name;
    int64_t ttl_s;
    int32_t max_an_hour; /* for one address */
    bool has_token;
} kind_rules;

static const kind_rules s_kinds[] = {
    [AUTH_MAIL_VERIFY] = {"verify", INT64_C(86400), 3, true},
    [AUTH_MAIL_RESET] = {"reset", INT64_C(3600), 3, true},
    [AUTH_MAIL_CHANGED] = {"changed", INT64_C(86400), 20, false},
};

/* Of several that ask for one address at a time, each sees what the others did. 7306: the class of these locks. */
static const sut_pg_stmt s_lock = {"auth_mail_lock", "SELECT pg_advisory_xact_lock(7306, hashtext($1))", 1};

static const sut_pg_stmt s_insert = {"auth_mail_insert",
                                     "INSERT INTO mails (id, kind, email, token_hash, expires_at) SELECT $1, "
                                     "$2::varchar, $3::varchar, $4, now() + make_interval(secs => "
                                     "$5::float8) WHERE (SELECT count(*) FROM (SELECT FROM mails WHERE email = "
                                     "$3::varchar AND kind = $2::varchar AND created_at > now() - "
                                     "interval '1 hour' LIMIT $6::bigint) recent) < $6::bigint RETURNING 1",
                                     6};

const char *auth_mail_kind_name(auth_mail_kind kind)
{
    return s_kinds[kind].name;
}

sut_status auth_mail_ask(sut_request *rq, sut_pg_tx *tx, auth_mail_kind kind, sut_str email, bool *asked)
{
    const kind_rules *rules = &s_kinds[kind];
    char id[AUTH_MAIL_ID_SIZE];
    uint8_t random[16], hash[AUTH_TOKEN_HASH_SIZE];
    const sut_pg_result *r;
    sut_random(random, sizeof random);
    sut_hex(random, sizeof random, id);
    sut_str hashed = SUT_STR_NONE;
    if (rules->has_token) {
        if (!auth_mail_token(rq, sut_keyring_signing(auth_keys), kind, id, hash).ptr)
            return sut_fail_internal(rq, "a mail's token could not be made");
        hashed = (sut_str){(const char *)hash, sizeof hash};
    }
    sut_status st = sut_pg_queue(tx, &s_lock, SUT_PG_PARAMS(sut_pg_text(email)));
    if (st == 0)
        st = sut_pg_exec(tx, &s_insert,
                         SUT_PG_PARAMS(sut_pg_text(sut_str_from(id)), sut_pg_text(sut_str_from(rules->name)),
                                       sut_pg_text(email), sut_pg_bytea(hashed), sut_pg_f64((double)rules->ttl_s),
                                       sut_pg_i64(rules->max_an_hour)),
                         &r);
    if (st != 0)
        return st;
    bool is_new = sut_pg_rows(r) == 1;
    if (asked)
        *asked = is_new;
    if (!is_new)
        return 0;
    const auth_mail_requested event = {.mail_id = sut_str_from(id)};
    return sut_emit(rq, tx, &auth_mail_requested_event, &event, NULL);
}

static sut_status ask(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    auth_mail_asking *a = arg;
    return auth_mail_ask(rq, tx, a->kind, a->email, &a->asked);
}

sut_status auth_mail_ask_alone(sut_request *rq, auth_mail_asking *asking)
{
    return sut_pg_tx_run(rq, ask, asking);
}
