/* Why a publish is refused before the journal sees it. What ops.check says lives in a scratch arena that is emptied for
 * each event, so it is copied to where the answer lives. */
#include "service_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void writer_refuse(write_job *job, sut_arena *keep, int err, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    job->faulty = true;
    job->fault = (sut_publish_fault){.err = err, .message = sut_arena_str(keep, sut_str_from(line))};
}

static void keep_fault(write_job *job, size_t nth, const sut_publish_fault *f, int err, sut_arena *keep)
{
    sut_field_error *errors = sut_arena_array(keep, f->error_count ? f->error_count : 1, sizeof *errors);
    size_t count = errors ? f->error_count : 0; /* short of memory: the refusal stands, its details do not */
    for (size_t i = 0; i < count; i++) {
        const sut_field_error *e = &f->errors[i];
        sut_str pointer = job->count > 1 ? sut_arena_printf(keep, "/events/%zu%.*s", nth, SUT_STR_FMT(e->pointer))
                                         : sut_arena_str(keep, e->pointer);
        errors[i] = (sut_field_error){pointer, sut_arena_str(keep, e->code), sut_arena_str(keep, e->message)};
    }
    job->faulty = true;
    job->fault = (sut_publish_fault){.err = err,
                                     .message = f->message.ptr ? sut_arena_str(keep, f->message) : SUT_STR_NONE,
                                     .errors = errors,
                                     .error_count = count};
}

void writer_check(writer_state *w, write_job *job, sut_arena *keep)
{
    const sut_journal_service *s = w->s;
    for (size_t i = 0; i < job->count && s->ops->check && !job->faulty; i++) {
        sut_publish_fault fault = {.err = 0};
        sut_journal_event *e = &job->events[i];
        const char *key = e->key.ptr;
        sut_arena_reset(w->scratch);
        int err = s->ops->check(s->app, e, w->scratch, &fault);
        if (err) {
            keep_fault(job, i, &fault, err, keep);
        } else if (e->key.ptr && e->key.ptr != key) {
            e->key = sut_arena_str(keep, e->key);
            if (!e->key.ptr) /* without its key it would overtake others of that key */
                writer_refuse(job, keep, SUT_ERR_UNAVAILABLE, "out of memory");
        }
    }
}
