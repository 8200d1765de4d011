/* Which adapter answers: Neo4j while its copy is good and its breaker closed; PostgreSQL else, and at once when Neo4j
 * fails. */
#include "graph.h"

#include "graph_copy.h"

#include "base/breaker.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

static sut_breaker s_breaker = {.opt = {.window_ms = 10000, .min_volume = 3, .error_percent = 50, .reset_ms = 5000}};

static void settle(sut_request *rq, sut_status st)
{
    if (st == SUT_ERR_CANCELLED || st == SUT_ERR_OVERLOADED) {
        sut_breaker_release(&s_breaker);
        return;
    }
    sut_breaker_state before = s_breaker.state;
    sut_breaker_result(&s_breaker, sut_now_ns(), st != 0);
    user_graph_copy_seen(st == 0);
    if (s_breaker.state != before)
        sut_log(SUT_WARN, "user", "graph.breaker", SUT_KV("state", sut_breaker_state_name(s_breaker.state)));
    if (st)
        sut_request_clear_error(rq);
}

sut_status user_graph_ask(sut_request *rq, user_graph_query query, const user_graph_asked *asked, user_graph_rows *out)
{
    if (user_graph_copy_usable() && sut_breaker_allow(&s_breaker, sut_now_ns(), NULL)) {
        sut_status st = user_graph_ask_neo4j(rq, query, asked, out);
        settle(rq, st);
        if (st == 0 || st == SUT_ERR_CANCELLED)
            return st;
        sut_request_clear_error(rq);
    }
    return user_graph_ask_postgres(rq, query, asked, out);
}

sut_status user_graph_closeness(sut_request *rq, int64_t viewer, const int64_t *ids, size_t count, user_closeness **out)
{
    user_graph_rows rows;
    const user_graph_asked asked = {.a = viewer, .ids = ids, .id_count = count};
    if (count > USER_GRAPH_CLOSE_MAX)
        return sut_fail_internal(rq, "closeness of %zu at once", count);
    sut_status st = user_graph_ask(rq, USER_GRAPH_CLOSE, &asked, &rows);
    if (st)
        return st;
    if (rows.count != count)
        return sut_fail_internal(rq, "closeness of %zu, asked for %zu", rows.count, count);
    user_closeness *all = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        all[i] = (user_closeness){.user_id = rows.items[i][0],
                                  .distance = (user_closeness_class)rows.items[i][1],
                                  .mutual_count = (int32_t)rows.items[i][2]};
    *out = all;
    return 0;
}
