/* The answer of broker.captured_calls, decoded by hand-made tables: bodies are needed as bytes. */
#include "captured.h"

#include <errno.h>

typedef struct call_in {
    sut_str subject, key, trace_id, code, body, reply;
    int64_t at, user_id;
    int32_t level;
    bool withheld;
    uint8_t has_subject, has_key, has_trace_id, has_code, has_body, has_reply, has_at, has_user_id, has_level,
        has_withheld;
} call_in;

typedef struct page_in {
    sut_list items;
    int64_t after;
    uint8_t has_items, has_after;
} page_in;

#define FIELD(STRUCT, NAME, TYPE)                                                                                      \
    {                                                                                                                  \
        .name = #NAME, .name_len = sizeof #NAME - 1, .type = TYPE, .flags = SUT_F_NULLABLE,                            \
        .offset = offsetof(STRUCT, NAME), .has_offset = offsetof(STRUCT, has_##NAME), .max_items = 10000,              \
    }

static const sut_field call_fields[] = {FIELD(call_in, subject, SUT_T_STRING),  FIELD(call_in, key, SUT_T_STRING),
                                        FIELD(call_in, trace_id, SUT_T_STRING), FIELD(call_in, code, SUT_T_STRING),
                                        FIELD(call_in, body, SUT_T_BYTES),      FIELD(call_in, reply, SUT_T_BYTES),
                                        FIELD(call_in, at, SUT_T_TIMESTAMP),    FIELD(call_in, user_id, SUT_T_I64),
                                        FIELD(call_in, level, SUT_T_I32),       FIELD(call_in, withheld, SUT_T_BOOL)};
static const sut_record call_record = {
    .name = "captured_call", .fields = call_fields, .count = SUT_ARRAY_LEN(call_fields), .size = sizeof(call_in)};
static const sut_field element = {.type = SUT_T_RECORD, .record = &call_record, .has_offset = UINT16_MAX};
static const sut_field page_fields[] = {{.name = "items",
                                         .name_len = 5,
                                         .type = SUT_T_LIST,
                                         .element = &element,
                                         .max_items = 10000,
                                         .offset = offsetof(page_in, items),
                                         .has_offset = offsetof(page_in, has_items)},
                                        FIELD(page_in, after, SUT_T_I64)};
static const sut_record page_record = {
    .name = "captured_calls", .fields = page_fields, .count = SUT_ARRAY_LEN(page_fields), .size = sizeof(page_in)};

sut_status cli_captured_decode(sut_str reply, sut_arena *arena, cli_captured_page *page)
{
    page_in in;
    sut_field_errors errors;
    sut_field_errors_init(&errors, arena, 1);
    sut_status st = sut_record_decode(&page_record, reply, SUT_UNKNOWN_IGNORE, arena, &in, &errors);
    if (st != 0)
        return st < 0 ? st : -EBADMSG;
    const call_in *const *items = in.items.items;
    *page = (cli_captured_page){.count = in.items.count, .after = in.after};
    page->calls = sut_arena_array(arena, in.items.count + 1, sizeof *page->calls);
    if (!page->calls)
        return -ENOMEM;
    for (size_t i = 0; i < in.items.count; i++)
        page->calls[i] = (cli_captured){.subject = items[i]->subject,
                                        .key = items[i]->key,
                                        .trace_id = items[i]->trace_id,
                                        .code = items[i]->code,
                                        .at_us = items[i]->at,
                                        .user_id = items[i]->user_id,
                                        .level = items[i]->level,
                                        .body = items[i]->body,
                                        .reply = items[i]->reply,
                                        .has_reply = items[i]->has_reply == SUT_PRESENT,
                                        .withheld = items[i]->withheld};
    return 0;
}
