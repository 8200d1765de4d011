/* What the kit keeps in each actor's database for idempotency keys. Private to the kit. */
#ifndef SUT_KIT_IDEMPOTENCY_H
#define SUT_KIT_IDEMPOTENCY_H

#include "kit/pg.h"
#include "kit/task.h"

extern const sut_periodic sut_idempotency_cleaner; /* removes what is older than 24 hours */

#endif
