/* broker.journal: what the journal holds, and how it is written. */
#include "broker.h"
#include "control_request.h"

#include "broker_schema.h"

#define NS_PER_US 1000

static sut_status ask_stats(sut_control_request *rq, sut_journal *j)
{
    return sut_journal_get_stats(j, rq->state);
}

static void set_stored(broker_journal_out *out, const sut_journal_stats *s, char hex[33])
{
    out->first = (int64_t)s->first;
    out->next = (int64_t)s->next;
    if (s->records) {
        out->first_at = s->first_us;
        out->last_at = s->last_us;
        out->has_first_at = out->has_last_at = SUT_PRESENT;
    }
    out->records = (int64_t)s->records;
    out->record_bytes = (int64_t)s->record_bytes;
    out->file_bytes = (int64_t)s->file_bytes;
    out->map_bytes = (int64_t)s->map_bytes;
    out->delayed = (int64_t)s->delayed;
    out->dead = (int64_t)s->dead;
    out->sources = (int64_t)s->sources;
    out->dedup_ids = (int64_t)s->dedup_ids;
    out->format = (int32_t)s->format;
    sut_hex(s->creation_id, sizeof s->creation_id, hex);
    out->creation_id = sut_str_from(hex);
}

static void set_writing(broker_journal_out *out, const sut_journal_service_stats *s)
{
    out->writable = s->writable == 0;
    if (s->writable < 0) {
        out->fault = sut_str_from(s->fault);
        out->has_fault = SUT_PRESENT;
    }
    out->queued_events = s->queued_events;
    out->events_total = (int64_t)s->events_total;
    out->commits_total = (int64_t)s->commits_total;
    out->duplicates_total = (int64_t)s->duplicates_total;
    out->refused_total = (int64_t)s->refused_total;
    out->failures_total = (int64_t)s->failures_total;
    out->commit_us_mean = (int64_t)(s->commits_total ? s->commit_ns_total / s->commits_total / NS_PER_US : 0);
    out->commit_us_max = (int64_t)(s->commit_ns_max / NS_PER_US);
}

static void answer_stats(sut_control_request *rq, sut_status status)
{
    sut_journal_service_stats writing;
    broker_journal_out out = {0};
    char hex[33];

    if (status < 0) {
        sut_control_fail_status(rq, status, "the journal cannot be read");
        return;
    }
    sut_journal_service_get_stats(rq->broker->events.journal, &writing);
    set_stored(&out, rq->state, hex);
    set_writing(&out, &writing);
    sut_control_reply(rq, &out);
}

void sut_control_journal(sut_control_request *rq)
{
    rq->state = sut_control_alloc(rq, sizeof(sut_journal_stats));
    if (!rq->state)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    else
        sut_control_query(rq, ask_stats, answer_stats);
}
