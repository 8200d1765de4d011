/* Reading the journal in a fiber. */
#include "stream.h"

#include "runtime.h"

#include "base/clock.h"

#include <stdio.h>

#define S_SILENCE_MS 10000 /* a marker comes twice a second */
#define S_LOOK_MS    500

static void s_wake(sut_stream *s)
{
    if (s->reader)
        sut_request_wake(s->reader, 0);
}

static void s_break(sut_stream *s, const char *what, sut_str text)
{
    if (!s->broken)
        snprintf(s->why, sizeof(s->why), "%s%s%.*s", what, text.len ? ": " : "", SUT_STR_FMT(text));
    s->broken = true;
}

static void s_on_event(void *arg, sut_delivery *d)
{
    sut_stream *s = arg;
    if (s->pushed - s->popped >= SUT_STREAM_CREDITS) { /* more than it was given credits for */
        s_break(s, "the broker sent more than was asked for", SUT_STR_NONE);
        s->port->ack(d);
    } else {
        s->queue[s->pushed++ % SUT_STREAM_CREDITS] = d;
    }
    s_wake(s);
}

static void s_on_notice(void *arg, const sut_sub_notice *n)
{
    sut_stream *s = arg;
    switch (n->news) {
    case SUT_SUB_UP:
        s->up = true;
        s->position = n->position;
        break;
    case SUT_SUB_MARKER: s->marked = s->pushed + 1; break;
    case SUT_SUB_DOWN: s_break(s, "the session with the broker was lost", n->text); break;
    case SUT_SUB_GAP: s_break(s, "events were missed", n->text); break;
    case SUT_SUB_REFUSED: s_break(s, "the broker refuses the subscription", n->text); break;
    }
    s_wake(s);
}

static void s_on_timer(sut_timer *t, void *arg)
{
    (void)t;
    s_wake(arg);
}

/* Parks for news; not for ever, and not while the actor ends. */
static sut_status s_wait(sut_stream *s, sut_request *rq, uint64_t since_ns)
{
    if (s->broken)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "%s", s->why);
    if (rq->runtime->draining)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "the actor was stopped");
    if (sut_now_ns() - since_ns > S_SILENCE_MS * SUT_NS_PER_MS)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "nothing was heard from the broker for %d s", S_SILENCE_MS / 1000);
    sut_timer timer = {0};
    sut_status st = sut_timer_start_ms(rq->runtime->loop, &timer, S_LOOK_MS, s_on_timer, s);
    s->reader = rq;
    if (!st)
        st = sut_request_park(rq);
    s->reader = NULL;
    sut_timer_stop(&timer);
    return sut_request_say_interrupted(rq, st);
}

sut_status sut_stream_open(sut_stream *s, sut_request *rq, const sut_delivery_port *port, const char *const *subjects,
                           size_t count, uint64_t sequence)
{
    *s = (sut_stream){.port = port};
    const sut_subscribe options = {.subjects = subjects,
                                   .subject_count = count,
                                   .credits = SUT_STREAM_CREDITS,
                                   .start = sequence ? SUT_START_SEQUENCE : SUT_START_END,
                                   .start_sequence = sequence,
                                   .on_event = s_on_event,
                                   .on_notice = s_on_notice,
                                   .arg = s};
    sut_status st = port->subscribe(port->bus, &options, &s->subscription);
    if (st) {
        s->subscription = NULL;
        return st;
    }
    uint64_t since = sut_now_ns();
    while (!st && !s->up)
        st = s_wait(s, rq, since);
    return st;
}

sut_status sut_stream_next(sut_stream *s, sut_request *rq, sut_delivery **out)
{
    uint64_t since = sut_now_ns();
    *out = NULL;
    while (s->pushed == s->popped) {
        if (s->broken || s->marked == 0 || s->marked - 1 > s->popped) {
            sut_status st = s_wait(s, rq, since);
            if (st)
                return st;
        } else {
            return 0;
        }
    }
    *out = s->queue[s->popped++ % SUT_STREAM_CREDITS];
    return 0;
}

void sut_stream_close(sut_stream *s)
{
    for (; s->popped < s->pushed; s->popped++)
        s->port->ack(s->queue[s->popped % SUT_STREAM_CREDITS]);
    if (s->subscription)
        s->subscription = s->port->end(s->subscription);
}
