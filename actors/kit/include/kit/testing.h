/* For tests: an actor without a bus. Its stores are real; its methods are called in-process through the same dispatch
 * (decode, validate, level, self, FRIEND, encode) as calls from the broker.
 *
 *     static sut_status body(sut_request *rq, void *arg)
 *     {
 *         note_get_in in = {.note_id = 5};
 *         note_get_out out;
 *         sut_principal alice = {.user_id = 1, .level = 1};
 *         cr_assert_eq(sut_test_call(rq, &note_get_method, &alice, &in, &out, NULL), 0);
 *         return 0;
 *     }
 *     Test(note, get, .timeout = 30) { cr_assert_eq(sut_test_actor(&s_options, body, NULL), 0); } */
#ifndef SUT_KIT_TESTING_H
#define SUT_KIT_TESTING_H

#include "kit/call.h"
#include "kit/event.h"

/* Loads settings from the environment, starts stores, migrates, runs on_start, then `body` in a fiber (deadline 300 s),
 * then stops everything. Returns body's status, or -EINVAL if the actor could not start. */
SUT_MUST_CHECK sut_status sut_test_actor(const sut_actor_options *opt, sut_request_fn body, void *arg);

/* Calls a method of this actor as the broker would. `principal` NULL: none. Returns 0 and fills *out (rq's arena), or
 * the error's number in the method's own terms; `error` (may be NULL) gets the error body. */
SUT_MUST_CHECK sut_status sut_test_call(sut_request *rq, const sut_method *m, const sut_principal *principal,
                                        const void *in, void *out, sut_error_body *error);

/* The same with an idempotency key (NULL: none). */
SUT_MUST_CHECK sut_status sut_test_call_keyed(sut_request *rq, const sut_method *m, const sut_principal *principal,
                                              const char *key, const void *in, void *out, sut_error_body *error);

/* Answers sut_kit_call of methods that this actor does not serve (other actors'). Returns as a handler does; without
 * one such calls are SUT_ERR_UNAVAILABLE. Called on the calling fiber; NULL to remove. */
typedef sut_status (*sut_test_remote_fn)(sut_request *rq, const sut_method *m, const void *in, void *out, void *arg);
void sut_test_on_remote(sut_test_remote_fn fn, void *arg);

/* ---- events ---- */

typedef struct sut_test_delivery { /* all may be zero */
    const sut_principal *principal;
    const uint8_t *event_id; /* SUT_EVENT_ID_LEN bytes; NULL: a new one */
    uint64_t sequence;
    uint32_t attempt, generation; /* 0: 1 */
    bool replayed;
} sut_test_delivery;

/* Delivers an event to a consumer of this actor as the broker would: encoded, decoded, validated. `event` points to a
 * struct of consumer->event->body; `opt` and `error` may be NULL. Returns 0 (acknowledged) or the error's number. */
SUT_MUST_CHECK sut_status sut_test_deliver(sut_request *rq, const sut_consumer *consumer, const void *event,
                                           const sut_test_delivery *opt, sut_error_body *error);

typedef struct sut_test_emitted_event {
    uint8_t id[SUT_EVENT_ID_LEN];
    sut_str key; /* absent: none */
    sut_principal principal;
    sut_str traceparent;
    int64_t not_before_us;
} sut_test_emitted_event;

/* The index-th event of this subject, by age, that was emitted and committed (without a bus none is ever sent). Fills
 * *out, a struct of event->body, and *info; both may be NULL. SUT_ERR_NOT_FOUND if there are not so many. */
SUT_MUST_CHECK sut_status sut_test_emitted(sut_request *rq, const sut_event *event, size_t index, void *out,
                                           sut_test_emitted_event *info);

/* Rebuilds a projection now, as if nothing were published meanwhile: fresh, all pages, swap. */
struct sut_projection_diff;
SUT_MUST_CHECK sut_status sut_test_rebuild(sut_request *rq, const char *name, struct sut_projection_diff *out);

/* Runs one of the actor's periodic functions now, and returns its status. */
SUT_MUST_CHECK sut_status sut_test_periodic(sut_request *rq, const char *name);

#endif
