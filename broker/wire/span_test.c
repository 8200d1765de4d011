/* The ids of spans that nobody sends: the same for whoever computes them, and the known values of docs/protocol.md. */
#include "wire/span.h"

#include <criterion/criterion.h>

TestSuite(span, .timeout = 20);

static const uint8_t id[SUT_EVENT_ID_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

Test(span, an_event_s_is_the_start_of_its_id)
{
    char out[SUT_SPAN_ID_LEN + 1];
    const uint8_t zero[SUT_EVENT_ID_LEN] = {0};
    sut_span_of_event(id, out);
    cr_assert_str_eq(out, "0001020304050607");
    sut_span_of_event(zero, out);
    cr_assert_str_eq(out, "0000000000000001", "no span's id is all zero");
}

Test(span, each_delivery_has_its_own)
{
    char first[SUT_SPAN_ID_LEN + 1], second[SUT_SPAN_ID_LEN + 1], other[SUT_SPAN_ID_LEN + 1];
    sut_span_of_delivery(id, SUT_STR("user-profile"), 1, first);
    sut_span_of_delivery(id, SUT_STR("user-profile"), 2, second);
    sut_span_of_delivery(id, SUT_STR("mailer"), 1, other);
    cr_assert_str_neq(first, second);
    cr_assert_str_neq(first, other);
    cr_assert_str_eq(first, "7cc6b0a2183ff539");
}

Test(span, it_replaces_the_one_in_a_traceparent)
{
    char trace[SUT_TRACEPARENT_LEN + 1] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    sut_traceparent_set_span(trace, "0001020304050607");
    cr_assert_str_eq(trace, "00-4bf92f3577b34da6a3ce929d0e0e4736-0001020304050607-01");
}
