/* Writes messages. Libcurl's curl_mime would make the same multipart, but only inside of a transfer: a file could not
 * have it, headers would be ours anyway, and so would encoded words. */
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define LINE_MAX_7BIT 900 /* RFC 5322, 2.1.1: 998 without CRLF */
#define LINE_MAX_QP   76
#define WORD_BYTES    45 /* in base64 60 characters, with its frame 72 of the 75 that RFC 2047 allows */

void mail_date(int64_t wall_us, char out[MAIL_DATE_SIZE])
{
    /* not strftime: its names are the locale's */
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = {.tm_year = 70};
    time_t s = (time_t)(wall_us / 1000000);
    (void)gmtime_r(&s, &tm);
    snprintf(out, MAIL_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday % 7], tm.tm_mday,
             months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- headers ---- */

static bool controls(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool plain(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] > '~' || (s.ptr[i] == '=' && i + 1 < s.len && s.ptr[i + 1] == '?'))
            return false;
    return true;
}

static sut_status base64(sut_buf *out, const unsigned char *in, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    sut_status st = 0;
    for (size_t i = 0; st == 0 && i < len; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
                        (i + 2 < len ? (uint32_t)in[i + 2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], i + 1 < len ? digits[bits >> 6 & 63] : '=',
                        i + 2 < len ? digits[bits & 63] : '='};
        st = sut_buf_append(out, four, sizeof four);
    }
    return st;
}

sut_status mail_words_write(sut_buf *out, sut_str text)
{
    if (controls(text) || !sut_utf8_valid(text, NULL))
        return -EINVAL;
    if (plain(text))
        return sut_buf_append(out, text.ptr, text.len);
    sut_status st = 0;
    for (size_t at = 0; st == 0 && at < text.len;) {
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;
        while (at + len < text.len && ((unsigned char)text.ptr[at + len] & 0xc0) == 0x80)
            len--; /* a character is not split between words (RFC 2047, section 5) */
        st = sut_buf_puts(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        if (st == 0)
            st = base64(out, (const unsigned char *)text.ptr + at, len);
        if (st == 0)
            st = sut_buf_puts(out, "?=");
        at += len;
    }
    return st;
}

static bool id_valid(sut_str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!((id.ptr[i] >= 'a' && id.ptr[i] <= 'z') || (id.ptr[i] >= 'A' && id.ptr[i] <= 'Z') ||
              (id.ptr[i] >= '0' && id.ptr[i] <= '9') || id.ptr[i] == '-'))
            return false;
    return id.len > 0 && id.len <= SUT_MAIL_ID_MAX;
}

static sut_status write_from(sut_buf *out, const mail_address *from)
{
    sut_status st = sut_buf_puts(out, "From: ");
    if (st == 0 && from->name.ptr) {
        bool quote = plain(from->name);
        if (quote)
            st = sut_buf_puts(out, "\"");
        if (st == 0)
            st = mail_words_write(out, from->name);
        if (st == 0)
            st = sut_buf_puts(out, quote ? "\" " : " ");
    }
    return st != 0 ? st : sut_buf_printf(out, "<%.*s>\r\n", SUT_STR_FMT(from->address));
}

static sut_status write_headers(sut_buf *out, const mail_address *from, const sut_mail *mail)
{
    char date[MAIL_DATE_SIZE];
    mail_date(mail->date_us, date);
    sut_status st = sut_buf_printf(out, "Date: %s\r\n", date);
    if (st == 0)
        st = write_from(out, from);
    if (st == 0)
        st = sut_buf_printf(out, "To: <%.*s>\r\nSubject: ", SUT_STR_FMT(mail->to));
    if (st == 0)
        st = mail_words_write(out, mail->subject);
    /* Auto-Submitted (RFC 3834): no out-of-office replies to a machine */
    return st != 0 ? st
                   : sut_buf_printf(out,
                                    "\r\nMessage-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-generated\r\n"
                                    "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; "
                                    "boundary=\"=_%.*s\"\r\n\r\n",
                                    SUT_STR_FMT(mail->id), SUT_STR_FMT(from->domain), SUT_STR_FMT(mail->id));
}

/* ---- parts ---- */

static bool short_ascii(sut_str body)
{
    size_t line = 0;
    for (size_t i = 0; i < body.len; i++) {
        unsigned char c = (unsigned char)body.ptr[i];
        line = c == '\n' ? 0 : line + 1;
        if (line > LINE_MAX_7BIT || c > '~' || (c < ' ' && c != '\n' && c != '\t'))
            return false;
    }
    return true;
}

static sut_status write_lines(sut_buf *out, sut_str body)
{
    sut_status st = 0;
    for (size_t at = 0; st == 0 && at < body.len;) {
        const char *end = memchr(body.ptr + at, '\n', body.len - at);
        size_t len = end ? (size_t)(end - body.ptr) - at : body.len - at;
        st = sut_buf_append(out, body.ptr + at, len);
        if (st == 0)
            st = sut_buf_append(out, "\r\n", 2);
        at += len + 1;
    }
    return st;
}

static sut_status write_quoted_printable(sut_buf *out, sut_str body)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t line = 0;
    sut_status st = 0;
    for (size_t i = 0; st == 0 && i < body.len; i++) {
        unsigned char c = (unsigned char)body.ptr[i];
        bool last = i + 1 == body.len || body.ptr[i + 1] == '\n';
        char unit[3] = {(char)c, 0, 0};
        size_t len = 1;
        if (c == '\n') {
            st = sut_buf_append(out, "\r\n", 2);
            line = 0;
            continue;
        }
        if (c > '~' || (c < ' ' && c != '\t') || c == '=' || (last && (c == ' ' || c == '\t'))) {
            unit[0] = '=';
            unit[1] = hex[c >> 4];
            unit[2] = hex[c & 15];
            len = 3;
        }
        if (line + len > LINE_MAX_QP - 1) { /* room for the soft break's own = */
            st = sut_buf_append(out, "=\r\n", 3);
            line = 0;
        }
        if (st == 0)
            st = sut_buf_append(out, unit, len);
        line += len;
    }
    return st != 0 || line == 0 ? st : sut_buf_append(out, "\r\n", 2);
}

sut_status mail_part_write(sut_buf *out, const char *type, sut_str body)
{
    bool as_it_is = short_ascii(body);
    if (!sut_utf8_valid(body, NULL))
        return -EINVAL;
    sut_status st = sut_buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
                                   type, as_it_is ? "7bit" : "quoted-printable");
    if (st != 0)
        return st;
    return as_it_is ? write_lines(out, body) : write_quoted_printable(out, body);
}

/* The boundary cannot be in a part: "=_" is written `=3D_` in quoted-printable, and a 7bit part that holds it is
 * refused. */
static bool has_boundary(sut_str body, sut_str id)
{
    char boundary[SUT_MAIL_ID_MAX + 3];
    int len = snprintf(boundary, sizeof boundary, "=_%.*s", SUT_STR_FMT(id));
    return body.len && memmem(body.ptr, body.len, boundary, (size_t)len) != NULL;
}

sut_status mail_message_write(sut_buf *out, const mail_address *from, const sut_mail *mail)
{
    if (!mail_address_valid(mail->to) || !id_valid(mail->id) || mail->subject.len > SUT_MAIL_SUBJECT_MAX ||
        has_boundary(mail->text, mail->id) || has_boundary(mail->html, mail->id))
        return -EINVAL;
    sut_status st = write_headers(out, from, mail);
    if (st == 0)
        st = sut_buf_printf(out, "--=_%.*s\r\n", SUT_STR_FMT(mail->id));
    if (st == 0)
        st = mail_part_write(out, "text/plain", mail->text);
    if (st == 0)
        st = sut_buf_printf(out, "--=_%.*s\r\n", SUT_STR_FMT(mail->id));
    if (st == 0)
        st = mail_part_write(out, "text/html", mail->html);
    return st != 0 ? st : sut_buf_printf(out, "--=_%.*s--\r\n", SUT_STR_FMT(mail->id));
}
