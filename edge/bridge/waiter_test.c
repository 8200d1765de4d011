#include "waiter.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(waiter, .timeout = 30);

static const sut_result s_answer = {
    .err = 0, .body = {"body", 4}, .code = {"code", 4}, .message = {"", 0}, .retry_after_ms = 7, .http_status = 200};

Test(waiter, an_answer_that_was_first_is_not_waited_for)
{
    sut_waiter *w = NULL;
    cr_assert_eq(sut_waiter_new(&w), 0);
    sut_waiter_arm(w);
    sut_waiter_fire(w, &s_answer);
    cr_assert(sut_waiter_sleep(w, 1000));
    cr_assert(sut_str_is(w->reply.body, "body"));
    cr_assert(sut_str_is(w->reply.code, "code"));
    cr_assert(w->reply.message.ptr && w->reply.message.len == 0);
    cr_assert_eq(w->reply.retry_after_ms, 7);
    sut_waiter_free(w);
}

Test(waiter, nothing_comes)
{
    sut_waiter *w = NULL;
    cr_assert_eq(sut_waiter_new(&w), 0);
    sut_waiter_arm(w);
    cr_assert_not(sut_waiter_sleep(w, 1));
    cr_assert_not(sut_waiter_sleep(w, 0));
    sut_waiter_free(w);
}

typedef struct pair {
    sut_waiter *to, *back;
} pair;

enum { ROUNDS = 20000 };

/* Answers every question with what it asked, from another thread. */
static void *answer_all(void *arg)
{
    pair *p = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        while (!sut_waiter_sleep(p->back, 1000))
            ;
        const sut_result r = {.err = (int)p->back->reply.err, .body = p->back->reply.body, .retry_after_ms = i};
        char copy[64];
        memcpy(copy, r.body.ptr, r.body.len);
        sut_waiter_arm(p->back);
        sut_waiter_fire(p->to, &(sut_result){.err = r.err, .body = {copy, r.body.len}, .retry_after_ms = i});
    }
    return NULL;
}

Test(waiter, no_wake_up_is_lost)
{
    pair p = {NULL, NULL};
    pthread_t thread;
    cr_assert_eq(sut_waiter_new(&p.to), 0);
    cr_assert_eq(sut_waiter_new(&p.back), 0);
    sut_waiter_arm(p.back);
    cr_assert_eq(pthread_create(&thread, NULL, answer_all, &p), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char text[32];
        int n = snprintf(text, sizeof(text), "question %u", i);
        sut_waiter_arm(p.to);
        sut_waiter_fire(p.back, &(sut_result){.err = (int)i, .body = {text, (size_t)n}});
        while (!sut_waiter_sleep(p.to, 1000))
            ;
        cr_assert_eq(p.to->reply.err, (int)i);
        cr_assert_eq(p.to->reply.retry_after_ms, i);
        cr_assert(sut_str_is(p.to->reply.body, text));
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    sut_waiter_free(p.to);
    sut_waiter_free(p.back);
}

Test(waiter, large_answers_do_not_stay)
{
    sut_waiter *w = NULL;
    size_t len = 900000;
    char *large = calloc(1, len);
    cr_assert_not_null(large);
    cr_assert_eq(sut_waiter_new(&w), 0);
    sut_waiter_arm(w);
    sut_waiter_fire(w, &(sut_result){.body = {large, len}});
    cr_assert_eq(w->reply.body.len, len);
    sut_waiter_arm(w);
    cr_assert_lt(w->bytes.cap, 100000);
    sut_waiter_free(w);
    free(large);
}
