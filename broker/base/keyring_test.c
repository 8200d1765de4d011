#include "base/keyring.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static sut_status load(const char *text, sut_keyring **k, char *error, size_t size)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/sut-keyring-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, 0600), 0);
    close(fd);
    sut_status st = sut_keyring_load(k, path, NULL, error, size);
    unlink(path);
    return st;
}

Test(keyring, the_first_signs_and_all_are_found, .timeout = 10)
{
    sut_keyring *k = NULL;
    char error[256] = "";
    cr_assert_eq(load("# newest first\n2 " KEY_B "\n\n1 " KEY_A "\n", &k, error, sizeof error), 0, "%s", error);
    cr_assert_eq(k->count, 2);
    cr_assert_str_eq(sut_keyring_signing(k)->kid, "2");
    cr_assert_eq(sut_keyring_find(k, SUT_STR("1"))->bytes[0], 0);
    cr_assert_eq(sut_keyring_find(k, SUT_STR("2"))->bytes[0], 0xff);
    cr_assert_null(sut_keyring_find(k, SUT_STR("3")));
    cr_assert_null(sut_keyring_find(k, SUT_STR("")));
    sut_keyring_free(k);
}

Test(keyring, each_fault_is_named, .timeout = 10)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "is empty"},
        {"# only a comment\n", "no key"},
        {"1\n", "KID HEXKEY"},
        {"1 " KEY_A " x\n", "KID HEXKEY"},
        {"1 abcd\n", "64 to 256"},
        {"1 " KEY_A "0\n", "not hex"},
        {"1 zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", "not hex"},
        {"1 " KEY_A "\n1 " KEY_B "\n", "given before"},
        {"123456789012345678901234567890123 " KEY_A "\n", "longer than 32"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_keyring *k = NULL;
        char error[256] = "";
        cr_assert_neq(load(cases[i].text, &k, error, sizeof error), 0, "case %zu", i);
        cr_assert_not_null(strstr(error, cases[i].says), "case %zu: %s", i, error);
        cr_assert_null(k);
    }
}

Test(keyring, one_source_and_long_enough, .timeout = 10)
{
    sut_keyring *k = NULL;
    char error[256] = "";
    cr_assert_neq(sut_keyring_load(&k, NULL, NULL, error, sizeof error), 0);
    cr_assert_neq(sut_keyring_load(&k, "/x", "y", error, sizeof error), 0);
    cr_assert_not_null(strstr(error, "both"));
    cr_assert_neq(sut_keyring_load(&k, NULL, "short", error, sizeof error), 0);
    cr_assert_eq(sut_keyring_load(&k, NULL, "0123456789abcdef0123456789abcdef", error, sizeof error), 0);
    cr_assert_str_eq(sut_keyring_signing(k)->kid, "0");
    sut_keyring_free(k);
}
