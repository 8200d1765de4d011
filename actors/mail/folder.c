/* Mails as files, for systems without a mail server. Written by a worker: disks block. */
#include "mailer.h"

#include "kit/work.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_SIZE 128

typedef struct file_job {
    char folder[PATH_MAX];
    char name[NAME_SIZE];
    size_t len;
    int error; /* errno; 0: written */
    char bytes[SUT_MAIL_BYTES_MAX];
} file_job;

_Static_assert(sizeof(file_job) <= SUT_WORK_JOB_MAX, "a mail fits into a job");

sut_status mail_folder_check(const char *folder, char *error, size_t error_size)
{
    struct stat s;
    if (!folder[0] || strlen(folder) >= PATH_MAX) {
        snprintf(error, error_size, "MAIL_DIR must name a folder where there is no SMTP_URL");
        return -EINVAL;
    }
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        int why = errno;
        snprintf(error, error_size, "MAIL_DIR %s cannot be made: %s", folder, strerror(why));
        return -why;
    }
    if (lstat(folder, &s) != 0 || !S_ISDIR(s.st_mode) || s.st_uid != geteuid() || (s.st_mode & 022)) {
        snprintf(error, error_size, "MAIL_DIR %s must be a folder of our own that nobody else writes to", folder);
        return -EINVAL;
    }
    return 0;
}

/* ---- the worker's ---- */

static int is_mail(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return e->d_name[0] != '.' && len > 4 && strcmp(e->d_name + len - 4, ".eml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names begin with the date. */
static void trim(int dir)
{
    struct dirent **names = NULL;
    int count = scandirat(dir, ".", &names, is_mail, by_name);
    for (int i = 0; i < count; i++) {
        if (i < count - SUT_MAIL_FILES_MAX)
            (void)unlinkat(dir, names[i]->d_name, 0);
        free(names[i]);
    }
    free(names);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) != 0 ? errno : 0;
}

static int write_file(int dir, const file_job *job)
{
    char aside[NAME_SIZE + 8];
    snprintf(aside, sizeof aside, ".%s.new", job->name);
    int fd = openat(dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int error = write_all(fd, job->bytes, job->len);
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(dir, aside, dir, job->name) != 0)
        error = errno;
    if (error == 0 && fsync(dir) != 0)
        error = errno;
    if (error != 0)
        (void)unlinkat(dir, aside, 0);
    return error;
}

static void file_work(void *arg)
{
    file_job *job = arg;
    int dir = open(job->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        job->error = errno;
        return;
    }
    job->error = write_file(dir, job);
    if (job->error == 0)
        trim(dir);
    close(dir);
}

/* ---- the fiber's ---- */

static void name_of(const sut_mail *mail, char out[NAME_SIZE])
{
    struct tm tm = {.tm_year = 70};
    time_t s = (time_t)(mail->date_us / 1000000);
    (void)gmtime_r(&s, &tm);
    snprintf(out, NAME_SIZE, "%04d%02d%02dT%02d%02d%02d.%06dZ-%.*s.eml", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(mail->date_us % 1000000), SUT_STR_FMT(mail->id));
}

sut_status mail_folder_send(sut_request *rq, const sut_mailer *m, const sut_mail *mail, sut_str message,
                            sut_mail_outcome *outcome)
{
    file_job *job = SUT_REQUEST_NEW(rq, file_job);
    if (!job || message.len > sizeof job->bytes)
        return sut_fail_internal(rq, "no memory for a mail's file");
    snprintf(job->folder, sizeof job->folder, "%s", m->set.folder);
    name_of(mail, job->name);
    memcpy(job->bytes, message.ptr, message.len);
    job->len = message.len;
    sut_status st = sut_work(rq, file_work, job, sizeof *job);
    int error = job->error;
    explicit_bzero(job->bytes, sizeof job->bytes);
    if (st != 0)
        return st;
    *outcome = error == 0 ? SUT_MAIL_SENT : SUT_MAIL_LATER;
    if (error != 0)
        sut_log(SUT_ERROR, "mail", "mail.later", SUT_KV_S("id", mail->id), SUT_KV("detail", strerrordesc_np(error)));
    return 0;
}
