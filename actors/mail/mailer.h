/* The two ways of a message. Private to the module. */
#ifndef MAIL_MAILER_H
#define MAIL_MAILER_H

#include "address.h"
#include "mail/mail.h"

struct sut_mailer {
    sut_mailer_settings set;
    mail_address from;
};

/* smtp.c */
/* Is the URL one that we take? Else one line in `error`. */
bool mail_smtp_check(const sut_mailer_settings *set, char *error, size_t error_size);
/* What an attempt was, from libcurl's code, the server's last answer (0: none), and whether the server had all of the
 * message. Only the server's own 5xx about this message is for good: names, connections, TLS and passwords are repaired
 * by people, and a message must not be lost for them. */
sut_mail_outcome mail_smtp_outcome(int curl_code, long response, bool all_sent);
SUT_MUST_CHECK sut_status mail_smtp_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_str message,
                                         sut_mail_outcome *outcome);

/* folder.c */
/* Makes the folder if need be; it must be ours. Negative and one line in `error` if that fails. */
SUT_MUST_CHECK sut_status mail_folder_check(const char *folder, char *error, size_t error_size);
/* Writes DATE-ID.eml, aside and renamed, mode 0600. The same mail again replaces its file. */
SUT_MUST_CHECK sut_status mail_folder_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_str message,
                                           sut_mail_outcome *outcome);

#endif
