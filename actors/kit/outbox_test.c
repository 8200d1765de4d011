/* The outbox: what a transaction emits is published once it has committed, in order, once. */
#include "outbox_state.h"

#include "fake_journal_test.h"

#include "base/clock.h"
#include "kit/event.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdlib.h>

static fake_journal *s_journal;

typedef struct emission {
    int64_t user_id, n;
    const char *text;
    const sut_event *event;
    bool fail;
    sut_status status;
} emission;

static sut_status emit(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    emission *e = arg;
    fix_step step = {.user_id = e->user_id, .n = e->n};
    if (e->text) {
        step.text = sut_str_from(e->text);
        step.has_text = SUT_PRESENT;
    }
    e->status = sut_emit(rq, tx, e->event ? e->event : &fix_stepped, &step, NULL);
    return e->fail ? SUT_ERR_CONFLICT : e->status;
}

static sut_status put(sut_request *rq, int64_t user_id, int64_t n, const char *text)
{
    emission e = {.user_id = user_id, .n = n, .text = text};
    return sut_pg_tx_run(rq, emit, &e);
}

static const char *sql(void *p, const char *text)
{
    return sut_test_postgres_sql(p, text);
}

static void run(sut_request_fn body)
{
    sut_test_postgres p;
    s_journal = fake_journal_new();
    fix_run_pg(&fix_pg_options, body, &p);
    s_journal = fake_journal_free(s_journal);
}

/* ---- emitting ---- */

static sut_status emits(sut_request *rq, void *arg)
{
    (void)arg;
    fix_step step;
    sut_test_emitted_event info;
    rq->principal = (sut_principal){.user_id = 64, .level = 1, .session = SUT_STR("abc")};
    cr_assert_eq(put(rq, 7, 1, "hello"), 0);
    cr_assert_eq(sut_test_emitted(rq, &fix_stepped, 0, &step, &info), 0);
    cr_assert_eq(step.user_id, 7);
    cr_assert(sut_str_is(step.text, "hello"));
    cr_assert(sut_str_is(info.key, "7"));
    cr_assert_eq(info.principal.user_id, 64);
    cr_assert(sut_str_is(info.principal.session, "abc"));
    cr_assert(sut_str_is(info.traceparent, sut_request_traceparent(rq)));
    cr_assert_eq(sut_test_emitted(rq, &fix_stepped, 1, NULL, NULL), SUT_ERR_NOT_FOUND);

    emission undone = {.user_id = 7, .n = 2, .fail = true};
    cr_assert_eq(sut_pg_tx_run(rq, emit, &undone), SUT_ERR_CONFLICT);
    cr_assert_eq(undone.status, 0);
    cr_assert_eq(sut_test_emitted(rq, &fix_stepped, 1, NULL, NULL), SUT_ERR_NOT_FOUND, "it was rolled back");
    return 0;
}

Test(outbox, an_event_is_a_row_of_its_transaction, .timeout = 60)
{
    run(emits);
}

static sut_status refuses(sut_request *rq, void *arg)
{
    emission bad = {.user_id = 7, .n = 0}, foreign = {.user_id = 7, .n = 1, .event = &fix_foreign};
    cr_assert_eq(sut_pg_tx_run(rq, emit, &bad), SUT_ERR_INTERNAL, "n is at least 1");
    cr_assert_eq(sut_pg_tx_run(rq, emit, &foreign), SUT_ERR_INTERNAL, "another service's");
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM sut_outbox"), "0");
    return 0;
}

Test(outbox, what_breaks_its_schema_or_is_not_ours_is_refused, .timeout = 60)
{
    run(refuses);
}

/* ---- relaying ---- */

static sut_status in_order(sut_request *rq, void *arg)
{
    rq->principal = (sut_principal){.user_id = 64, .level = 1};
    for (int64_t n = 1; n <= 40; n++)
        cr_assert_eq(put(rq, 7, n, NULL), 0);
    fake_journal_attach(s_journal, rq);
    fake_journal_until(rq, s_journal, 40);
    for (int64_t n = 41; n <= 60; n++)
        cr_assert_eq(put(rq, 7, n, NULL), 0);
    fake_journal_until(rq, s_journal, 60);
    for (int64_t n = 1; n <= 60; n++) {
        cr_assert_eq(s_journal->events[n - 1].n, n);
        cr_assert_str_eq(s_journal->events[n - 1].key, "7");
        cr_assert_eq(s_journal->events[n - 1].principal, 64);
    }
    while (strcmp(sql(arg, "SELECT count(*) FROM sut_outbox"), "0") != 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(s_journal->gaps + s_journal->duplicates, 0);
    return 0;
}

Test(outbox, rows_are_sent_in_order_and_removed, .timeout = 60)
{
    run(in_order);
}

static sut_status unanswered(sut_request *rq, void *arg)
{
    (void)arg;
    s_journal->lose_answer = true;
    cr_assert_eq(put(rq, 7, 1, NULL), 0);
    fake_journal_attach(s_journal, rq);
    fake_journal_until(rq, s_journal, 1);
    cr_assert_eq(put(rq, 7, 2, NULL), 0);
    fake_journal_until(rq, s_journal, 2);
    cr_assert_eq(s_journal->source_count, 1, "a lost answer is no reason for a new source");
    cr_assert_eq(s_journal->duplicates, 1, "sent again under the same number");
    cr_assert_eq(s_journal->events[1].n, 2);
    return 0;
}

Test(outbox, a_batch_whose_outcome_is_unknown_is_sent_again_under_its_numbers, .timeout = 60)
{
    run(unanswered);
}

static sut_status passing(sut_request *rq, void *arg)
{
    (void)arg;
    static const int errors[] = {SUT_ERR_OVERLOADED, SUT_ERR_UNAVAILABLE, SUT_ERR_STORAGE_FULL, SUT_ERR_FORBIDDEN};
    fake_journal_attach(s_journal, rq);
    for (uint32_t i = 0; i < SUT_ARRAY_LEN(errors); i++) {
        s_journal->fail_with = errors[i];
        s_journal->fail_times = 3;
        cr_assert_eq(put(rq, 7, i + 1, NULL), 0);
        fake_journal_until(rq, s_journal, i + 1);
    }
    cr_assert_eq(s_journal->source_count, 1);
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM sut_outbox_refused"), "0");
    return 0;
}

Test(outbox, reasons_that_pass_are_waited_out, .timeout = 60)
{
    run(passing);
}

static sut_status poisoned(sut_request *rq, void *arg)
{
    for (int64_t n = 1; n <= 25; n++)
        cr_assert_eq(put(rq, 7, n, n == 11 || n == 12 || n == 25 ? "poison" : NULL), 0);
    fake_journal_attach(s_journal, rq);
    fake_journal_until(rq, s_journal, 22);
    cr_assert_eq(put(rq, 7, 26, NULL), 0);
    fake_journal_until(rq, s_journal, 23);
    int64_t last = 0;
    for (uint32_t i = 0; i < s_journal->count; i++) {
        cr_assert_gt(s_journal->events[i].n, last);
        last = s_journal->events[i].n;
    }
    cr_assert_eq(s_journal->gaps, 0, "the numbers of the refused went to the next ones");
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM sut_outbox_refused WHERE code = 'fake_code' AND message <> ''"),
                     "3");
    sut_outbox_status look;
    do {
        cr_assert(sut_outbox_look(rq->runtime, &look));
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    } while (look.sent < 23);
    cr_assert(look.relaying);
    cr_assert_eq(look.sent, 23);
    return 0;
}

Test(outbox, a_refused_event_is_set_aside_and_holds_up_nobody, .timeout = 60)
{
    run(poisoned);
}

static sut_status new_journal(sut_request *rq, void *arg)
{
    fake_journal_attach(s_journal, rq);
    cr_assert_eq(put(rq, 7, 1, NULL), 0);
    fake_journal_until(rq, s_journal, 1);
    s_journal->source_count = 0; /* the journal is a new one */
    s_journal->since = s_journal->count;
    memset(s_journal->sources, 0, sizeof(s_journal->sources));
    cr_assert_eq(put(rq, 7, 2, NULL), 0);
    fake_journal_until(rq, s_journal, 2);
    cr_assert_eq(s_journal->source_count, 1, "an unknown source may begin anywhere");

    s_journal->sources[0].last = 1; /* it was restored from a backup: a gap */
    cr_assert_eq(put(rq, 7, 3, NULL), 0);
    fake_journal_until(rq, s_journal, 3);
    cr_assert_eq(s_journal->source_count, 2);

    s_journal->sources[1].last = 1000; /* the database was: the broker claims what was never sent */
    cr_assert_eq(put(rq, 7, 4, NULL), 0);
    fake_journal_until(rq, s_journal, 4);
    cr_assert_eq(s_journal->source_count, 3);

    s_journal->sources[2].epoch = 1000;
    cr_assert_eq(put(rq, 7, 5, NULL), 0);
    fake_journal_until(rq, s_journal, 5);
    cr_assert_eq(s_journal->source_count, 4);
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM sut_outbox_refused"), "0");
    return 0;
}

Test(outbox, journal_or_database_from_a_backup_lose_no_event, .timeout = 60)
{
    run(new_journal);
}

/* ---- owners ---- */

static sut_status taken_over(sut_request *rq, void *arg)
{
    fake_journal_attach(s_journal, rq);
    cr_assert_eq(put(rq, 7, 1, NULL), 0);
    fake_journal_until(rq, s_journal, 1);
    const char *owners = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7307 AND granted";
    cr_assert_str_eq(sql(arg, owners), "1");
    cr_assert_str_eq(sql(arg, "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND "
                              "classid = 7307"),
                     "1");
    cr_assert_eq(put(rq, 7, 2, NULL), 0);
    fake_journal_until(rq, s_journal, 2);
    cr_assert_str_eq(sql(arg, "SELECT epoch FROM sut_outbox_source"), "2");
    cr_assert_eq(s_journal->sources[0].epoch, 2);
    return 0;
}

Test(outbox, a_lost_lock_is_taken_again_under_the_next_epoch, .timeout = 60)
{
    run(taken_over);
}

/* A process that holds the lock and does nothing: the test's own connection. */
static sut_status hung_owner(sut_request *rq, void *arg)
{
    PGconn *hung = PQconnectdb(((sut_test_postgres *)arg)->url);
    cr_assert_eq(PQstatus(hung), CONNECTION_OK);
    PQclear(PQexec(hung, "SELECT pg_advisory_lock(7307, 1)"));
    PQclear(PQexec(hung, "UPDATE sut_outbox_source SET epoch = 5, owner = 'hung', renewed_at = now()"));
    fake_journal_attach(s_journal, rq);
    cr_assert_eq(put(rq, 7, 1, NULL), 0);
    cr_assert_eq(sut_request_sleep_ms(rq, 3000), 0);
    cr_assert_eq(s_journal->count, 0, "its lease holds for 5 s");
    fake_journal_until(rq, s_journal, 1);
    cr_assert_eq(s_journal->sources[0].epoch, 6);
    PGresult *r = PQexec(hung, "SELECT 1");
    cr_assert_neq(PQresultStatus(r), PGRES_TUPLES_OK, "its backend was terminated");
    PQclear(r);
    PQfinish(hung);
    return 0;
}

Test(outbox, an_owner_that_hangs_is_replaced, .timeout = 60)
{
    run(hung_owner);
}

static sut_status notified(sut_request *rq, void *arg)
{
    fake_journal_attach(s_journal, rq);
    cr_assert_eq(put(rq, 7, 1, NULL), 0);
    fake_journal_until(rq, s_journal, 1);
    /* What another instance does: a row, and a NOTIFY of its own, when the relay has just looked and found nothing.
     * Without being told it would sleep for longer than this test may take. */
    rq->runtime->outbox->poll_ms = 3600 * 1000;
    for (uint32_t i = 0; i < 10; i++) {
        sql(arg,
            "INSERT INTO sut_outbox (event_id, subject, key, body, user_id, level, traceparent, not_before) VALUES "
            "(int8send(nextval('sut_outbox_id_seq')) || int8send(0), 'fix.stepped', '8', "
            "decode('82a7757365725f696408a16e01', 'hex'), 0, 0, '', 0)");
        sql(arg, "SELECT pg_notify('sut_outbox', '')");
        fake_journal_until(rq, s_journal, 2 + i);
        cr_assert_eq(sut_request_sleep_ms(rq, 20), 0);
    }
    cr_assert_eq(s_journal->events[1].user_id, 8);
    return 0;
}

Test(outbox, rows_of_other_instances_are_sent_too, .timeout = 60)
{
    run(notified);
}

/* ---- the end ---- */

static sut_status leaves(sut_request *rq, void *arg)
{
    (void)arg;
    sut_outbox_status look;
    fake_journal_attach(s_journal, rq);
    do {
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
        cr_assert(sut_outbox_look(rq->runtime, &look));
    } while (!look.relaying);
    return put(rq, 7, 1, NULL);
}

Test(outbox, what_the_last_call_left_is_sent_before_the_process_ends, .timeout = 60)
{
    sut_test_postgres p;
    s_journal = fake_journal_new();
    fix_run_pg(&fix_pg_options, leaves, &p);
    cr_assert_eq(s_journal->count, 1u);
    s_journal = fake_journal_free(s_journal);
}
