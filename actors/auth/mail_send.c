/* Sends what was asked for: the consumer of mail.requested. First the mail, then the record that it went: so a crash in
 * between sends it once more, with the same Message-ID, and never loses it. */
#include "auth_service.h"
#include "auth_templates.h"
#include "mail.h"

#include "base/log.h"
#include "kit/event.h"

#define PARALLEL_MAX   4 /* mails at a time: there are as many threads, and servers refuse many connections */
#define WAIT_MS        50
#define HOURS_VERIFY   "24"
#define HOURS_RESET    "1"
#define ATTEMPTS_KNOWN 7

sut_mailer *auth_mailer;

static unsigned s_sending;

/* The account is the one that has the address now. */
static const sut_pg_stmt s_find = {
    "auth_mail_find",
    "SELECT m.kind, m.email, m.token_hash, m.created_at, u.username, m.ended_at IS NOT NULL OR m.used_at IS NOT NULL "
    "OR m.expires_at <= now() OR u.id IS NULL OR (m.kind = 'verify' AND u.is_verified) FROM mails m LEFT JOIN users u "
    "ON "
    "u.email = m.email AND u.status = 'active' WHERE m.id = $1",
    1};

static const sut_pg_stmt s_end = {
    "auth_mail_end", "UPDATE mails SET ended_at = now(), outcome = $2 WHERE id = $1 AND ended_at IS NULL", 2};

typedef struct sending {
    char id[AUTH_MAIL_ID_SIZE];
    auth_mail_kind kind;
    sut_str email, username, token; /* token absent: it has none */
    int64_t created_us;
    const char *outcome;
} sending;

/* In growing steps: a server that is away for a while costs no mail, and one that is back is used soon. */
static uint32_t delay_ms(uint32_t attempt)
{
    static const uint32_t seconds[ATTEMPTS_KNOWN] = {1, 5, 20, 60, 180, 600, 600};
    return 1000 * seconds[attempt > ATTEMPTS_KNOWN ? ATTEMPTS_KNOWN - 1 : attempt - 1];
}

/* ---- what is sent ---- */

static bool kind_of(sut_str name, auth_mail_kind *out)
{
    for (auth_mail_kind kind = AUTH_MAIL_VERIFY; kind <= AUTH_MAIL_CHANGED; kind++)
        if (sut_str_is(name, auth_mail_kind_name(kind))) {
            *out = kind;
            return true;
        }
    return false;
}

/* With whichever key it was made. Absent: that key has been taken away since, and the token cannot be made any more. */
static sut_str token_of(sut_request *rq, auth_mail_kind kind, const char *id, sut_str hash)
{
    uint8_t made[AUTH_TOKEN_HASH_SIZE];
    for (size_t i = 0; i < auth_keys->count; i++) {
        sut_str token = auth_mail_token(rq, &auth_keys->keys[i], kind, id, made);
        if (token.ptr && hash.len == sizeof made && sut_secret_eq(made, hash.ptr, sizeof made))
            return token;
    }
    return SUT_STR_NONE;
}

static sut_str link_of(sut_request *rq, const sending *s)
{
    static const char *const pages[] = {[AUTH_MAIL_VERIFY] = "verify-email",
                                        [AUTH_MAIL_RESET] = "reset-password",
                                        [AUTH_MAIL_CHANGED] = "forgot-password"};
    /* behind #: no server's log and no Referer ever has it */
    return s->token.ptr ? sut_request_printf(rq, "%s/%s#token=%.*s", auth_config.public_url, pages[s->kind],
                                             SUT_STR_FMT(s->token))
                        : sut_request_printf(rq, "%s/%s", auth_config.public_url, pages[s->kind]);
}

static sut_status fill(sut_request *rq, const sending *s, sut_mail_filled *out)
{
    static const struct {
        const sut_mail_template *template;
        sut_str hours;
    } kinds[] = {[AUTH_MAIL_VERIFY] = {&auth_template_verify, SUT_STR(HOURS_VERIFY)},
                 [AUTH_MAIL_RESET] = {&auth_template_reset, SUT_STR(HOURS_RESET)},
                 [AUTH_MAIL_CHANGED] = {&auth_template_changed, SUT_STR("")}};
    const sut_mail_value values[] = {
        {"username", s->username}, {"link", link_of(rq, s)}, {"hours", kinds[s->kind].hours}};
    if (!values[1].value.ptr)
        return sut_fail_internal(rq, "no memory for a mail");
    return sut_mail_fill(rq, kinds[s->kind].template, values, SUT_ARRAY_LEN(values), out);
}

static sut_status send(sut_request *rq, const sending *s, const char *event_id, sut_mail_outcome *outcome)
{
    sut_mail_filled filled;
    sut_status st = fill(rq, s, &filled);
    while (st == 0 && s_sending >= PARALLEL_MAX) {
        st = sut_request_sleep_ms(rq, WAIT_MS);
        sut_request_progress(rq);
    }
    if (st != 0)
        return st;
    const sut_mail mail = {.to = s->email,
                           .subject = filled.subject,
                           .text = filled.text,
                           .html = filled.html,
                           .id = sut_str_from(event_id),
                           .date_us = s->created_us};
    s_sending++;
    st = sut_mail_send(rq, auth_mailer, &mail, outcome);
    s_sending--;
    return st;
}

/* ---- the event ---- */

static sut_status end(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const sending *s = arg;
    (void)rq;
    return sut_pg_queue(tx, &s_end,
                        SUT_PG_PARAMS(sut_pg_text(sut_str_from(s->id)), sut_pg_text(sut_str_from(s->outcome))));
}

static sut_status drop(sut_request *rq, sending *s, const char *why)
{
    sut_log(SUT_INFO, "auth", "mail.dropped", SUT_KV("mail_id", s->id), SUT_KV("why", why));
    s->outcome = "dropped";
    return sut_pg_tx_run(rq, end, s);
}

/* `*why`: it is not to be sent. */
static sut_status find(sut_request *rq, sending *s, const char **why)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_find, SUT_PG_PARAMS(sut_pg_text(sut_str_from(s->id))), &r);
    if (st != 0)
        return st;
    *why = NULL;
    if (sut_pg_rows(r) == 0 || !kind_of(sut_pg_get_text(r, 0, 0), &s->kind)) {
        *why = "gone";
        return 0;
    }
    s->email = sut_pg_get_text(r, 0, 1);
    s->created_us = sut_pg_get_timestamptz(r, 0, 3);
    s->username = sut_pg_get_text(r, 0, 4);
    if (sut_pg_get_bool(r, 0, 5)) {
        *why = "not needed"; /* sent, used, expired, confirmed, or nobody's: the log does not tell which */
        return 0;
    }
    if (!sut_pg_is_null(r, 0, 2)) {
        s->token = token_of(rq, s->kind, s->id, sut_pg_get_bytea(r, 0, 2));
        if (!s->token.ptr)
            *why = "its key is gone";
    }
    return 0;
}

sut_status auth_on_mail(sut_request *rq, const auth_mail_requested *event)
{
    const sut_request_event *delivery = sut_request_delivery(rq);
    char event_id[2 * SUT_EVENT_ID_LEN + 1];
    sending s = {.outcome = NULL};
    sut_mail_outcome outcome;
    const char *why;
    if (delivery->replayed)
        return 0; /* history told again */
    if (event->mail_id.len >= sizeof s.id)
        return sut_fail(rq, SUT_ERR_INVALID, "This is no mail's id.");
    memcpy(s.id, event->mail_id.ptr, event->mail_id.len);
    sut_hex(delivery->id, sizeof delivery->id, event_id);
    sut_status st = find(rq, &s, &why);
    if (st != 0)
        return st;
    if (why)
        return drop(rq, &s, why);
    if ((st = send(rq, &s, event_id, &outcome)) != 0)
        return st;
    if (outcome == SUT_MAIL_LATER)
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, delay_ms(delivery->attempt), "The mail cannot be sent now.");
    s.outcome = outcome == SUT_MAIL_SENT ? "sent" : "refused";
    return sut_pg_tx_run(rq, end, &s);
}
