/* The bare fiber: a stack, and a switch to it and back. Knows nothing of loops, requests or waiting (sched.h does).
 * A fiber belongs to the thread that first resumed it; a thread runs one at a time and they do not nest. */
#ifndef SUT_KIT_FIBER_H
#define SUT_KIT_FIBER_H

#include "base/status.h"

typedef struct sut_fiber sut_fiber;
typedef void (*sut_fiber_fn)(void *arg);

/* A stack of at least `stack_bytes` with an inaccessible page below it. */
SUT_MUST_CHECK sut_status sut_fiber_new(sut_fiber **out, size_t stack_bytes);
/* Also of one that has not finished: its frames are simply gone. Never of the running one. Returns NULL. */
sut_fiber *sut_fiber_free(sut_fiber *f);
/* Prepares a new or finished (or abandoned) fiber to run fn(arg) from its next resume. */
void sut_fiber_start(sut_fiber *f, sut_fiber_fn fn, void *arg);
/* Runs it until it yields or its function returns. errno is kept. */
void sut_fiber_resume(sut_fiber *f);
/* Back to whoever resumed the running fiber. */
void sut_fiber_yield(void);
sut_fiber *sut_fiber_current(void); /* NULL outside */
bool sut_fiber_done(const sut_fiber *f);

#endif
