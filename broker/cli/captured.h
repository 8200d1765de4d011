/* Calls that the broker recorded, page by page, as broker.captured_calls gives them. */
#ifndef SUT_CLI_CAPTURED_H
#define SUT_CLI_CAPTURED_H

#include "sut.h"

#include "wire/record.h"

typedef struct cli_captured {
    sut_str subject, key, trace_id, code; /* code: of an error answer */
    int64_t at_us, user_id;
    int32_t level;
    sut_str body, reply; /* msgpack maps; secrets and what may not be shown are not in them */
    bool has_reply, withheld;
} cli_captured;

typedef struct cli_captured_page {
    cli_captured *calls;
    size_t count;
    int64_t after; /* of the next page; 0: this was the last one */
} cli_captured_page;

/* Everything lives in the arena. -EBADMSG: it is no such answer. */
SUT_MUST_CHECK sut_status cli_captured_decode(sut_str reply, sut_arena *arena, cli_captured_page *page);

#endif
