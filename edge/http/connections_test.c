/* Who is ended to make room: only when it is crowded, only those that wait, and sooner when nobody can come in. */
#include "connections.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#define SINCE SUT_NS_PER_S

static sut_connections s_table = {.lock = PTHREAD_MUTEX_INITIALIZER};
static int s_client[5];

static void open_all(size_t max)
{
    s_table.max = max;
    s_table.count = s_table.top = SUT_ARRAY_LEN(s_client);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_client); i++) {
        int pair[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        s_table.slots[i].fd = pair[0];
        s_table.slots[i].waiting_since_ns = i == 0 ? 0 : SINCE; /* the first is at work */
        s_client[i] = pair[1];
    }
}

static size_t ended_after(uint64_t ms)
{
    size_t ended = 0;
    sut_connections_make_room(&s_table, SINCE + ms * SUT_NS_PER_MS);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_client); i++)
        ended += send(s_client[i], "x", 1, MSG_NOSIGNAL) < 0;
    return ended;
}

Test(connections, nobody_is_ended_while_there_is_room, .timeout = 10)
{
    open_all(10);
    cr_assert_eq(ended_after(60000), 0);
}

Test(connections, a_second_is_enough_when_it_is_crowded, .timeout = 10)
{
    open_all(6);
    cr_assert_eq(ended_after(900), 0);
    cr_assert_eq(ended_after(1100), 4, "all but the one at work");
}

Test(connections, a_tenth_of_it_when_it_is_full, .timeout = 10)
{
    open_all(5);
    cr_assert_eq(ended_after(90), 0);
    cr_assert_eq(ended_after(110), 4);
}
