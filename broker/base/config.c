/* Settings from the environment, secrets from files. Every error is one line that names what is wrong and says what
 * would be right. */
#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The value as it may be shown: bounded, without control bytes, and not at all if it is secret. */
static const char *shown(const sut_setting *s, const char *value, char out[68])
{
    if (s->secret)
        return "the value";
    size_t n = 0;
    out[n++] = '"';
    for (; *value && n < 61; value++)
        out[n++] = iscntrl((unsigned char)*value) ? '?' : *value;
    (void)snprintf(out + n, 68 - n, *value ? "...\"" : "\"");
    return out;
}

static bool parse_bool(const char *value, bool *out)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0) {
            *out = true;
            return true;
        }
        if (strcasecmp(value, no[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return false;
}

static sut_status load_one(const sut_setting *s, void *settings, char *error, size_t error_size)
{
    char text[68];
    char *field = (char *)settings + s->offset;
    const char *value = getenv(s->name);
    if (!value || !*value) { /* set but empty counts as not set */
        value = s->fallback;
        if (!value) {
            (void)snprintf(error, error_size, "%s is not set: %s", s->name, s->doc);
            return -EINVAL;
        }
    }
    switch (s->type) {
    case SUT_SET_STRING: memcpy(field, &value, sizeof value); return 0;
    case SUT_SET_INT: {
        int64_t number;
        if (!sut_parse_i64(sut_str_from(value), s->min, s->max, &number)) {
            (void)snprintf(error, error_size, "%s: %s is not a whole number from %" PRId64 " to %" PRId64, s->name,
                           shown(s, value, text), s->min, s->max);
            return -EINVAL;
        }
        memcpy(field, &number, sizeof number);
        return 0;
    }
    case SUT_SET_BOOL: {
        bool on;
        if (!parse_bool(value, &on)) {
            (void)snprintf(error, error_size, "%s: %s is not true or false", s->name, shown(s, value, text));
            return -EINVAL;
        }
        memcpy(field, &on, sizeof on);
        return 0;
    }
    }
    return -EINVAL;
}

sut_status sut_config_load(const sut_setting *table, size_t count, void *settings, char *error, size_t error_size)
{
    for (size_t i = 0; i < count; i++) {
        sut_status r = load_one(&table[i], settings, error, error_size);
        if (r)
            return r;
    }
    return 0;
}

void sut_config_print(const sut_setting *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const sut_setting *s = &table[i];
        printf("| `%s` | ", s->name);
        switch (s->type) {
        case SUT_SET_STRING: printf("text"); break;
        case SUT_SET_INT: printf("%" PRId64 " to %" PRId64, s->min, s->max); break;
        case SUT_SET_BOOL: printf("true or false"); break;
        }
        if (!s->fallback)
            printf(" | required");
        else if (!*s->fallback)
            printf(" | none");
        else
            printf(" | `%s`", s->secret ? "(secret)" : s->fallback);
        printf(" | %s%s |\n", s->doc, s->secret ? " (secret)" : "");
    }
}

/* NULL, or what is wrong with the file. */
static const char *secret_fault(const struct stat *st, size_t max_bytes)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return "must be owned by the user that runs this program, or by root";
    if (st->st_mode & (S_IRWXO | S_IWGRP))
        return "can be read or written by others; set its mode to 0600";
    if (st->st_size == 0)
        return "is empty";
    if ((uintmax_t)st->st_size > max_bytes)
        return "is larger than a secret of this kind can be";
    return NULL;
}

static sut_status read_secret(int fd, const char *path, size_t max_bytes, char **out, size_t *len, char *error,
                              size_t error_size)
{
    struct stat st;
    const char *fault = fstat(fd, &st) < 0 ? "cannot be examined" : secret_fault(&st, max_bytes);
    if (fault) {
        (void)snprintf(error, error_size, "%s %s", path, fault);
        return -EINVAL;
    }
    size_t size = (size_t)st.st_size, done = 0;
    char *bytes = malloc(size + 1);
    if (!bytes) {
        (void)snprintf(error, error_size, "%s: out of memory", path);
        return -ENOMEM;
    }
    while (done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done < size) {
        explicit_bzero(bytes, size);
        free(bytes);
        (void)snprintf(error, error_size, "%s cannot be read to its end", path);
        return -EIO;
    }
    if (bytes[size - 1] == '\n')
        size--;
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    bytes[size] = '\0';
    *out = bytes;
    *len = size;
    return 0;
}

sut_status sut_secret_load(const char *path, size_t max_bytes, char **out, size_t *len, char *error, size_t error_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int saved = errno;
        (void)snprintf(error, error_size, "%s cannot be opened: %s", path, strerrordesc_np(saved));
        return -saved;
    }
    sut_status r = read_secret(fd, path, max_bytes, out, len, error, error_size);
    (void)close(fd);
    return r;
}
