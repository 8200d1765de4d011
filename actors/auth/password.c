/* bcrypt jobs. A job carries all that its worker touches; the kit wipes it afterwards. */
#include "password.h"

#include "base/clock.h"
#include "kit/work.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct bcrypt_job {
    char password[AUTH_PASSWORD_BYTES_MAX + 1];
    char setting[AUTH_HASH_SIZE]; /* salt and cost, or a whole hash */
    char out[AUTH_HASH_SIZE];
    bool done;
} bcrypt_job;

static int s_cost;
static char s_decoy[AUTH_HASH_SIZE];

static void bcrypt_work(void *arg)
{
    bcrypt_job *job = arg;
    struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB: too large for a job */
    if (!data)
        return;
    const char *hash = crypt_r(job->password, job->setting, data);
    if (hash && hash[0] == '$' && strlen(hash) < sizeof job->out) {
        memcpy(job->out, hash, strlen(hash) + 1);
        job->done = true;
    }
    explicit_bzero(data, sizeof *data);
    free(data);
}

static bool new_setting(char out[AUTH_HASH_SIZE])
{
    char random[16];
    sut_random(random, sizeof random);
    return crypt_gensalt_rn("$2b$", (unsigned long)s_cost, random, sizeof random, out, AUTH_HASH_SIZE) != NULL;
}

sut_status auth_password_init(int cost)
{
    bcrypt_job job = {.password = "nobody's password"};
    s_cost = cost;
    if (!new_setting(job.setting))
        return -EINVAL;
    bcrypt_work(&job);
    if (!job.done)
        return -EINVAL;
    memcpy(s_decoy, job.out, sizeof s_decoy);
    return 0;
}

/* The schema has refused these already, for callers that came through it; bcrypt would cut them in silence. */
static bool unusable(sut_str password)
{
    return password.len > AUTH_PASSWORD_BYTES_MAX || memchr(password.ptr, '\0', password.len) != NULL;
}

static sut_status run(sut_request *rq, sut_str password, bcrypt_job *job)
{
    if (unusable(password))
        return sut_fail_field(rq, "/password", "length", "A password is at most %d bytes, without NUL.",
                              AUTH_PASSWORD_BYTES_MAX);
    memcpy(job->password, password.ptr, password.len);
    sut_status st = sut_work(rq, bcrypt_work, job, sizeof *job);
    explicit_bzero(job->password, sizeof job->password);
    if (st == 0 && !job->done)
        return sut_fail_internal(rq, "libxcrypt refused to hash");
    return st;
}

sut_status auth_password_hash(sut_request *rq, sut_str password, char out[AUTH_HASH_SIZE])
{
    bcrypt_job job = {.done = false};
    if (!new_setting(job.setting))
        return sut_fail_internal(rq, "libxcrypt makes no salt");
    sut_status st = run(rq, password, &job);
    if (st == 0)
        memcpy(out, job.out, AUTH_HASH_SIZE);
    return st;
}

sut_status auth_password_check(sut_request *rq, sut_str password, sut_str hash, bool *matches)
{
    bcrypt_job job = {.done = false};
    bool known = hash.ptr != NULL && hash.len < sizeof job.setting;
    *matches = false;
    memcpy(job.setting, known ? hash.ptr : s_decoy, known ? hash.len + 1 : sizeof s_decoy);
    sut_status st = run(rq, password, &job);
    if (st == 0 && known)
        *matches = strlen(job.out) == hash.len && sut_secret_eq(job.out, hash.ptr, hash.len);
    return st;
}

bool auth_password_outdated(sut_str hash)
{
    int cost = 0;
    return hash.ptr && sscanf(hash.ptr, "$2b$%2d$", &cost) == 1 && cost < s_cost;
}
