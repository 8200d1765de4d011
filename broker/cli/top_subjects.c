/* What passes, counted by subject: a tap with a small budget, so that looking costs the broker little. */
#include "ask.h"
#include "input.h"
#include "lines.h"
#include "top.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET_BYTES (1 << 20) /* a second */

struct cli_top_counter {
    pthread_mutex_t lock;
    sut_tap *tap;
    bool ended;
    cli_top_subject list[TOP_SUBJECTS_MAX];
    size_t count;
    uint64_t unseen;
};

/* The list keeps the order in which subjects came; one that finds no room counts for nothing. */
void cli_top_count(cli_top_subject *list, size_t *count, sut_str subject, bool error, int64_t took_us)
{
    size_t i = 0;
    while (i < *count && !sut_str_is(subject, list[i].subject))
        i++;
    if (i == TOP_SUBJECTS_MAX)
        return;
    if (i == *count) {
        list[i] = (cli_top_subject){.count = 0};
        snprintf(list[i].subject, sizeof list[i].subject, "%.*s", SUT_STR_FMT(subject));
        ++*count;
    }
    list[i].count++;
    list[i].errors += error;
    if (took_us < 0)
        return;
    list[i].took_count++;
    list[i].took_us_total += (uint64_t)took_us;
    if ((uint64_t)took_us > list[i].took_us_max)
        list[i].took_us_max = (uint64_t)took_us;
}

static void on_record(void *arg, const sut_envelope *env)
{
    cli_top_counter *c = arg;
    json_t *line = cli_tap_line(env, true);
    if (!line)
        return;
    const json_t *took = json_object_get(line, "took_us");
    pthread_mutex_lock(&c->lock);
    cli_top_count(c->list, &c->count, env->subject, strcmp(cli_txt(line, "kind"), "error") == 0,
                  took ? json_integer_value(took) : -1);
    c->unseen += (uint64_t)cli_num(line, "lost");
    pthread_mutex_unlock(&c->lock);
    json_decref(line);
}

static void on_end(void *arg, int err, sut_str code, sut_str message)
{
    cli_top_counter *c = arg;
    (void)err;
    (void)code;
    (void)message;
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_mutex_unlock(&c->lock);
}

sut_status cli_top_counter_new(cli_top_counter **out, sut_client *client)
{
    cli_top_counter *c = calloc(1, sizeof *c);
    sut_buf body;
    if (!c)
        return -ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    sut_buf_init(&body, SUT_FRAME_MAX);
    json_t *request =
        json_pack("{s:[s,s,s], s:i}", "kinds", "reply", "error", "event", "bytes_per_second", BUDGET_BYTES);
    sut_status st = request ? cli_value_to_msgpack(request, &body) : -ENOMEM;
    json_decref(request);
    if (st == 0) {
        sut_tap_options opt = {
            .request = {(const char *)body.data, body.len}, .on_record = on_record, .on_end = on_end, .arg = c};
        st = sut_tap_start(client, &opt, &c->tap);
    }
    sut_buf_deinit(&body);
    if (st != 0) {
        cli_top_counter_free(c);
        return st;
    }
    *out = c;
    return 0;
}

cli_top_counter *cli_top_counter_free(cli_top_counter *c)
{
    if (!c)
        return NULL;
    if (c->tap)
        sut_tap_end(c->tap);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

void cli_top_counter_take(cli_top_counter *c, cli_top_look *look)
{
    pthread_mutex_lock(&c->lock);
    memcpy(look->subjects, c->list, c->count * sizeof c->list[0]);
    look->subject_count = c->count;
    look->unseen = c->unseen;
    look->tapped = !c->ended;
    pthread_mutex_unlock(&c->lock);
}
