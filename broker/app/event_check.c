/* An event against its schema. Runs on the journal's writer thread: touches nothing but its arguments and the tables.
 */
#include "events.h"

#include "base/arena.h"
#include "wire/schema.h"

#include <inttypes.h>
#include <stdio.h>

#define ERRORS_MAX 16

static int refuse(sut_publish_fault *fault, int err, sut_str message)
{
    *fault = (sut_publish_fault){.err = err, .message = message};
    return err;
}

/* The text of the field that orders this event. */
static sut_str key_text(const sut_field *key, const void *body, sut_arena *a)
{
    const char *at = (const char *)body + key->offset;

    if (key->type == SUT_T_I64) {
        int64_t number;
        memcpy(&number, at, sizeof number);
        return sut_arena_printf(a, "%" PRId64, number);
    }
    sut_str text;
    memcpy(&text, at, sizeof text);
    return text;
}

static int check_key(const sut_event *event, const void *body, sut_journal_event *e, sut_arena *a,
                     sut_publish_fault *fault)
{
    sut_str key;

    if (!event->key)
        return 0; /* whatever its publisher says */
    key = key_text(event->key, body, a);
    if (!key.ptr)
        return refuse(fault, SUT_ERR_INTERNAL, SUT_STR("no memory"));
    if (key.len > SUT_KEY_MAX)
        return refuse(fault, SUT_ERR_INVALID,
                      sut_arena_printf(a, "the key, field %s, is over %d bytes", event->key->name, SUT_KEY_MAX));
    if (e->key.ptr && !sut_str_eq(e->key, key))
        return refuse(fault, SUT_ERR_INVALID,
                      sut_arena_printf(a, "the key must be what field %s says, or absent", event->key->name));
    e->key = key;
    return 0;
}

int sut_event_check(void *app, sut_journal_event *e, sut_arena *a, sut_publish_fault *fault)
{
    const sut_event *event = sut_event_find(e->subject);
    sut_field_errors errs;
    void *body;

    (void)app;
    if (!event)
        return refuse(fault, SUT_ERR_NO_SUCH_EVENT, SUT_STR("no schema declares an event of this subject"));
    if (e->body.len > SUT_EVENT_BODY_MAX)
        return refuse(fault, SUT_ERR_PAYLOAD_TOO_LARGE, SUT_STR("an event's body has at most 768,000 bytes"));
    body = sut_arena_alloc(a, event->body->size);
    if (!body)
        return refuse(fault, SUT_ERR_INTERNAL, SUT_STR("no memory"));
    sut_field_errors_init(&errs, a, ERRORS_MAX);
    if (sut_record_decode(event->body, e->body, SUT_UNKNOWN_IGNORE, a, body, &errs)) {
        refuse(fault, errs.count ? SUT_ERR_INVALID : SUT_ERR_INTERNAL,
               sut_arena_printf(a, "the body breaks the schema of %s", event->subject));
        fault->errors = errs.items;
        fault->error_count = errs.count;
        return fault->err;
    }
    return check_key(event, body, e, a, fault);
}
