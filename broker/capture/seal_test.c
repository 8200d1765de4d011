/* Sealing, and the key file. */
#include "fixture.h"

#include <errno.h>
#include <sys/stat.h>

TestSuite(seal, .timeout = 30);

static const uint8_t salt[SEAL_SALT_BYTES] = {1, 2, 3}, other_salt[SEAL_SALT_BYTES] = {1, 2, 4};

static seal of(size_t key, const uint8_t *with)
{
    seal s;
    cr_assert_eq(seal_init(&s, &fixture_keys()->keys[key], with), 0);
    return s;
}

Test(seal, only_what_was_sealed_can_be_opened)
{
    seal s = of(0, salt), wrong_key = of(1, salt), wrong_salt = of(0, other_salt);
    const sut_str open = SUT_STR("open"), plain = SUT_STR("what user 42 saw");
    sut_buf sealed, back;
    sut_buf_init(&sealed, 0);
    sut_buf_init(&back, 0);
    cr_assert_eq(seal_close(&s, 7, open, plain, &sealed), 0);
    cr_assert_eq(sealed.len, plain.len + SEAL_TAG_BYTES);
    cr_assert_not(memmem(sealed.data, sealed.len, "user", 4));
    const sut_str bytes = {(const char *)sealed.data, sealed.len};
    cr_assert_eq(seal_open(&s, 7, open, bytes, &back), 0);
    cr_assert(sut_str_eq((sut_str){(const char *)back.data, back.len}, plain));
    cr_assert_eq(seal_open(&s, 8, open, bytes, &back), -EBADMSG, "another record's");
    cr_assert_eq(seal_open(&s, 7, SUT_STR("opem"), bytes, &back), -EBADMSG, "the open part was changed");
    cr_assert_eq(seal_open(&wrong_key, 7, open, bytes, &back), -EBADMSG);
    cr_assert_eq(seal_open(&wrong_salt, 7, open, bytes, &back), -EBADMSG);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        cr_assert_eq(seal_open(&s, 7, open, bytes, &back), -EBADMSG, "byte %zu", i);
        sealed.data[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        cr_assert_eq(seal_open(&s, 7, open, (sut_str){bytes.ptr, len}, &back), -EBADMSG);
    cr_assert_eq(back.len, plain.len, "nothing unproven was added");
    cr_assert_eq(seal_open(&s, 7, open, bytes, &back), 0, "still as good");
    sut_buf_deinit(&sealed);
    sut_buf_deinit(&back);
    seal_deinit(&s);
    seal_deinit(&wrong_key);
    seal_deinit(&wrong_salt);
}

Test(seal, the_same_plain_bytes_differ_by_number)
{
    seal s = of(0, salt);
    sut_buf a, b;
    sut_buf_init(&a, 0);
    sut_buf_init(&b, 0);
    cr_assert_eq(seal_close(&s, 1, SUT_STR_NONE, SUT_STR("same"), &a), 0);
    cr_assert_eq(seal_close(&s, 2, SUT_STR_NONE, SUT_STR("same"), &b), 0);
    cr_assert_neq(memcmp(a.data, b.data, 4), 0);
    sut_buf_deinit(&a);
    sut_buf_deinit(&b);
    seal_deinit(&s);
}

Test(seal, a_key_file_is_made_once_and_for_us_alone)
{
    char path[128], error[256] = "";
    const char *dir = fixture_dir();
    sut_keyring *keys = NULL, *again = NULL;
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/capture.keys", dir);
    cr_assert_eq(seal_keys_load(&keys, path, error, sizeof error), 0, "%s", error);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(seal_keys_load(&again, path, error, sizeof error), 0);
    cr_assert_eq(memcmp(keys->keys[0].bytes, again->keys[0].bytes, 32), 0);
    cr_assert_eq(keys->keys[0].len, 32);
    sut_keyring_free(keys);
    sut_keyring_free(again);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_neq(seal_keys_load(&keys, path, error, sizeof error), 0, "others may read it");
    cr_assert(strstr(error, "capture.keys"), "%s", error);
    fixture_remove(dir);
    (void)snprintf(path, sizeof path, "/nonexistent/capture.keys");
    cr_assert_eq(seal_keys_load(&keys, path, error, sizeof error), -ENOENT);
}
