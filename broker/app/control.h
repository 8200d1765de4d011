/* The daemon's own service: calls to broker.*, answered between batches, a few at a time. Those without arguments are
 * written at once (status.h); the others get a sut_control_request, which they answer now or later (control_request.h).
 */
#ifndef SUT_APP_CONTROL_H
#define SUT_APP_CONTROL_H

#include "base/buf.h"
#include "wire/schema.h"

struct sut_broker;
struct sut_control_request;

#define SUT_CONTROL_MAX    1024       /* calls that may wait */
#define SUT_CONTROL_BYTES  (4u << 20) /* of their arguments */
#define SUT_CONTROL_A_TURN 8

typedef struct sut_control_call {
    uint64_t call, session;
    const struct sut_control_method *method; /* NULL: there is none of that name */
    sut_str body;                            /* a copy, ours */
} sut_control_call;

typedef struct sut_control { /* a ring */
    sut_control_call waiting[SUT_CONTROL_MAX];
    uint32_t first, count;
    size_t bytes;
} sut_control;

typedef struct sut_control_method {
    const char *name, *doc;
    sut_status (*write)(const struct sut_broker *b, sut_buf *body); /* writes one msgpack map; or: */
    const sut_method *schema;                                       /* whose `in` is decoded for */
    void (*run)(struct sut_control_request *rq);                    /* takes it over */
    bool without_journal;                                           /* it needs none */
} sut_control_method;
extern const sut_control_method sut_control_methods[];
extern const size_t sut_control_method_count;

/* Copies the body. False if there is no room: answer it as overloaded. */
bool sut_control_queue(sut_control *c, uint64_t call, uint64_t session, sut_str subject, sut_str body);
/* Answers some of the waiting calls; true if any. */
bool sut_control_answer(sut_control *c, struct sut_broker *b);
void sut_control_deinit(sut_control *c); /* idempotent */

#endif
