/* popular_people: the most followed, counted anew by whichever instance finds the count old. While there are few people
 * that is every few seconds and costs nothing; later every five minutes. */
#include "user.h"

/* The row is the lock: who does not get it leaves it to who has it. */
static const sut_pg_stmt s_claim = {
    "user_popular_claim",
    "UPDATE popular_people_state SET counted_at = now() WHERE id = (SELECT id FROM popular_people_state WHERE "
    "counted_at < now() - CASE WHEN (SELECT count(*) FROM popular_people) < 500 THEN interval '2 s' ELSE interval "
    "'5 min' END FOR UPDATE SKIP LOCKED)",
    0};
static const sut_pg_stmt s_empty = {"user_popular_empty", "DELETE FROM popular_people", 0};
static const sut_pg_stmt s_count = {
    "user_popular_count",
    "INSERT INTO popular_people SELECT n.user_id, n.many FROM (SELECT user_id, sum(followers)::bigint AS many FROM "
    "connection_counts GROUP BY user_id HAVING sum(followers) > 0 ORDER BY 2 DESC, 1 LIMIT 1000) n JOIN user_profiles "
    "p ON p.user_id = n.user_id WHERE " USER_PRESENT_SQL " ORDER BY n.many DESC, n.user_id LIMIT 500",
    0};

static sut_status count(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    (void)arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_claim, SUT_PG_NO_PARAMS, &r);
    if (st || sut_pg_affected(r) == 0)
        return st;
    st = sut_pg_queue(tx, &s_empty, SUT_PG_NO_PARAMS);
    return st ? st : sut_pg_queue(tx, &s_count, SUT_PG_NO_PARAMS);
}

sut_status user_popular_count(sut_request *rq, void *arg)
{
    return sut_pg_tx_run(rq, count, arg);
}
