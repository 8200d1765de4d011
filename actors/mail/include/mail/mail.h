/* Mail: a message as its sender thinks of it, and the port that takes it to an SMTP server or, without one, into files.
 *
 *     sut_mailer *m;
 *     sut_mailer_new(&m, &(sut_mailer_settings){…}, error, sizeof error);
 *     sut_mail mail = {.to = address, .subject = …, .text = …, .html = …, .id = …, .date_us = …};
 *     sut_mail_outcome outcome;
 *     st = sut_mail_send(rq, m, &mail, &outcome);
 *
 * All strings are UTF-8. Nothing of a message can become a header or a command: what does not fit is refused. */
#ifndef SUT_MAIL_MAIL_H
#define SUT_MAIL_MAIL_H

#include "kit/kit.h"

#define SUT_MAIL_BYTES_MAX   32768 /* a whole message */
#define SUT_MAIL_SUBJECT_MAX 200   /* bytes */
#define SUT_MAIL_ID_MAX      64
#define SUT_MAIL_FILES_MAX   1000 /* in the folder; the oldest go */

typedef struct sut_mail {
    sut_str to; /* one address, without name */
    sut_str subject;
    sut_str text, html; /* lines end with \n */
    sut_str id;         /* letters, digits and dashes: the Message-ID is <id@domain of the sender> */
    int64_t date_us;    /* since 1970 UTC */
} sut_mail;

typedef enum {
    SUT_MAIL_SENT,    /* the server has taken it, or the file is written */
    SUT_MAIL_REFUSED, /* for good: sending it again is pointless */
    SUT_MAIL_LATER    /* not now */
} sut_mail_outcome;

/* Strings must stay. "" is absent. */
typedef struct sut_mailer_settings {
    const char *smtp_url; /* smtp://host[:port] or smtps://host[:port]; absent: files */
    const char *smtp_user, *smtp_password;
    const char *smtp_tls;     /* "required" (STARTTLS for smtp://) or "off" */
    const char *smtp_ca_file; /* PEM; absent: the system's */
    const char *from;         /* `Name <address>` or `address`; may be absent for files only */
    const char *folder;       /* where files go; made if missing */
} sut_mailer_settings;

typedef struct sut_mailer sut_mailer;

/* -EINVAL or what the folder's making returned, and one line that names the setting, if a setting is wrong. */
SUT_MUST_CHECK sut_status sut_mailer_new(sut_mailer **out, const sut_mailer_settings *settings, char *error,
                                         size_t error_size);
sut_mailer *sut_mailer_free(sut_mailer *m);

/* Parks until the message is taken or not: up to 25 s. Returns 0 and *outcome; or an error number: what was interrupted
 * may have been sent. SUT_ERR_INTERNAL for a message that cannot be built. The log tells outcome and id, no address. */
SUT_MUST_CHECK sut_status sut_mail_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail,
                                        sut_mail_outcome *outcome);

#endif
