/* SMTP through libcurl, on threads: its multi interface blocks at a message's end (smtp_done waits for the answer) and
 * at QUIT, as measured with 7.88, and would stop the loop for as long as a server says nothing. */
#include "mailer.h"

#include "kit/work.h"

#include "base/log.h"

#include <curl/curl.h>
#include <stdio.h>

#define CONNECT_MS 5000L
#define TOTAL_MS   15000L
#define ANSWER_S   10L /* for one answer; that to QUIT comes after TOTAL_MS, and may else take libcurl's two minutes */

typedef struct smtp_job {
    const sut_mailer *m; /* its settings do not change */
    char to[260], from[260];
    size_t at, len; /* how much of the message libcurl has asked for */
    int code;       /* libcurl's */
    long response;  /* the server's last one; 0: none */
    char bytes[SUT_MAIL_BYTES_MAX];
} smtp_job;

_Static_assert(sizeof(smtp_job) <= SUT_WORK_JOB_MAX, "a mail fits into a job");

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    smtp_job *job = arg;
    size_t left = job->len - job->at, len = size * count < left ? size * count : left;
    memcpy(out, job->bytes + job->at, len);
    job->at += len;
    return len;
}

/* ---- settings ---- */

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && text[0];
    curl_free(text);
    return has;
}

static bool is_smtp(CURLU *u)
{
    char *scheme = NULL;
    bool ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "smtp") == 0 || strcmp(scheme, "smtps") == 0);
    curl_free(scheme);
    return ok && has_part(u, CURLUPART_HOST);
}

static const char *url_fault(const sut_mailer_settings *set)
{
    CURLU *u = curl_url();
    const char *fault = NULL;
    if (!u)
        return "no memory";
    if (curl_url_set(u, CURLUPART_URL, set->smtp_url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK || !is_smtp(u))
        fault = "SMTP_URL must be smtp://host:port or smtps://host:port";
    else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        fault = "SMTP_URL must not hold a user: SMTP_USER and SMTP_PASSWORD do";
    curl_url_cleanup(u);
    return fault;
}

bool mail_smtp_check(const sut_mailer_settings *set, char *error, size_t error_size)
{
    bool off = strcmp(set->smtp_tls, "off") == 0;
    const char *fault = NULL;
    if (!off && strcmp(set->smtp_tls, "required") != 0)
        fault = "SMTP_TLS must be required or off";
    else if (off && set->smtp_password[0] && strncasecmp(set->smtp_url, "smtps:", 6) != 0)
        fault = "SMTP_TLS must be required with SMTP_PASSWORD: it would be sent in the clear";
    else if (!set->smtp_user[0] != !set->smtp_password[0])
        fault = "SMTP_USER and SMTP_PASSWORD must be given both or not at all";
    else
        fault = url_fault(set);
    if (!fault && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        fault = "libcurl does not start";
    snprintf(error, error_size, "%s", fault ? fault : "");
    return fault == NULL;
}

/* ---- sending ---- */

sut_mail_outcome mail_smtp_outcome(int curl_code, long response, bool all_sent)
{
    if (curl_code == CURLE_OK)
        return SUT_MAIL_SENT;
    if (response < 500 || response > 599)
        return SUT_MAIL_LATER;
    if (response == 530 || response == 534 || response == 535 || response == 538) /* RFC 4954: who we are, not what */
        return SUT_MAIL_LATER;
    /* SEND_ERROR: MAIL, RCPT or DATA was refused. After the message's end its refusal is an unexpected reply. */
    bool about_message = curl_code == CURLE_SEND_ERROR || (all_sent && curl_code == CURLE_WEIRD_SERVER_REPLY);
    return about_message ? SUT_MAIL_REFUSED : SUT_MAIL_LATER;
}

/* The first setopt that fails decides: an option that is not taken (TLS!) must not be passed over. */
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(easy, option, value);                                                              \
    } while (0)

static CURLcode set_up(CURL *easy, smtp_job *job, struct curl_slist *to)
{
    const sut_mailer_settings *set = &job->m->set;
    CURLcode code = CURLE_OK;
    bool tls = strcmp(set->smtp_tls, "off") != 0;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_URL, set->smtp_url);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET(CURLOPT_USE_SSL, (long)(tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (set->smtp_ca_file[0])
        SET(CURLOPT_CAINFO, set->smtp_ca_file);
    if (set->smtp_user[0]) {
        SET(CURLOPT_USERNAME, set->smtp_user);
        SET(CURLOPT_PASSWORD, set->smtp_password);
    }
    SET(CURLOPT_MAIL_FROM, job->from);
    SET(CURLOPT_MAIL_RCPT, to);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, job);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)job->len);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, TOTAL_MS);
    SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, ANSWER_S);
    return code;
}

static void tell(const sut_mail *mail, sut_mail_outcome outcome, int code, long response)
{
    if (outcome == SUT_MAIL_SENT)
        return;
    sut_log(SUT_WARN, "mail", outcome == SUT_MAIL_REFUSED ? "mail.refused" : "mail.later", SUT_KV_S("id", mail->id),
            SUT_KV_I("smtp", response), SUT_KV("detail", curl_easy_strerror((CURLcode)code)));
}

/* The worker's. */
static void smtp_work(void *arg)
{
    smtp_job *job = arg;
    struct curl_slist *to = curl_slist_append(NULL, job->to);
    CURL *easy = curl_easy_init();
    CURLcode code = to && easy ? set_up(easy, job, to) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    if (easy)
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &job->response);
    job->code = (int)code;
    curl_easy_cleanup(easy);
    curl_slist_free_all(to);
}

sut_status mail_smtp_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_str message,
                          sut_mail_outcome *outcome)
{
    smtp_job *job = SUT_REQUEST_NEW(rq, smtp_job);
    if (!job || message.len > sizeof job->bytes)
        return sut_fail_internal(rq, "no memory for a mail");
    job->m = m;
    snprintf(job->from, sizeof job->from, "<%.*s>", SUT_STR_FMT(m->from.address)); /* 254 bytes at most, as `to` */
    snprintf(job->to, sizeof job->to, "<%.*s>", SUT_STR_FMT(mail->to));
    memcpy(job->bytes, message.ptr, message.len);
    job->len = message.len;
    sut_status st = sut_work_slow(rq, smtp_work, job, sizeof *job);
    explicit_bzero(job->bytes, sizeof job->bytes);
    if (st != 0)
        return st;
    *outcome = mail_smtp_outcome(job->code, job->response, job->at == job->len);
    tell(mail, *outcome, job->code, job->response);
    return 0;
}
