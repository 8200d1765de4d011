/* The blocking style: a call whose callback keeps a copy of the result and wakes the caller. */
#include "client.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

typedef struct waiter {
    sem_t done;
    sut_answer *answer;
    sut_status status;
} waiter;

static sut_str copy_to(char **at, sut_str s)
{
    if (!s.ptr)
        return SUT_STR_NONE;
    sut_str copy = {*at, s.len};
    memcpy(*at, s.ptr, s.len);
    (*at)[s.len] = '\0';
    *at += s.len + 1;
    return copy;
}

static sut_status keep(sut_answer *a, const sut_result *r)
{
    char *at = malloc(r->body.len + r->code.len + r->message.len + 3);
    if (!at)
        return SUT_TRACE(-ENOMEM, "client.answer");
    a->memory = at;
    a->result = *r;
    a->result.body = copy_to(&at, r->body);
    a->result.code = copy_to(&at, r->code);
    a->result.message = copy_to(&at, r->message);
    return 0;
}

static void on_result(void *arg, const sut_result *r)
{
    waiter *w = arg;
    w->status = keep(w->answer, r);
    sem_post(&w->done);
}

sut_status sut_call_wait(sut_client *c, const sut_call *call, sut_answer *out)
{
    *out = (sut_answer){.memory = NULL};
    if (client_on_loop(c))
        return -EDEADLK;
    waiter w = {.answer = out};
    sem_init(&w.done, 0, 0);
    sut_status st = sut_call_start(c, call, on_result, &w, NULL);
    if (st == 0) {
        while (sem_wait(&w.done) != 0) /* EINTR; the callback comes by the deadline */
            continue;
        st = w.status;
    }
    sem_destroy(&w.done);
    return st;
}

void sut_answer_deinit(sut_answer *a)
{
    free(a->memory);
    *a = (sut_answer){.memory = NULL};
}
