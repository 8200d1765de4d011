/* Times and spans as people type and read them. */
#ifndef SUT_CLI_TIMES_H
#define SUT_CLI_TIMES_H

#include "base/str.h"

/* "500ms", "30s", "5m", "2h", "7d", "90" (seconds): microseconds. False for anything else, or past ten years. */
bool cli_span_parse(const char *text, int64_t *us);
/* A moment, in microseconds since 1970 UTC: "now"; "10m", "-10m" or "10m ago" before now; "+5m" after it; an RFC 3339
 * time; "2026-01-02" (local midnight); "2026-01-02 03:04[:05]", "18:30[:05]" (local, today). */
bool cli_time_parse(const char *text, int64_t now_us, int64_t *us);
/* The same, complaining about the option. NULL leaves *us as it is. */
bool cli_time_option(const char *option, const char *text, int64_t *us);
bool cli_span_option(const char *option, const char *text, int64_t *us);

/* A place in the journal: a sequence, or a time; "end" and "beginning" where `words`. */
typedef struct cli_place {
    enum { CLI_PLACE_NONE, CLI_PLACE_SEQUENCE, CLI_PLACE_TIME, CLI_PLACE_BEGINNING, CLI_PLACE_END } kind;
    uint64_t sequence;
    int64_t time_us;
} cli_place;
bool cli_place_option(const char *option, const char *text, bool words, cli_place *out); /* false: complained */

#define CLI_CLOCK_SIZE 32
/* Local time: "18:30:05.123", with the date when it is not that of `now_us`. */
const char *cli_clock(int64_t us, int64_t now_us, char out[CLI_CLOCK_SIZE]);

#endif
