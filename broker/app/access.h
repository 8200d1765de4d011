/* The access list as it is on disk right now, and the secrets beside it: loads, notices changes, checks credentials. */
#ifndef SUT_APP_ACCESS_H
#define SUT_APP_ACCESS_H

#include "base/loop.h"
#include "core/acl.h"

#include <sys/stat.h>

#define SUT_PEER_NAME_MAX 64

typedef struct sut_access {
    const char *acl_file, *keys_dir;
    char *acl_dir;
    const char *acl_base;
    sut_acl *acl;
    struct stat seen; /* of the file that `acl` was read from, or that could not be parsed */
    int inotify_fd;
    sut_watch watch;
    uint64_t reloads_total, reload_failures_total;
    /* The list was swapped: `old` is freed when this returns, so everybody must let go of it now. */
    void (*on_change)(void *arg, const sut_acl *now);
    void *arg;
} sut_access;

/* Loads the list; on failure -EINVAL or an errno, with one line in `error`. Strings are borrowed. */
SUT_MUST_CHECK sut_status sut_access_init(sut_access *a, const char *acl_file, const char *keys_dir, char *error,
                                          size_t error_size);
/* Notices changes of the file from now on, within the turn of the loop in which they happen. */
SUT_MUST_CHECK sut_status sut_access_watch(sut_access *a, sut_loop *loop);
void sut_access_deinit(sut_access *a); /* idempotent */

/* Reads the list again if the file is another one than that last read. A list that cannot be read or parsed is logged
 * and the old one stays in force. */
void sut_access_refresh(sut_access *a);

typedef enum sut_access_verdict {
    SUT_ACCESS_GRANTED,
    SUT_ACCESS_UNKNOWN,   /* no such name or key, or revoked */
    SUT_ACCESS_NO_SECRET, /* the name is known but has no usable secret file */
    SUT_ACCESS_WRONG      /* wrong password */
} sut_access_verdict;
const char *sut_access_verdict_name(sut_access_verdict v);

/* Compares the password with NAME.secret as it is on disk now, in a time that does not depend on where they differ. */
sut_access_verdict sut_access_check_password(sut_access *a, sut_str name, sut_str password);
/* Whose CURVE key (32 bytes) it is. `*name` is borrowed from the list. */
sut_access_verdict sut_access_check_key(sut_access *a, const uint8_t key[32], sut_str *name);

#endif
