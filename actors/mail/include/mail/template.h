/* Templates of mails hold text and `{{name}}`, and no logic. A template's plain file begins with `Subject: …` and an
 * empty line; sut_actor() embeds templates/NAME.txt and NAME.html as ACTOR_template_NAME. */
#ifndef SUT_MAIL_TEMPLATE_H
#define SUT_MAIL_TEMPLATE_H

#include "kit/kit.h"

typedef struct sut_mail_template {
    const char *text, *html;
} sut_mail_template;

typedef struct sut_mail_value {
    const char *name;
    sut_str value;
} sut_mail_value;

typedef struct sut_mail_filled {
    sut_str subject, text, html;
} sut_mail_filled;

/* Fills a template into the arena of `rq`. Values are escaped in HTML; in both, control characters become blanks. The
 * subject takes no values. SUT_ERR_INTERNAL if the template names a value that is not there, or is not as said above.
 */
SUT_MUST_CHECK sut_status sut_mail_fill(sut_request *rq, const sut_mail_template *t, const sut_mail_value *values,
                                        size_t count, sut_mail_filled *out);

#endif
