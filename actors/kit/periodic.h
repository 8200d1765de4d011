/* The actor's periodic functions. Private to the kit. */
#ifndef SUT_KIT_PERIODIC_H
#define SUT_KIT_PERIODIC_H

#include "kit/task.h"

struct sut_runtime;
typedef struct sut_periodic_run sut_periodic_run;

SUT_MUST_CHECK sut_status sut_periodics_start(struct sut_runtime *rt);
void sut_periodics_stop(struct sut_runtime *rt); /* no new run starts; idempotent */
void sut_periodics_free(struct sut_runtime *rt);

#endif
