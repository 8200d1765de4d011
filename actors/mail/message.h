/* A message in the form of RFC 5322 and 2046. Private to the module. */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include "address.h"
#include "mail/mail.h"

#include "base/buf.h"

/* Appends the message: multipart/alternative of plain text and HTML, lines ended by CRLF, none over 998 bytes, all
 * ASCII. The same mail gives the same bytes. -EINVAL for what cannot stand in it (an address, id or subject with other
 * characters than mail.h says, text that is no UTF-8), -EMSGSIZE past the buffer's limit. */
SUT_MUST_CHECK sut_status mail_message_write(sut_buf *out, const mail_address *from, const sut_mail *mail);

/* A header's free text: as it is if visible ASCII, else encoded words of RFC 2047, folded at 75 characters. */
SUT_MUST_CHECK sut_status mail_words_write(sut_buf *out, sut_str text);
/* A part's transfer encoding and body: 7bit if it is ASCII of short lines, else quoted-printable (RFC 2045, 6.7). */
SUT_MUST_CHECK sut_status mail_part_write(sut_buf *out, const char *type, sut_str body);

#define MAIL_DATE_SIZE 40
/* RFC 5322, 3.3, in UTC: "Fri, 02 Jan 2026 03:04:05 +0000". */
void mail_date(int64_t wall_us, char out[MAIL_DATE_SIZE]);

#endif
