/* Settings, and which way a message goes. */
#include "mailer.h"

#include "message.h"

#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_FROM "ShareUpTime <no-reply@localhost.localdomain>"

static sut_metric s_mails[] = {
    [SUT_MAIL_SENT] = {.name = "sut_mails_total",
                       .help = "Mails by how sending ended; later: tried again.",
                       .labels = "outcome=\"sent\"",
                       .kind = SUT_COUNTER},
    [SUT_MAIL_REFUSED] = {.name = "sut_mails_total",
                          .help = "Mails by how sending ended; later: tried again.",
                          .labels = "outcome=\"refused\"",
                          .kind = SUT_COUNTER},
    [SUT_MAIL_LATER] = {.name = "sut_mails_total",
                        .help = "Mails by how sending ended; later: tried again.",
                        .labels = "outcome=\"later\"",
                        .kind = SUT_COUNTER},
};

static void register_metrics(void)
{
    static bool registered;
    for (size_t i = 0; !registered && i < SUT_ARRAY_LEN(s_mails); i++)
        sut_metric_register(&s_mails[i]);
    registered = true;
}

sut_status sut_mailer_new(sut_mailer **out, const sut_mailer_settings *settings, char *error, size_t error_size)
{
    sut_status st = 0;
    sut_mailer *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        snprintf(error, error_size, "no memory");
        return -ENOMEM;
    }
    m->set = *settings;
    bool files = !settings->smtp_url[0];
    if (!mail_address_parse(sut_str_from(files && !settings->from[0] ? FILES_FROM : settings->from), &m->from)) {
        snprintf(error, error_size, "MAIL_FROM must be `Name <address>` or an address, and given where SMTP_URL is");
        st = -EINVAL;
    } else if (settings->smtp_url[0]) {
        st = mail_smtp_check(settings, error, error_size) ? 0 : -EINVAL;
    } else {
        st = mail_folder_check(settings->folder, error, error_size);
    }
    if (st != 0) {
        sut_mailer_free(m);
        return st;
    }
    register_metrics();
    *out = m;
    return 0;
}

sut_mailer *sut_mailer_free(sut_mailer *m)
{
    free(m);
    return NULL;
}

static sut_status deliver(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_buf *message,
                          sut_mail_outcome *outcome)
{
    sut_str bytes;
    sut_status st = mail_message_write(message, &m->from, mail);
    if (st == 0)
        st = sut_buf_str(message, &bytes);
    if (st != 0)
        return sut_fail_internal(rq, "a mail cannot be written (%d)", st);
    return m->set.smtp_url[0] ? mail_smtp_send(rq, m, mail, bytes, outcome)
                              : mail_folder_send(rq, m, mail, bytes, outcome);
}

sut_status sut_mail_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_mail_outcome *outcome)
{
    sut_buf message;
    *outcome = SUT_MAIL_LATER;
    sut_buf_init(&message, SUT_MAIL_BYTES_MAX);
    sut_status st = deliver(rq, m, mail, &message, outcome);
    if (message.data)
        explicit_bzero(message.data, message.len);
    sut_buf_deinit(&message);
    if (st != 0)
        return st;
    sut_metric_add(&s_mails[*outcome], 1);
    /* a message that is refused tells nothing about the server */
    sut_health_set("mail", false, *outcome == SUT_MAIL_LATER ? SUT_HEALTH_DOWN : SUT_HEALTH_UP,
                   *outcome == SUT_MAIL_LATER ? "mails cannot be sent now, and are tried again" : NULL);
    if (*outcome == SUT_MAIL_SENT)
        sut_log(SUT_INFO, "mail", "mail.sent", SUT_KV_S("id", mail->id));
    return 0;
}
