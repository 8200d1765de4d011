/* `sut top`: what it looks at and the page it makes of that. */
#ifndef SUT_CLI_TOP_H
#define SUT_CLI_TOP_H

#include "cli.h"

#include <jansson.h>

typedef enum { TOP_BY_RATE, TOP_BY_LATENCY, TOP_BY_QUEUE, TOP_BY_NAME, TOP_SORTS } cli_top_sort;

#define TOP_SUBJECTS_MAX 256
typedef struct cli_top_subject {
    char subject[SUT_SUBJECT_MAX + 1];
    uint64_t count, errors, took_us_total, took_count, took_us_max;
} cli_top_subject;

/* One look, and the one before it: rates are what lies between. */
typedef struct cli_top_look {
    json_t *status, *groups, *journal; /* NULL: could not be had */
    cli_top_subject subjects[TOP_SUBJECTS_MAX];
    size_t subject_count;
    uint64_t unseen; /* records that the tap lost: rates of subjects are too low then */
    bool tapped;     /* false: subjects could not be had */
    uint64_t at_ns;
    int64_t wall_us;
} cli_top_look;
void cli_top_look_deinit(cli_top_look *look);

/* The page, at most `height` lines of `width` columns; 0: no bound. `before` may be NULL. */
bool cli_top_render(const cli_top_look *now, const cli_top_look *before, cli_top_sort sort, int width, int height,
                    FILE *out);

/* top_subjects.c: counts records by subject */
struct cli_top_counter;
typedef struct cli_top_counter cli_top_counter;
SUT_MUST_CHECK sut_status cli_top_counter_new(cli_top_counter **out, sut_client *client);
cli_top_counter *cli_top_counter_free(cli_top_counter *c);
void cli_top_counter_take(cli_top_counter *c, cli_top_look *look); /* what has come so far; counts go on */
void cli_top_count(cli_top_subject *list, size_t *count, sut_str subject, bool error, int64_t took_us);

#endif
