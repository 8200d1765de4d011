/* The daemon's own service: calls to broker.*, answered between batches, a few at a time. */
#ifndef SUT_APP_CONTROL_H
#define SUT_APP_CONTROL_H

#include "base/buf.h"

struct sut_broker;

#define SUT_CONTROL_MAX    1024 /* calls that may wait */
#define SUT_CONTROL_A_TURN 8

typedef struct sut_control_call {
    uint64_t call;
    const struct sut_control_method *method; /* NULL: there is none of that name */
} sut_control_call;

typedef struct sut_control { /* a ring */
    sut_control_call waiting[SUT_CONTROL_MAX];
    uint32_t first, count;
} sut_control;

typedef struct sut_control_method {
    const char *name, *doc;
    sut_status (*write)(const struct sut_broker *b, sut_buf *body); /* writes one msgpack map */
} sut_control_method;
extern const sut_control_method sut_control_methods[];
extern const size_t sut_control_method_count;

/* False if there is no room: answer it as overloaded. */
bool sut_control_queue(sut_control *c, uint64_t call, sut_str subject);
/* Answers some of the waiting calls; true if any. */
bool sut_control_answer(sut_control *c, struct sut_broker *b);

#endif
