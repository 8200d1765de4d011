/* The access list file and the secrets. The list is watched by inotify on its directory (it is replaced by rename), and
 * looked at once more at each handshake: so a key that `sut key` made works, and a revoked one ends, at once. */
#include "access.h"
#include "file.h"

#include "base/config.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <zmq.h>

#define ACL_BYTES_MAX    (4u << 20)
#define SECRET_BYTES_MAX 256

static bool same_file(const struct stat *x, const struct stat *y)
{
    return x->st_ino == y->st_ino && x->st_dev == y->st_dev && x->st_size == y->st_size &&
           x->st_mtim.tv_sec == y->st_mtim.tv_sec && x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

static sut_status load(sut_access *a, sut_acl **out, char *error, size_t error_size)
{
    char why[256] = "";
    sut_str text;
    sut_status r = sut_file_read_stat(a->acl_file, ACL_BYTES_MAX, &text, &a->seen);

    if (r < 0) {
        a->seen = (struct stat){0};
        snprintf(error, error_size, "SUT_ACL_FILE: %s: %s", a->acl_file, strerror(-r));
        return r;
    }
    r = sut_acl_parse(out, text, why, sizeof why);
    free((char *)text.ptr);
    if (r < 0)
        snprintf(error, error_size, "SUT_ACL_FILE: %s:%s", a->acl_file, why);
    return r;
}

/* Whoever may write the list may do everything: it must be ours (or root's) alone. */
static sut_status check_mode(const sut_access *a, char *error, size_t error_size)
{
    if ((a->seen.st_uid == geteuid() || a->seen.st_uid == 0) && !(a->seen.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    snprintf(error, error_size, "SUT_ACL_FILE: %s: must belong to us and be writable by nobody else", a->acl_file);
    return -EINVAL;
}

sut_status sut_access_init(sut_access *a, const char *acl_file, const char *keys_dir, char *error, size_t error_size)
{
    char *slash;
    sut_status r;

    *a = (sut_access){.acl_file = acl_file, .keys_dir = keys_dir, .inotify_fd = -1};
    r = load(a, &a->acl, error, error_size);
    if (r == 0)
        r = check_mode(a, error, error_size);
    if (r == 0 && !(a->acl_dir = strdup(acl_file)))
        r = -ENOMEM;
    if (r < 0) {
        sut_access_deinit(a);
        return r;
    }
    slash = strrchr(a->acl_dir, '/');
    a->acl_base = slash ? acl_file + (slash - a->acl_dir) + 1 : acl_file;
    if (!slash)
        a->acl_dir[0] = '\0';
    else
        slash[slash == a->acl_dir] = '\0'; /* keep the slash of the root */
    return 0;
}

void sut_access_deinit(sut_access *a)
{
    sut_watch_stop(&a->watch);
    if (a->inotify_fd >= 0)
        close(a->inotify_fd);
    a->inotify_fd = -1;
    free(a->acl_dir);
    a->acl_dir = NULL;
    a->acl = sut_acl_free(a->acl);
}

void sut_access_refresh(sut_access *a)
{
    char error[512];
    struct stat st;
    sut_acl *fresh = NULL, *old;
    sut_status r;

    if (stat(a->acl_file, &st) == 0 ? same_file(&st, &a->seen) : !a->seen.st_ino)
        return; /* nothing new, or still missing */
    r = load(a, &fresh, error, sizeof error);
    if (r == 0)
        r = check_mode(a, error, sizeof error);
    if (r < 0) {
        a->reload_failures_total++;
        sut_log(SUT_ERROR, "broker", "acl.unreadable", SUT_KV("error", error), SUT_KV("kept", "the last good one"));
        sut_acl_free(fresh);
        return;
    }
    a->reloads_total++;
    sut_log(SUT_INFO, "broker", "acl.loaded", SUT_KV("file", a->acl_file));
    old = a->acl;
    a->acl = fresh;
    if (a->on_change)
        a->on_change(a->arg, fresh);
    sut_acl_free(old);
}

/* Events are only a hint to look: which file changed does not matter. */
static void on_inotify(sut_watch *w, unsigned events, void *arg)
{
    _Alignas(struct inotify_event) char buffer[4096];

    (void)events;
    while (read(w->fd, buffer, sizeof buffer) > 0)
        ;
    sut_access_refresh(arg);
}

sut_status sut_access_watch(sut_access *a, sut_loop *loop)
{
    const char *dir = a->acl_dir[0] ? a->acl_dir : ".";

    a->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (a->inotify_fd < 0)
        return SUT_TRACE(-errno, "inotify_init1");
    if (inotify_add_watch(a->inotify_fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) < 0)
        return SUT_TRACE(-errno, "inotify_add_watch");
    return sut_watch_start(loop, &a->watch, a->inotify_fd, EPOLLIN, on_inotify, a);
}

const char *sut_access_verdict_name(sut_access_verdict v)
{
    static const char *const names[] = {
        [SUT_ACCESS_GRANTED] = "granted",
        [SUT_ACCESS_UNKNOWN] = "unknown_peer",
        [SUT_ACCESS_NO_SECRET] = "no_secret_file",
        [SUT_ACCESS_WRONG] = "wrong_secret",
    };

    return (unsigned)v < SUT_ARRAY_LEN(names) ? names[v] : "unknown";
}

/* The name becomes part of a path. */
static bool plain_name(sut_str name)
{
    if (!name.len || name.len > SUT_PEER_NAME_MAX || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.'))
            return false;
    }
    return true;
}

sut_access_verdict sut_access_check_password(sut_access *a, sut_str name, sut_str password)
{
    char path[4096], error[512], *secret = NULL;
    size_t len = 0;
    sut_access_verdict verdict;

    sut_access_refresh(a);
    if (!plain_name(name) || !sut_acl_find(a->acl, name))
        return SUT_ACCESS_UNKNOWN;
    if (snprintf(path, sizeof path, "%s/%.*s.secret", a->keys_dir, SUT_STR_FMT(name)) >= (int)sizeof path)
        return SUT_ACCESS_NO_SECRET;
    if (sut_secret_load(path, SECRET_BYTES_MAX, &secret, &len, error, sizeof error) < 0) {
        sut_log(SUT_WARN, "broker", "secret.unusable", SUT_KV("error", error));
        return SUT_ACCESS_NO_SECRET;
    }
    verdict = len >= 16 && len == password.len && sut_secret_eq(secret, password.ptr, len) ? SUT_ACCESS_GRANTED
                                                                                           : SUT_ACCESS_WRONG;
    explicit_bzero(secret, len);
    free(secret);
    return verdict;
}

sut_access_verdict sut_access_check_key(sut_access *a, const uint8_t key[32], sut_str *name)
{
    char z85[41];
    const sut_acl_entry *e;

    sut_access_refresh(a);
    if (!zmq_z85_encode(z85, key, 32))
        return SUT_ACCESS_UNKNOWN;
    e = sut_acl_find_key(a->acl, (sut_str){z85, 40});
    if (!e)
        return SUT_ACCESS_UNKNOWN;
    *name = sut_acl_name(e);
    return SUT_ACCESS_GRANTED;
}
