/* What waits to be sent, and how it is coalesced: all that is ready together goes in one frame of up to SUT_FRAME_MAX.
 * Answers and control go first; calls only while the session takes them. */
#include "client.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STALE_TTL_NS (2 * SUT_NS_PER_MS) /* a call that waited longer says anew how much time is left */
#define URGENT_MAX   65536u              /* answers are bounded by credits; this bounds what a broken broker provokes */

void client_outbox_urgent(sut_client *c, client_item *item)
{
    if (c->outbox.urgent_count >= URGENT_MAX) {
        client_item_free(item);
        client_session_restart(c, "too much to send to a broker that does not read");
        return;
    }
    sut_list_push_back(&c->outbox.urgent, &item->node);
    c->outbox.urgent_count++;
}

void client_outbox_control(sut_client *c, const sut_envelope *env)
{
    client_item *item;
    if (client_item_new(&item, env, sizeof *item) == 0)
        client_outbox_urgent(c, item);
    else
        client_session_restart(c, "out of memory");
}

void client_outbox_clear_urgent(sut_client *c)
{
    for (sut_node *n; (n = sut_list_pop_front(&c->outbox.urgent));)
        client_item_free(SUT_CONTAINER(n, client_item, node));
    c->outbox.urgent_count = 0;
}

/* A call that waited (for a session, or behind a full queue) is encoded again with the time that is left. Out of
 * memory, the old bytes do: the broker then allows it more time than its caller. */
static void refresh_ttl(client_call *call, uint64_t now_ns)
{
    if (call->events || now_ns < call->encoded_ns + STALE_TTL_NS)
        return; /* a publish says no time: it is decided by its event's id, however late */
    sut_envelope env;
    size_t used;
    uint64_t waited_ms = (now_ns - call->encoded_ns) / SUT_NS_PER_MS;
    if (sut_envelope_decode(call->item.bytes, call->item.len, &env, &used) != SUT_ENV_OK)
        return;
    env.ttl_ms = waited_ms < env.ttl_ms ? env.ttl_ms - (uint32_t)waited_ms : 1;
    sut_buf b;
    sut_buf_init(&b, SUT_ENVELOPE_MAX);
    if (sut_envelope_encode(&b, &env) != 0) {
        sut_buf_deinit(&b);
        return;
    }
    if (call->item.apart)
        free(call->item.bytes);
    size_t len;
    call->item.bytes = sut_buf_steal(&b, &len);
    call->item.len = (uint32_t)len;
    call->item.apart = true;
    call->encoded_ns += waited_ms * SUT_NS_PER_MS;
}

/* How many items from `list` still fit behind `*total` bytes. The first of a frame always fits. */
static size_t count_fitting(const sut_node *list, size_t *total, uint64_t now_ns)
{
    size_t count = 0;
    for (sut_node *n = list->next; n != list; n = n->next) {
        client_item *item = SUT_CONTAINER(n, client_item, node);
        if (item->is_call)
            refresh_ttl(SUT_CONTAINER(item, client_call, item), now_ns);
        if (*total && *total + item->len > SUT_FRAME_MAX)
            break;
        *total += item->len;
        count++;
    }
    return count;
}

static uint8_t *copy_items(const sut_node *list, size_t count, uint8_t *to)
{
    for (sut_node *n = list->next; count--; n = n->next) {
        const client_item *item = SUT_CONTAINER(n, client_item, node);
        memcpy(to, item->bytes, item->len);
        to += item->len;
    }
    return to;
}

static void mark_sent(sut_client *c, size_t urgent, size_t calls)
{
    c->outbox.urgent_count -= urgent;
    while (urgent--)
        client_item_free(SUT_CONTAINER(sut_list_pop_front(&c->outbox.urgent), client_item, node));
    while (calls--) {
        sut_node *n = sut_list_pop_front(&c->outbox.calls);
        client_call *call = SUT_CONTAINER(n, client_call, item.node);
        call->state = CALL_SENT;
        sut_list_push_back(&c->calls.sent, n);
    }
}

/* Sends one frame: 1, 0 if there is nothing to send or no room, or a negative status. */
static sut_status send_frame(sut_client *c, uint64_t now_ns)
{
    size_t total = 0;
    size_t urgent = client_session_takes_answers(c) ? count_fitting(&c->outbox.urgent, &total, now_ns) : 0;
    size_t calls = client_session_takes_calls(c) ? count_fitting(&c->outbox.calls, &total, now_ns) : 0;
    if (total == 0 || !client_link_writable(&c->link))
        return 0;
    client_frame frame = {.bytes = NULL};
    sut_status st = client_frame_new(&frame, total);
    if (st != 0)
        return st;
    uint8_t *to = (uint8_t *)(uintptr_t)frame.bytes;
    to = copy_items(&c->outbox.urgent, urgent, to);
    copy_items(&c->outbox.calls, calls, to);
    st = client_link_send(&c->link, &frame);
    if (st != 0) {
        client_frame_done(&frame);
        return st == -EAGAIN ? 0 : st;
    }
    mark_sent(c, urgent, calls);
    client_count(&c->stats.bytes_out, total);
    return 1;
}

bool client_outbox_flush(sut_client *c)
{
    if (sut_list_empty(&c->outbox.urgent) && sut_list_empty(&c->outbox.calls))
        return false;
    if (!client_session_takes_answers(c))
        return false;
    uint64_t now_ns = sut_now_ns();
    bool sent = false;
    sut_status st;
    while ((st = send_frame(c, now_ns)) > 0)
        sent = true;
    if (st < 0)
        client_session_restart(c, "the socket does not take a frame");
    return sent;
}
