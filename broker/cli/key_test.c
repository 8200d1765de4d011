/* `sut key`: the access list as text, and the files it leaves. */
#include "key.h"
#include "key_acl.h"
#include "key_files.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char s_dir[64], s_acl[96], s_keys[96];

static void setup(void)
{
    snprintf(s_dir, sizeof s_dir, "%s/sut-key-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    cr_assert_not_null(mkdtemp(s_dir));
    snprintf(s_acl, sizeof s_acl, "%s/acl", s_dir);
    snprintf(s_keys, sizeof s_keys, "%s/keys", s_dir);
    setenv("SUT_ACL_FILE", s_acl, 1);
    setenv("SUT_KEYS_DIR", s_keys, 1);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", s_dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(key, .init = setup, .fini = teardown, .timeout = 20);

/* Runs `sut key` with words parted by blanks. */
static int key(const char *words)
{
    static char name[] = "key";
    char copy[512], *argv[32] = {name}, *save = NULL;
    int argc = 1;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    return sut_key_command(argc, argv);
}

static char *list(void)
{
    char *text;
    size_t len;

    cr_assert_eq(sut_key_read(s_acl, &text, &len), 0);
    return text;
}

static bool private_file(const char *suffix)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", s_keys, suffix);
    return stat(path, &st) == 0 && (st.st_mode & 0777) == 0600;
}

Test(key, roles_have_sensible_rights)
{
    char *text;

    cr_assert_eq(key("new edge --role edge"), 0);
    cr_assert_eq(key("new auth --role actor"), 0);
    cr_assert_eq(key("new report --role tool --call user.*,post.get"), 0);
    cr_assert_eq(key("new root --role operator"), 0);
    text = list();
    cr_assert_str_eq(text, "edge role=edge call=> serve=- publish=- subscribe=session.revoked tap=-\n"
                           "auth role=actor call=> serve=auth.* publish=> subscribe=> tap=-\n"
                           "report role=tool call=user.*,post.get serve=- publish=- subscribe=- tap=-\n"
                           "root role=operator call=broker.*,> serve=- publish=- subscribe=> tap=>\n");
    free(text);
}

Test(key, who_may_call_again_for_others_is_said)
{
    cr_assert_eq(key("new differ --role operator --replay user.profile_get,auth.*"), 0);
    char *text = list();
    cr_assert_str_eq(text, "differ role=operator call=broker.*,> serve=- publish=- subscribe=> tap=> "
                           "replay=user.profile_get,auth.*\n");
    free(text);
    cr_assert_eq(key("new other --role tool --replay user.*"), SUT_EXIT_USAGE);
    cr_assert_eq(key("new other --role operator --replay User"), SUT_EXIT_USAGE);
}

Test(key, secrets_are_private_and_never_the_same)
{
    char first[128], second[128], path[128], *a, *b;
    size_t len;

    cr_assert_eq(key("new one --role tool"), 0);
    cr_assert_eq(key("new two --role tool"), 0);
    cr_assert(private_file("one.secret"));
    snprintf(path, sizeof path, "%s/one.secret", s_keys);
    cr_assert_eq(sut_key_read(path, &a, &len), 0);
    cr_assert_eq(len, 65);
    snprintf(first, sizeof first, "%s", a);
    snprintf(path, sizeof path, "%s/two.secret", s_keys);
    cr_assert_eq(sut_key_read(path, &b, &len), 0);
    snprintf(second, sizeof second, "%s", b);
    cr_assert_str_neq(first, second);
    free(a);
    free(b);
}

Test(key, revoking_marks_the_line_and_removes_the_secret)
{
    char *text;

    cr_assert_eq(key("new a --role tool"), 0);
    cr_assert_eq(key("new b --role tool --curve"), 0);
    cr_assert(private_file("b.cert_secret"));
    cr_assert_eq(key("revoke b"), 0);
    text = list();
    cr_assert_not_null(strstr(text, "\nb revoked role=tool"));
    cr_assert_eq(sut_key_find(sut_str_from(text), "a"), SUT_KEY_ACTIVE);
    cr_assert_eq(sut_key_find(sut_str_from(text), "b"), SUT_KEY_REVOKED);
    free(text);
    cr_assert_not(private_file("b.secret"));
    cr_assert_not(private_file("b.cert_secret"));
    cr_assert_eq(key("revoke nobody"), SUT_EXIT_USAGE);
}

Test(key, a_revoked_name_can_be_given_again_and_an_active_one_cannot)
{
    char *text;

    cr_assert_eq(key("new a --role tool"), 0);
    cr_assert_eq(key("new a --role operator"), SUT_EXIT_USAGE);
    cr_assert_eq(key("revoke a"), 0);
    cr_assert_eq(key("new a --role edge"), 0);
    text = list();
    cr_assert_str_eq(text, "a role=edge call=> serve=- publish=- subscribe=session.revoked tap=-\n");
    free(text);
}

Test(key, what_others_wrote_into_the_list_stays)
{
    static const char before[] = "# who may come in\n\nold role=tool call=-   # a comment\nlast role=tool call=-";
    char *text;

    cr_assert_eq(sut_key_replace(s_acl, before, sizeof before - 1), 0);
    cr_assert_eq(key("new fresh --role tool"), 0);
    cr_assert_eq(key("revoke old"), 0);
    text = list();
    cr_assert_str_eq(text, "# who may come in\n\nold revoked role=tool call=-   # a comment\nlast role=tool call=-\n"
                           "fresh role=tool call=> serve=- publish=- subscribe=- tap=-\n");
    free(text);
}

Test(key, mistakes_are_refused_and_leave_nothing)
{
    static const char *const wrong[] = {
        "",
        "make x",
        "new",
        "new x",
        "new x --role king",
        "new x y --role tool",
        "new ../x --role tool",
        "new .x --role tool",
        "new -x --role tool",
        "new broker --role actor",
        "new x --role tool --call a..b",
        "new x --role tool --call a.>.b",
        "new x --role tool --call A",
        "new x --role tool --call a,",
        "new x --role tool --call",
        "new x --role tool --speak a",
        "new two-words --role actor",
        "revoke",
        "revoke a b",
        "list all",
        "broker x",
    };

    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_expect_eq(key(wrong[i]), SUT_EXIT_USAGE, "%s", wrong[i]);
    cr_assert_eq(access(s_acl, F_OK), -1);
    cr_assert_eq(key("new two-words --role actor --serve words.*"), 0);
}

Test(key, the_environment_is_wanted)
{
    unsetenv("SUT_ACL_FILE");
    cr_assert_eq(key("list"), SUT_EXIT_CONFIG);
    setenv("SUT_ACL_FILE", s_acl, 1);
    unsetenv("SUT_KEYS_DIR");
    cr_assert_eq(key("new x --role tool"), SUT_EXIT_CONFIG);
    setenv("SUT_KEYS_DIR", "/dev/null/keys", 1);
    cr_assert_eq(key("new x --role tool"), SUT_EXIT_IO);
}

/* Ten at once: the lock keeps each one's line. */
Test(key, several_at_once_lose_nothing)
{
    sut_key_row row;
    sut_str rest;
    int rows = 0;
    char *text;

    for (int i = 0; i < 10; i++) {
        if (fork() == 0) {
            char words[64];

            snprintf(words, sizeof words, "new peer%d --role tool", i);
            _exit(key(words));
        }
    }
    for (int i = 0, status; i < 10; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_assert_eq(status, 0);
    }
    text = list();
    for (rest = sut_str_from(text); sut_key_next(&rest, &row);)
        rows++;
    cr_assert_eq(rows, 10);
    free(text);
}

Test(key, the_broker_s_certificate_is_made_once)
{
    char first[41], second[41];

    cr_assert_eq(key("broker"), 0);
    cr_assert(private_file("broker.cert_secret"));
    cr_assert_eq(sut_key_load_cert(s_keys, "broker", first), 0);
    cr_assert_eq(key("broker"), 0);
    cr_assert_eq(sut_key_load_cert(s_keys, "broker", second), 0);
    cr_assert_str_eq(first, second);
}

Test(key, curve_keys_go_into_the_list)
{
    char z85[41], *text;

    for (int i = 0; i < 5; i++) {
        char words[64];

        snprintf(words, sizeof words, "new c%d --role tool --curve", i);
        cr_assert_eq(key(words), 0);
    }
    cr_assert_eq(sut_key_load_cert(s_keys, "c3", z85), 0);
    text = list();
    cr_assert_not_null(strstr(text, z85));
    cr_assert_null(strchr(text, '#'));
    free(text);
}
