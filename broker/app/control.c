/* The table of broker.* methods, and the ring of calls that wait for an answer. */
#include "control.h"
#include "broker.h"
#include "control_request.h"
#include "status.h"

#include "base/clock.h"

#include "broker_schema.h"

#include <stdlib.h>

#define RUNS(method) .name = "broker." #method, .schema = &broker_##method##_method, .run = sut_control_##method

const sut_control_method sut_control_methods[] = {
    {RUNS(captured_calls), .without_journal = true},
    {RUNS(dead_drop)},
    {RUNS(dead_letter)},
    {RUNS(dead_letters)},
    {RUNS(dead_redrive)},
    {RUNS(group_create)},
    {RUNS(group_delete)},
    {RUNS(group_pause)},
    {RUNS(group_replay)},
    {RUNS(group_resume)},
    {RUNS(group_skip)},
    {RUNS(group_stop)},
    {RUNS(groups)},
    {RUNS(journal)},
    {"broker.methods", "Every method that the broker knows, from the schemas.", .write = sut_status_write_methods},
    {"broker.peers", "Every session: name, role, instance, calls.", .write = sut_status_write_peers},
    {"broker.ping", "Answers at once.", .write = sut_status_write_ping},
    {"broker.services", "Every service: instances, credits, queue, latency.", .write = sut_status_write_services},
    {"broker.status", "All of it: sessions, services, rates, counters, memory, limits.",
     .write = sut_status_write_status},
    {RUNS(subscriptions)},
    {RUNS(trace), .without_journal = true},
};
const size_t sut_control_method_count = SUT_ARRAY_LEN(sut_control_methods);

static const sut_control_method *find(sut_str subject)
{
    for (size_t i = 0; i < sut_control_method_count; i++)
        if (sut_str_is(subject, sut_control_methods[i].name))
            return &sut_control_methods[i];
    return NULL;
}

bool sut_control_queue(sut_control *c, uint64_t call, uint64_t session, sut_str subject, sut_str body)
{
    const sut_control_method *method = find(subject);
    const size_t kept = method && method->run ? body.len : 0; /* the others take no arguments */
    sut_control_call *slot = &c->waiting[(c->first + c->count) % SUT_CONTROL_MAX];

    if (c->count == SUT_CONTROL_MAX || c->bytes + kept > SUT_CONTROL_BYTES)
        return false;
    *slot = (sut_control_call){call, session, method, SUT_STR_NONE};
    if (kept) {
        char *copy = malloc(kept);
        if (!copy)
            return false;
        memcpy(copy, body.ptr, kept);
        slot->body = (sut_str){copy, kept};
        // cppcheck-suppress memleak ; freed with the answer
    }
    c->bytes += kept;
    c->count++;
    return true;
}

static void write_answer(sut_broker *b, const sut_control_call *call)
{
    const uint64_t now = sut_now_ns();
    sut_buf body;

    sut_buf_init(&body, SUT_ENVELOPE_MAX - 4096);
    if (call->method->write(b, &body) < 0)
        sut_core_control_reply(b->core, now, call->call, SUT_ERR_INTERNAL, SUT_STR("the answer cannot be written"));
    else
        sut_core_control_reply(b->core, now, call->call, 0, (sut_str){(const char *)body.data, body.len});
    sut_buf_deinit(&body);
}

static void answer(sut_broker *b, const sut_control_call *call)
{
    if (!call->method)
        sut_core_control_reply(b->core, sut_now_ns(), call->call, SUT_ERR_NO_SUCH_METHOD,
                               SUT_STR("broker.methods lists them"));
    else if (call->method->run)
        sut_control_request_run(b, call);
    else
        write_answer(b, call);
}

bool sut_control_answer(sut_control *c, sut_broker *b)
{
    int left = SUT_CONTROL_A_TURN;

    if (!c->count)
        return false;
    while (c->count && left-- > 0) {
        const sut_control_call call = c->waiting[c->first];

        c->first = (c->first + 1) % SUT_CONTROL_MAX;
        c->count--;
        c->bytes -= call.body.len;
        answer(b, &call);
        free((char *)call.body.ptr);
    }
    return true;
}

void sut_control_deinit(sut_control *c)
{
    while (c->count) {
        free((char *)c->waiting[c->first].body.ptr);
        c->first = (c->first + 1) % SUT_CONTROL_MAX;
        c->count--;
    }
    c->bytes = 0;
}
