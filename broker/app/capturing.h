/* What passes, on its way to the capture (broker/capture). */
#ifndef SUT_APP_CAPTURING_H
#define SUT_APP_CAPTURING_H

#include "capture/capture.h"
#include "wire/sight.h"

struct sut_broker;

typedef struct sut_capturing {
    sut_capture *capture;   /* NULL: nothing is captured */
    int64_t wall_us;        /* UTC minus the monotonic clock, for calls: */
    uint64_t wall_until_ns; /* good until then */
} sut_capturing;

/* Opens the capture (nothing if SUT_CAPTURE_DIR is empty) and watches all that passes. Returns the exit code that
 * fits (status.h), with one line in `error`. */
int sut_capturing_open(struct sut_broker *b, char *error, size_t error_size);
/* Idempotent; before requests that wait for it are dropped. */
void sut_capturing_close(struct sut_broker *b);
/* Does it want a call that begins? For sut_sight.picked. */
uint8_t sut_capturing_pick(struct sut_broker *b, const sut_envelope *env);
/* One sight; sets its time. */
void sut_capturing_see(struct sut_broker *b, sut_sight *s);

#endif
