/* Redaction by the tables of schemas. */
#include "strip.h"
#include "span_bytes.h"

#include "wire/schema.h"

#define CODE_MAX 64

void stripper_init(stripper *s)
{
    sut_buf_init(&s->body, SPAN_BODY_MAX + SPAN_BODY_MAX / 2); /* heads may grow a little */
    sut_buf_init(&s->reply, SPAN_BODY_MAX + SPAN_BODY_MAX / 2);
}

void stripper_deinit(stripper *s)
{
    sut_buf_deinit(&s->body);
    sut_buf_deinit(&s->reply);
}

/* False: nothing of it may be written. */
static bool clean(const sut_record *desc, bool declared, sut_str body, sut_buf *out, sut_str *cleaned, size_t *withheld)
{
    sut_buf_reset(out);
    *cleaned = SUT_STR_NONE;
    if (!declared || sut_record_redact_counted(desc, body, false, out, withheld) < 0)
        return false;
    *cleaned = (sut_str){(const char *)out->data, out->len};
    return true;
}

/* A consumer may be of any domain; what looks like a code is one. */
static bool is_word(sut_str code)
{
    for (size_t i = 0; i < code.len; i++) {
        const char c = code.ptr[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return code.len <= CODE_MAX;
}

/* A code is written as it is, so it must be one: what nobody declared is free text, which may quote anything. */
static sut_str code_of(const sut_span *in, const sut_method *m)
{
    const bool ours = sut_str_is(in->code, "lost"); /* of a call: its instance died */
    const bool sound = in->kind == SUT_SPAN_CALL ? ours || sut_method_error(m, in->code) : is_word(in->code);
    return !in->code.len || sound ? in->code : SUT_STR("undeclared");
}

void strip(stripper *s, const sut_span *in, sut_span *out)
{
    const bool is_call = in->kind == SUT_SPAN_CALL;
    const sut_method *m = is_call ? sut_method_find(in->subject) : NULL;
    const sut_event *e = is_call ? NULL : sut_event_find(in->subject);
    const sut_record *desc = m ? m->in : e ? e->body : NULL;
    size_t cut = 0, unused = 0;

    *out = *in;
    out->code = code_of(in, m);
    out->has_body = in->has_body && clean(desc, m || e, in->body, &s->body, &out->body, &cut);
    out->has_reply = in->has_reply && clean(m ? m->out : NULL, m != NULL, in->reply, &s->reply, &out->reply, &unused);
    if (!out->has_body)
        out->body = SUT_STR_NONE;
    if (!out->has_reply)
        out->reply = SUT_STR_NONE;
    out->cut = out->has_body && cut;
}
