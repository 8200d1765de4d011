/* Recorded calls, and dead letters, as they come from the broker. */
#include "captured.h"
#include "input.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(captured, .timeout = 20);

Test(captured, a_page_is_decoded)
{
    sut_arena *arena;
    sut_buf reply;
    char error[128];
    cli_captured_page page;
    cr_assert_eq(sut_arena_new(&arena, 1u << 20), 0);
    sut_buf_init(&reply, 0);
    cr_assert_eq(
        cli_json_to_msgpack(SUT_STR("{\"items\":[{\"subject\":\"user.x\",\"at\":7,\"code\":\"not_found\",\"new\":1},"
                                    "{\"subject\":\"user.y\",\"user_id\":42,\"withheld\":true,\"key\":null}],"
                                    "\"after\":9}"),
                            &reply, error, sizeof error),
        0);
    cr_assert_eq(cli_captured_decode((sut_str){(const char *)reply.data, reply.len}, arena, &page), 0);
    cr_assert_eq(page.count, 2);
    cr_assert_eq(page.after, 9);
    cr_assert(sut_str_is(page.calls[0].code, "not_found"));
    cr_assert_eq(page.calls[0].at_us, 7);
    cr_assert_not(page.calls[0].has_reply);
    cr_assert_eq(page.calls[1].user_id, 42);
    cr_assert(page.calls[1].withheld);
    cr_assert_eq(cli_captured_decode(SUT_STR("\x81\xa5items\x01"), arena, &page), -EBADMSG);
    sut_buf_deinit(&reply);
    sut_arena_free(arena);
}
