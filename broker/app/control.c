/* The table of broker.* methods, and the ring of calls that wait for an answer. */
#include "control.h"
#include "broker.h"
#include "status.h"

#include "base/clock.h"

const sut_control_method sut_control_methods[] = {
    {"broker.methods", "Every method that the broker knows, from the schemas.", sut_status_write_methods},
    {"broker.peers", "Every session: name, role, instance, calls.", sut_status_write_peers},
    {"broker.ping", "Answers at once.", sut_status_write_ping},
    {"broker.services", "Every service: instances, credits, queue, latency.", sut_status_write_services},
    {"broker.status", "All of it: sessions, services, rates, counters, memory, limits.", sut_status_write_status},
};
const size_t sut_control_method_count = SUT_ARRAY_LEN(sut_control_methods);

static const sut_control_method *find(sut_str subject)
{
    for (size_t i = 0; i < sut_control_method_count; i++)
        if (sut_str_is(subject, sut_control_methods[i].name))
            return &sut_control_methods[i];
    return NULL;
}

bool sut_control_queue(sut_control *c, uint64_t call, sut_str subject)
{
    if (c->count == SUT_CONTROL_MAX)
        return false;
    c->waiting[(c->first + c->count++) % SUT_CONTROL_MAX] = (sut_control_call){call, find(subject)};
    return true;
}

static void answer(sut_broker *b, const sut_control_call *call)
{
    const uint64_t now = sut_now_ns();
    sut_buf body;

    if (!call->method) {
        sut_core_control_reply(b->core, now, call->call, SUT_ERR_NO_SUCH_METHOD, SUT_STR("broker.methods lists them"));
        return;
    }
    sut_buf_init(&body, SUT_ENVELOPE_MAX - 4096);
    if (call->method->write(b, &body) < 0)
        sut_core_control_reply(b->core, now, call->call, SUT_ERR_INTERNAL, SUT_STR("the answer cannot be written"));
    else
        sut_core_control_reply(b->core, now, call->call, 0, (sut_str){(const char *)body.data, body.len});
    sut_buf_deinit(&body);
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
        answer(b, &call);
    }
    return true;
}
