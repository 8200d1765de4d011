/* bcrypt jobs. A job carries all that its worker touches; the kit wipes it afterwards. */
#include "password.h"

#include "base/clock.h"
#include "kit/work.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct bcrypt_job {
    char password[AUTH_PASSWORD_BYTES_MAX + 1];
    char setting[AUTH_HASH_SIZE]; /* salt and cost, or a whole hash */
    char out[AUTH_HASH_SIZE];
    bool done;
} bcrypt_job;

static int s_cost;
static char s_decoy[AUTH_HASH_SIZE];

/* 0: it is none of ours. */
static int cost_of(sut_str hash)
{
    if (hash.len < 7 || memcmp(hash.ptr, "$2b$", 4) != 0 || hash.ptr[6] != '$')
        return 0;
    unsigned tens = (unsigned)hash.ptr[4] - '0', ones = (unsigned)hash.ptr[5] - '0';
    return tens <= 9 && ones <= 9 ? (int)(10 * tens + ones) : 0;
}

/* A hash of cost c takes 2^c rounds. Checked against one from before the cost was raised to s, a password is hashed at
 * c, c+1 … s-1 besides: 2^c + (2^c + … + 2^(s-1)) = 2^s rounds, as many as for an address that nobody has. */
static void make_up_for_cost(const bcrypt_job *job, struct crypt_data *data)
{
    char setting[AUTH_HASH_SIZE];
    for (int cost = cost_of(sut_str_from(job->setting)); cost > 0 && cost < s_cost; cost++) {
        memcpy(setting, s_decoy, sizeof setting);
        setting[4] = (char)('0' + cost / 10);
        setting[5] = (char)('0' + cost % 10);
        (void)crypt_r(job->password, setting, data);
    }
}

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
        make_up_for_cost(job, data);
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
    int cost = cost_of(hash);
    return cost > 0 && cost < s_cost;
}
