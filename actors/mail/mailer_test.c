/* Settings, what an answer of a server means, templates, and mails as files. */
#include "mailer.h"

#include "kit/testing.h"
#include "mail/template.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const sut_actor_options s_actor = {.name = "fix", .summary = "tests"};

/* ---- settings ---- */

#define SMTP(...)                                                                                                      \
    {                                                                                                                  \
        .smtp_url = "smtp://mail.example:587", .smtp_user = "", .smtp_password = "", .smtp_tls = "required",           \
        .smtp_ca_file = "", .from = "a@b.example", .folder = "", __VA_ARGS__                                           \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const sut_mailer_settings s_right[] = {
    SMTP(.smtp_tls = "required"),
    SMTP(.smtp_url = "smtps://mail.example"),
    SMTP(.smtp_user = "u", .smtp_password = "p"),
    SMTP(.smtp_url = "smtps://mail.example", .smtp_user = "u", .smtp_password = "p", .smtp_tls = "off"),
    SMTP(.smtp_tls = "off"),
};
static const struct {
    sut_mailer_settings set;
    const char *names;
} s_wrong[] = {
    {SMTP(.smtp_url = "http://mail.example"), "SMTP_URL"},
    {SMTP(.smtp_url = "mail.example:25"), "SMTP_URL"},
    {SMTP(.smtp_url = "smtp://u:p@mail.example"), "SMTP_USER"},
    {SMTP(.smtp_tls = "maybe"), "SMTP_TLS"},
    {SMTP(.smtp_tls = ""), "SMTP_TLS"},
    {SMTP(.smtp_user = "u"), "SMTP_PASSWORD"},
    {SMTP(.smtp_password = "p"), "SMTP_USER"},
    {SMTP(.smtp_user = "u", .smtp_password = "p", .smtp_tls = "off"), "SMTP_TLS"},
    {SMTP(.from = "nobody"), "MAIL_FROM"},
    {SMTP(.from = ""), "MAIL_FROM"},
    {SMTP(.from = "a <a@b.example>\nX: y"), "MAIL_FROM"},
    {SMTP(.smtp_url = ""), "MAIL_DIR"},
};
#pragma GCC diagnostic pop

Test(mailer, settings)
{
    char error[256];
    sut_mailer *m;
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_right); i++) {
        cr_assert_eq(sut_mailer_new(&m, &s_right[i], error, sizeof error), 0, "case %zu: %s", i, error);
        sut_mailer_free(m);
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_wrong); i++) {
        cr_assert_lt(sut_mailer_new(&m, &s_wrong[i].set, error, sizeof error), 0, "case %zu", i);
        cr_assert_null(m);
        cr_assert_not_null(strstr(error, s_wrong[i].names), "case %zu: %s", i, error);
    }
}

/* ---- what an answer means ---- */

Test(mailer, only_a_refusal_of_the_message_is_for_good)
{
    static const struct {
        int code;
        long response;
        bool all_sent;
        sut_mail_outcome outcome;
    } cases[] = {
        {CURLE_OK, 250, true, SUT_MAIL_SENT},
        {CURLE_SEND_ERROR, 550, false, SUT_MAIL_REFUSED},        /* RCPT */
        {CURLE_SEND_ERROR, 554, false, SUT_MAIL_REFUSED},        /* DATA */
        {CURLE_WEIRD_SERVER_REPLY, 554, true, SUT_MAIL_REFUSED}, /* the message */
        {CURLE_WEIRD_SERVER_REPLY, 554, false, SUT_MAIL_LATER},  /* the greeting */
        {CURLE_SEND_ERROR, 451, false, SUT_MAIL_LATER},
        {CURLE_WEIRD_SERVER_REPLY, 452, true, SUT_MAIL_LATER},
        {CURLE_SEND_ERROR, 530, false, SUT_MAIL_LATER}, /* who are you */
        {CURLE_LOGIN_DENIED, 535, false, SUT_MAIL_LATER},
        {CURLE_USE_SSL_FAILED, 502, false, SUT_MAIL_LATER},
        {CURLE_PEER_FAILED_VERIFICATION, 220, false, SUT_MAIL_LATER},
        {CURLE_REMOTE_ACCESS_DENIED, 550, false, SUT_MAIL_LATER}, /* EHLO */
        {CURLE_COULDNT_CONNECT, 0, false, SUT_MAIL_LATER},
        {CURLE_OPERATION_TIMEDOUT, 354, true, SUT_MAIL_LATER},
        {CURLE_OPERATION_TIMEDOUT, 550, true, SUT_MAIL_LATER},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++)
        cr_assert_eq(mail_smtp_outcome(cases[i].code, cases[i].response, cases[i].all_sent), cases[i].outcome,
                     "case %zu", i);
}

/* ---- templates ---- */

static sut_status fills(sut_request *rq, void *arg)
{
    sut_mail_filled out;
    const sut_mail_value values[] = {{"name", SUT_STR("<b> & \"Eve's\"\r\nX")}, {"empty", SUT_STR("")}};
    const sut_mail_template right = {"Subject: Hi {{name}}\n\n{{name}}{{empty}}!\n", "<p>{{name}}</p>\n"};
    (void)arg;
    cr_assert_eq(sut_mail_fill(rq, &right, values, 2, &out), 0);
    cr_assert(sut_str_is(out.subject, "Hi {{name}}"), "a subject takes no values");
    cr_assert(sut_str_is(out.text, "<b> & \"Eve's\"  X!\n"), "%s", out.text.ptr);
    cr_assert(sut_str_is(out.html, "<p>&lt;b&gt; &amp; &quot;Eve&#39;s&quot;  X</p>\n"), "%s", out.html.ptr);
    static const sut_mail_template wrong[] = {{"Subject: x\n\n{{other}}", ""},
                                              {"Subject: x\n\n{{name", ""},
                                              {"Subject: x\n\n", "{{ name }}"},
                                              {"x\n\ny", ""},
                                              {"Subject: x\nno empty line", ""}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_eq(sut_mail_fill(rq, &wrong[i], values, 2, &out), SUT_ERR_INTERNAL, "case %zu", i);
    const sut_mail_value itself[] = {{"name", SUT_STR("{{name}}")}};
    const sut_mail_template once = {"Subject: x\n\n{{name}}", "{{name}}"};
    cr_assert_eq(sut_mail_fill(rq, &once, itself, 1, &out), 0);
    cr_assert(sut_str_is(out.text, "{{name}}"), "values are not filled again");
    return 0;
}

Test(template, holds_text_and_values, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&s_actor, fills, NULL), 0);
}

/* ---- files ---- */

typedef struct files {
    char top[32], folder[64];
    sut_mailer *m;
} files;

static void files_make(files *f)
{
    char error[256];
    snprintf(f->top, sizeof f->top, "/tmp/sut-mail-XXXXXX");
    cr_assert_not_null(mkdtemp(f->top));
    snprintf(f->folder, sizeof f->folder, "%s/mail", f->top);
    const sut_mailer_settings set = {.smtp_url = "", .from = "a@b.example", .folder = f->folder};
    cr_assert_eq(sut_mailer_new(&f->m, &set, error, sizeof error), 0, "%s", error);
}

static void empty(const char *folder)
{
    char path[512];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' || strlen(e->d_name) > 2)
            (void)unlink(path);
    }
    if (d)
        closedir(d);
    (void)rmdir(folder);
}

static void files_remove(files *f)
{
    sut_mailer_free(f->m);
    empty(f->folder);
    empty(f->top);
}

/* The names, counted; the first and the last in their order. */
static int names(const files *f, char first[256], char last[256])
{
    struct dirent **all;
    int count = scandir(f->folder, &all, NULL, alphasort), mails = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(all[i]->d_name, ".") != 0 && strcmp(all[i]->d_name, "..") != 0) {
            if (mails++ == 0)
                snprintf(first, 256, "%s", all[i]->d_name);
            snprintf(last, 256, "%s", all[i]->d_name);
        }
        free(all[i]);
    }
    free(all);
    return mails;
}

static sut_mail_outcome put(sut_request *rq, const files *f, const char *id, int64_t at_us)
{
    const sut_mail mail = {.to = SUT_STR("ada@example.org"),
                           .subject = SUT_STR("x"),
                           .text = SUT_STR("x\n"),
                           .html = SUT_STR("x\n"),
                           .id = sut_str_from(id),
                           .date_us = at_us};
    sut_mail_outcome outcome;
    cr_assert_eq(sut_mail_send(rq, f->m, &mail, &outcome), 0);
    return outcome;
}

static sut_status writes(sut_request *rq, void *arg)
{
    const files *f = arg;
    char first[256], last[256], path[512];
    struct stat s;
    cr_assert_eq(put(rq, f, "a1", 1000000), SUT_MAIL_SENT);
    cr_assert_eq(put(rq, f, "a1", 1000000), SUT_MAIL_SENT, "again");
    cr_assert_eq(names(f, first, last), 1, "the same mail is the same file");
    cr_assert_str_eq(first, "19700101T000001.000000Z-a1.eml");
    snprintf(path, sizeof path, "%s/%s", f->folder, first);
    cr_assert_eq(stat(path, &s), 0);
    cr_assert_eq(s.st_mode & 0777, 0600);
    cr_assert_eq(stat(f->folder, &s), 0);
    cr_assert_eq(s.st_mode & 0777, 0700);
    return 0;
}

Test(folder, a_mail_is_a_private_file, .timeout = 30)
{
    files f;
    files_make(&f);
    cr_assert_eq(sut_test_actor(&s_actor, writes, &f), 0);
    files_remove(&f);
}

static sut_status trims(sut_request *rq, void *arg)
{
    const files *f = arg;
    char first[256], last[256], path[512];
    for (int i = 0; i < SUT_MAIL_FILES_MAX + 5; i++) {
        snprintf(path, sizeof path, "%s/19700101T000001.%06dZ-x.eml", f->folder, i);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        cr_assert(fd >= 0);
        close(fd);
    }
    cr_assert_eq(put(rq, f, "new", 2000000), SUT_MAIL_SENT);
    cr_assert_eq(names(f, first, last), SUT_MAIL_FILES_MAX);
    cr_assert_str_eq(first, "19700101T000001.000006Z-x.eml", "the oldest went");
    cr_assert_str_eq(last, "19700101T000002.000000Z-new.eml");
    return 0;
}

Test(folder, keeps_the_newest_thousand, .timeout = 60)
{
    files f;
    files_make(&f);
    cr_assert_eq(sut_test_actor(&s_actor, trims, &f), 0);
    files_remove(&f);
}

static sut_status goes(sut_request *rq, void *arg)
{
    const files *f = arg;
    char first[256], last[256];
    empty(f->folder);
    cr_assert_eq(put(rq, f, "a1", 1000000), SUT_MAIL_LATER, "the folder is gone");
    cr_assert_eq(mkdir(f->folder, 0700), 0);
    cr_assert_eq(put(rq, f, "a1", 1000000), SUT_MAIL_SENT);
    cr_assert_eq(names(f, first, last), 1);
    return 0;
}

Test(folder, that_is_gone_is_tried_again, .timeout = 30)
{
    files f;
    files_make(&f);
    cr_assert_eq(sut_test_actor(&s_actor, goes, &f), 0);
    files_remove(&f);
}

Test(folder, that_others_may_write_to_is_refused)
{
    files f;
    char error[256], link[64];
    files_make(&f);
    cr_assert_eq(chmod(f.folder, 0770), 0);
    cr_assert_lt(mail_folder_check(f.folder, error, sizeof error), 0);
    cr_assert_eq(chmod(f.folder, 0700), 0);
    snprintf(link, sizeof link, "%s/link", f.top);
    cr_assert_eq(symlink(f.folder, link), 0);
    cr_assert_lt(mail_folder_check(link, error, sizeof error), 0);
    cr_assert_lt(mail_folder_check("/nowhere/at/all", error, sizeof error), 0);
    files_remove(&f);
}
