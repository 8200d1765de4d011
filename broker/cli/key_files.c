/* Secrets, certificates and whole-file replacement for `sut key`. */
#include "key_files.h"

#include "base/clock.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES   32
#define FILE_BYTES_MAX (4u << 20)

sut_status sut_key_dir(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -errno;
    if (stat(path, &st) != 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_mode & (S_IWGRP | S_IWOTH) ? -EPERM : 0;
}

static sut_status read_fd(int fd, char **text, size_t *len)
{
    struct stat st;
    size_t size;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_BYTES_MAX)
        return -EINVAL;
    size = (size_t)st.st_size;
    *text = malloc(size + 1);
    if (!*text)
        return -ENOMEM;
    for (*len = 0; *len < size; *len += (size_t)n) {
        n = read(fd, *text + *len, size - *len);
        if (n < 0) {
            const int error = errno;
            free(*text);
            return -error;
        }
        if (n == 0)
            break;
    }
    (*text)[*len] = '\0';
    return 0;
}

sut_status sut_key_read(const char *path, char **text, size_t *len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    sut_status r;

    if (fd < 0 && errno == ENOENT) {
        *len = 0;
        *text = calloc(1, 1);
        return *text ? 0 : -ENOMEM;
    }
    if (fd < 0)
        return -errno;
    r = read_fd(fd, text, len);
    close(fd);
    return r;
}

static sut_status write_synced(int fd, const char *bytes, size_t len)
{
    while (len) {
        const ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static sut_status sync_dir_of(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    int fd;
    sut_status r;

    if (snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".") >= (int)sizeof dir)
        return -ENAMETOOLONG;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return r;
}

sut_status sut_key_replace(const char *path, const void *bytes, size_t len)
{
    char tmp[4096];
    int fd;
    sut_status r;

    if (snprintf(tmp, sizeof tmp, "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof tmp)
        return -ENAMETOOLONG;
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = write_synced(fd, bytes, len);
    if (close(fd) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) != 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(tmp);
        return r;
    }
    return sync_dir_of(path);
}

int sut_key_lock(const char *path)
{
    char name[4096];
    int fd;

    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return -ENAMETOOLONG;
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            const int error = errno;
            close(fd);
            return -error;
        }
    }
    return fd;
}

static bool path_of(char out[4096], const char *dir, const char *name, const char *suffix)
{
    return snprintf(out, 4096, "%s/%s%s", dir, name, suffix) < 4096;
}

sut_status sut_key_make_secret(const char *dir, const char *name)
{
    char path[4096], text[2 * SECRET_BYTES + 2];
    uint8_t secret[SECRET_BYTES];
    sut_status r;

    if (!path_of(path, dir, name, ".secret"))
        return -ENAMETOOLONG;
    sut_random(secret, sizeof secret);
    sut_hex(secret, sizeof secret, text);
    text[sizeof text - 2] = '\n';
    r = sut_key_replace(path, text, sizeof text - 1);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(text, sizeof text);
    return r;
}

/* The access list has `#` for comments, and Z85 has it for a digit: take a pair whose public key is without. */
static zcert_t *new_cert(void)
{
    zcert_t *cert = zcert_new();

    while (cert && strchr(zcert_public_txt(cert), '#')) {
        zcert_destroy(&cert);
        cert = zcert_new();
    }
    return cert;
}

sut_status sut_key_make_cert(const char *dir, const char *name, char public_z85[41])
{
    char path[4096], secret[4096];
    const mode_t mask = umask(0077);
    zcert_t *cert = new_cert();
    sut_status r = 0;

    if (!cert || !path_of(path, dir, name, ".cert") || !path_of(secret, dir, name, ".cert_secret")) {
        r = cert ? -ENAMETOOLONG : -ENOTSUP; /* libzmq was built without CURVE */
    } else {
        zcert_set_meta(cert, "name", "%s", name);
        if (zcert_save(cert, path) != 0)
            r = -EIO;
        else if (chmod(secret, 0600) != 0 || chmod(path, 0600) != 0)
            r = -errno;
        memcpy(public_z85, zcert_public_txt(cert), 41);
    }
    zcert_destroy(&cert);
    umask(mask);
    return r;
}

sut_status sut_key_load_cert(const char *dir, const char *name, char public_z85[41])
{
    char path[4096];
    zcert_t *cert;

    if (!path_of(path, dir, name, ".cert"))
        return -ENAMETOOLONG;
    if (access(path, F_OK) != 0)
        return -errno;
    cert = zcert_load(path);
    if (!cert)
        return -EINVAL;
    memcpy(public_z85, zcert_public_txt(cert), 41);
    zcert_destroy(&cert);
    return 0;
}

sut_status sut_key_remove(const char *dir, const char *name)
{
    static const char *const suffixes[] = {".secret", ".cert", ".cert_secret"};
    char path[4096];

    for (size_t i = 0; i < SUT_ARRAY_LEN(suffixes); i++) {
        if (!path_of(path, dir, name, suffixes[i]))
            return -ENAMETOOLONG;
        if (unlink(path) != 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}
