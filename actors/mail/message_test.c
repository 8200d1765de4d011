/* The bytes of messages. */
#include "message.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const sut_mail s_mail = {.to = SUT_STR("ada@example.org"),
                                .subject = SUT_STR("Hello"),
                                .text = SUT_STR("Hello,\n\nfirst\n.\nlast\n"),
                                .html = SUT_STR("<p>Gr\xc3\xbc\xc3\x9f\x65 = 1</p>\n"),
                                .id = SUT_STR("0a1b"),
                                .date_us = INT64_C(1767323045678901)};

static mail_address from_of(const char *text)
{
    mail_address a;
    cr_assert(mail_address_parse(sut_str_from(text), &a), "%s", text);
    return a;
}

static sut_status write_mail(sut_buf *out, const sut_mail *mail)
{
    mail_address from = from_of("ShareUpTime <no-reply@example.net>");
    sut_buf_init(out, SUT_MAIL_BYTES_MAX);
    return mail_message_write(out, &from, mail);
}

Test(message, golden)
{
    sut_buf out;
    sut_str text;
    cr_assert_eq(write_mail(&out, &s_mail), 0);
    cr_assert_eq(sut_buf_str(&out, &text), 0);
    cr_assert_str_eq(text.ptr, "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n"
                               "From: \"ShareUpTime\" <no-reply@example.net>\r\n"
                               "To: <ada@example.org>\r\n"
                               "Subject: Hello\r\n"
                               "Message-ID: <0a1b@example.net>\r\n"
                               "Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: multipart/alternative; boundary=\"=_0a1b\"\r\n"
                               "\r\n"
                               "--=_0a1b\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: 7bit\r\n"
                               "\r\n"
                               "Hello,\r\n\r\nfirst\r\n.\r\nlast\r\n"
                               "--=_0a1b\r\n"
                               "Content-Type: text/html; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: quoted-printable\r\n"
                               "\r\n"
                               "<p>Gr=C3=BC=C3=9Fe =3D 1</p>\r\n"
                               "--=_0a1b--\r\n");
    sut_buf_deinit(&out);
}

Test(message, what_could_be_a_header_or_a_command_is_refused)
{
    static const struct {
        const char *what;
        size_t offset;
        sut_str value;
    } cases[] = {
        {"to", offsetof(sut_mail, to), SUT_STR("ada@example.org\r\nBcc: eve@example.org")},
        {"to", offsetof(sut_mail, to), SUT_STR("ada@example.org> RCPT TO:<eve@example.org")},
        {"to", offsetof(sut_mail, to), SUT_STR("ada@example.org,eve")},
        {"to", offsetof(sut_mail, to), SUT_STR("ada@example.org\0x")},
        {"to", offsetof(sut_mail, to), SUT_STR("a@b@c")},
        {"to", offsetof(sut_mail, to), SUT_STR("ad\xc3\xa4@example.org")},
        {"to", offsetof(sut_mail, to), SUT_STR("")},
        {"subject", offsetof(sut_mail, subject), SUT_STR("x\r\nBcc: eve@example.org")},
        {"subject", offsetof(sut_mail, subject), SUT_STR("x\n y")},
        {"subject", offsetof(sut_mail, subject), SUT_STR("x\0y")},
        {"subject", offsetof(sut_mail, subject), SUT_STR("\xff")},
        {"id", offsetof(sut_mail, id), SUT_STR("a>\r\nX: y")},
        {"id", offsetof(sut_mail, id), SUT_STR("a@b")},
        {"id", offsetof(sut_mail, id), SUT_STR("")},
        {"text", offsetof(sut_mail, text), SUT_STR("\xc3(")},
        {"text", offsetof(sut_mail, text), SUT_STR("x\n--=_0a1b--\n")},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_buf out;
        sut_mail mail = s_mail;
        memcpy((char *)&mail + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        cr_assert_eq(write_mail(&out, &mail), -EINVAL, "%s, case %zu", cases[i].what, i);
        sut_buf_deinit(&out);
    }
}

Test(message, is_bounded)
{
    sut_buf out;
    sut_mail mail = s_mail;
    static char large[SUT_MAIL_BYTES_MAX + 1];
    memset(large, 'x', sizeof large - 1);
    mail.text = sut_str_from(large);
    cr_assert_eq(write_mail(&out, &mail), -EMSGSIZE);
    sut_buf_deinit(&out);
    mail = s_mail;
    mail.subject = (sut_str){large, SUT_MAIL_SUBJECT_MAX + 1};
    cr_assert_eq(write_mail(&out, &mail), -EINVAL);
    sut_buf_deinit(&out);
}

static void expect_words(const char *text, const char *expected)
{
    sut_buf out;
    sut_str s;
    sut_buf_init(&out, 0);
    cr_assert_eq(mail_words_write(&out, sut_str_from(text)), 0, "%s", text);
    cr_assert_eq(sut_buf_str(&out, &s), 0);
    cr_assert_str_eq(s.ptr, expected);
    sut_buf_deinit(&out);
}

Test(message, words)
{
    expect_words("Confirm it", "Confirm it");
    expect_words("Gr\xc3\xbc\xc3\x9f\x65", "=?UTF-8?B?R3LDvMOfZQ==?=");
    expect_words("=?UTF-8?B?eA==?=", "=?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=");
    /* 22 characters of two bytes fit into 45; the 23rd is not split */
    expect_words("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
                 "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc",
                 "=?UTF-8?B?w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7w=?=\r\n =?UTF-8?B?w7w=?=");
}

Test(message, long_lines_are_broken)
{
    sut_buf out;
    sut_str s;
    char body[1200];
    memset(body, 'x', sizeof body);
    body[sizeof body - 2] = ' ';
    body[sizeof body - 1] = '\n';
    sut_buf_init(&out, 0);
    cr_assert_eq(mail_part_write(&out, "text/plain", (sut_str){body, sizeof body}), 0);
    cr_assert_eq(sut_buf_str(&out, &s), 0);
    cr_assert_not_null(strstr(s.ptr, "quoted-printable"));
    cr_assert_not_null(strstr(s.ptr, "=20\r\n"), "a blank at a line's end would be lost");
    for (const char *line = s.ptr; *line;) {
        const char *end = strstr(line, "\r\n");
        cr_assert(end && end - line <= 76, "%d", (int)(end - line));
        line = end + 2;
    }
    sut_buf_deinit(&out);
}

Test(message, dates)
{
    char date[MAIL_DATE_SIZE];
    mail_date(0, date);
    cr_assert_str_eq(date, "Thu, 01 Jan 1970 00:00:00 +0000");
    mail_date(INT64_C(1709251199999999), date);
    cr_assert_str_eq(date, "Thu, 29 Feb 2024 23:59:59 +0000");
}

Test(address, parse)
{
    mail_address a = from_of(" Share  Up <x@y.example> ");
    cr_assert(sut_str_is(a.name, "Share  Up") && sut_str_is(a.address, "x@y.example") &&
              sut_str_is(a.domain, "y.example"));
    a = from_of("x@y");
    cr_assert(a.name.ptr == NULL && sut_str_is(a.address, "x@y") && sut_str_is(a.domain, "y"));
    cr_assert_null(from_of("<x@y>").name.ptr);
    static const char *const wrong[] = {"",        " ",          "x",           "x@",          "@y",    "x@y z",
                                        "a<b",     "a <x@y",     "a <x@y> b",   "a <<x@y>",    "a>x@y", "a\n<x@y>",
                                        "\"<x@y>", "\xff <x@y>", "a <x@y\r\n>", "a <x@y,z@w>", "<>"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_not(mail_address_parse(sut_str_from(wrong[i]), &a), "%s", wrong[i]);
}
