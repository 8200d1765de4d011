/* Reads the report through the record runtime, with tables by hand: no schema declares what the platform itself asks.
 */
#include "health_report.h"

#include "wire/record.h"

#include <errno.h>
#include <stdio.h>

typedef struct health_item {
    sut_str name, state, detail;
    bool required;
    uint8_t has_required, has_detail;
} health_item;

typedef struct health_body {
    sut_str state;
    sut_list items;
    uint8_t has_items;
} health_body;

#define NAMED(text) .name = (text), .name_len = sizeof(text) - 1

static const sut_field item_fields[] = {
    {NAMED("name"), .type = SUT_T_STRING, .flags = SUT_F_REQUIRED, .offset = offsetof(health_item, name),
     .has_offset = UINT16_MAX},
    {NAMED("status"), .type = SUT_T_STRING, .flags = SUT_F_REQUIRED, .offset = offsetof(health_item, state),
     .has_offset = UINT16_MAX},
    {NAMED("required"), .type = SUT_T_BOOL, .offset = offsetof(health_item, required),
     .has_offset = offsetof(health_item, has_required)},
    {NAMED("detail"), .type = SUT_T_STRING, .offset = offsetof(health_item, detail),
     .has_offset = offsetof(health_item, has_detail)},
};
static const sut_record item_record = {
    .name = "health_item", .fields = item_fields, .count = SUT_ARRAY_LEN(item_fields), .size = sizeof(health_item)};
static const sut_field item_element = {NAMED(""), .type = SUT_T_RECORD, .flags = SUT_F_REQUIRED, .record = &item_record,
                                       .has_offset = UINT16_MAX};
static const sut_field body_fields[] = {
    {NAMED("status"), .type = SUT_T_STRING, .flags = SUT_F_REQUIRED, .offset = offsetof(health_body, state),
     .has_offset = UINT16_MAX},
    {NAMED("dependencies"), .type = SUT_T_LIST, .offset = offsetof(health_body, items),
     .has_offset = offsetof(health_body, has_items), .element = &item_element},
};
static const sut_record body_record = {
    .name = "health", .fields = body_fields, .count = SUT_ARRAY_LEN(body_fields), .size = sizeof(health_body)};

static sut_health_state state_of(sut_str name)
{
    for (int s = SUT_HEALTH_UNKNOWN; s <= SUT_HEALTH_DOWN; s++) {
        if (sut_str_is(name, sut_health_state_name((sut_health_state)s)))
            return (sut_health_state)s;
    }
    return SUT_HEALTH_UNKNOWN;
}

sut_status sut_health_report_decode(sut_arena *a, sut_str body, sut_health_report *out)
{
    health_body in;
    sut_field_errors errs;
    memset(out, 0, sizeof(*out));
    sut_field_errors_init(&errs, a, 1);
    sut_status st = sut_record_decode(&body_record, body, SUT_UNKNOWN_IGNORE, a, &in, &errs);
    if (st)
        return st < 0 ? st : -EBADMSG;
    out->overall = state_of(in.state);
    const health_item *const *items = in.items.items;
    for (size_t i = 0; i < in.items.count && out->count < SUT_HEALTH_MAX; i++) {
        sut_health_item *it = &out->items[out->count++];
        (void)snprintf(it->name, sizeof(it->name), "%.*s", SUT_STR_FMT(items[i]->name));
        (void)snprintf(it->detail, sizeof(it->detail), "%.*s", SUT_STR_FMT(items[i]->detail));
        it->state = state_of(items[i]->state);
        it->required = items[i]->has_required == SUT_PRESENT && items[i]->required;
    }
    return 0;
}
