/* The parties of the client's integration tests. */
#include "party.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const sut_str party_body = {"\x81\xa1x\x01", 4};

sut_client *party_client(bus *b, const char *name)
{
    sut_client *c;
    char secret[160], error[256] = "";
    snprintf(secret, sizeof secret, "%s/keys/%s.secret", b->dir, name);
    sut_client_options opt = {.endpoint = b->ipc, .name = name, .secret_file = secret, .queue_max = 200000};
    cr_assert_eq(sut_client_new(&c, &opt, error, sizeof error), 0, "%s", error);
    return c;
}

sut_client *party_up(bus *b, const char *name)
{
    sut_client *c = party_client(b, name);
    cr_assert_eq(sut_client_wait_up(c, WAIT_MS), 0);
    return c;
}

/* ---- the actor ---- */

static void on_cancel(void *arg)
{
    ((actor *)arg)->cancelled++;
}

static void on_incoming(void *arg, sut_incoming *in)
{
    actor *a = arg;
    const sut_envelope *env = sut_incoming_envelope(in);
    a->executed++;
    if (sut_str_is(env->subject, "echo.say")) {
        sut_reply(in, env->body);
        return;
    }
    if (sut_str_is(env->subject, "echo.keep"))
        sut_incoming_on_cancel(in, on_cancel, a);
    unsigned n = a->kept_count;
    cr_assert_lt(n, SUT_ARRAY_LEN(a->kept));
    a->kept[n] = in;
    a->kept_count = n + 1;
}

/* Answers what was kept, from a thread that is not the client's. */
static void *work(void *arg)
{
    actor *a = arg;
    unsigned done = 0;
    while (!a->ending) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        for (unsigned count = a->kept_count; done < count; done++) {
            sut_incoming *in = a->kept[done];
            sut_str subject = sut_incoming_envelope(in)->subject;
            bool keep = sut_str_is(subject, "echo.keep") && !sut_incoming_cancelled(in);
            if ((keep || sut_str_is(subject, "echo.late")) && !a->release)
                break;
            sut_reply(in, party_body);
        }
    }
    for (; done < a->kept_count; done++)
        sut_reply(a->kept[done], party_body);
    return NULL;
}

void actor_start(actor *a, bus *b, uint32_t credits)
{
    *a = (actor){.client = party_client(b, "echo")};
    cr_assert_eq(sut_serve(a->client, "echo", credits, on_incoming, a), 0);
    cr_assert_eq(sut_client_wait_up(a->client, WAIT_MS), 0);
    pthread_create(&a->worker, NULL, work, a);
    /* Serving was announced by a hello of its own if the first one was faster than sut_serve. */
    bus_wait_number(b, "services_total", 1);
}

void actor_end(actor *a)
{
    a->ending = true;
    pthread_join(a->worker, NULL);
    sut_client_free(a->client);
}

static void on_left(void *arg)
{
    sem_post(arg);
}

void actor_leave(actor *a)
{
    sem_t left;
    struct timespec until;
    sem_init(&left, 0, 0);
    sut_client_bye(a->client, on_left, &left);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    cr_assert_eq(sem_timedwait(&left, &until), 0);
    actor_end(a);
}

/* ---- the tally ---- */

void tally_result(void *arg, const sut_result *r)
{
    tally *t = arg;
    pthread_mutex_lock(&t->lock);
    t->by_err[r->err < 80 ? r->err : 79]++;
    t->count++;
    snprintf(t->last_code, sizeof t->last_code, "%.*s", SUT_STR_FMT(r->code));
    snprintf(t->last_message, sizeof t->last_message, "%.*s", SUT_STR_FMT(r->message));
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void tally_wait(tally *t, unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 6 * WAIT_MS / 1000;
    pthread_mutex_lock(&t->lock);
    while (t->count < count)
        cr_assert_eq(pthread_cond_timedwait(&t->changed, &t->lock, &until), 0, "%u of %u calls ended", t->count, count);
    pthread_mutex_unlock(&t->lock);
}

sut_call_id tally_call(tally *t, sut_client *c, const char *subject, uint32_t timeout_ms, bool idempotent)
{
    sut_call_id id;
    sut_call call = {
        .subject = sut_str_from(subject), .body = party_body, .timeout_ms = timeout_ms, .idempotent = idempotent};
    cr_assert_eq(sut_call_start(c, &call, tally_result, t, &id), 0);
    return id;
}
