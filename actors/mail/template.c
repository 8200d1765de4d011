/* Fills templates. */
#include "mail/template.h"

#include "base/buf.h"

#define FILLED_MAX 16384

static const sut_mail_value *find(const sut_mail_value *values, size_t count, sut_str name)
{
    for (size_t i = 0; i < count; i++)
        if (sut_str_is(name, values[i].name))
            return &values[i];
    return NULL;
}

static sut_status put_value(sut_buf *out, sut_str value, bool html)
{
    sut_status st = 0;
    for (size_t i = 0; st == 0 && i < value.len; i++) {
        const char *entity = NULL;
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < ' ' || c == 0x7f)
            entity = " ";
        else if (html)
            entity = c == '&'    ? "&amp;"
                     : c == '<'  ? "&lt;"
                     : c == '>'  ? "&gt;"
                     : c == '"'  ? "&quot;"
                     : c == '\'' ? "&#39;"
                                 : NULL;
        st = entity ? sut_buf_puts(out, entity) : sut_buf_append(out, &c, 1);
    }
    return st;
}

/* 0, or negative: an unknown name, a brace that is not closed, too long. */
static sut_status fill(sut_buf *out, const char *at, const sut_mail_value *values, size_t count, bool html)
{
    for (;;) {
        const char *open = strstr(at, "{{");
        sut_status st = sut_buf_append(out, at, open ? (size_t)(open - at) : strlen(at));
        if (st != 0 || !open)
            return st;
        const char *close = strstr(open, "}}");
        const sut_mail_value *v = close ? find(values, count, (sut_str){open + 2, (size_t)(close - open - 2)}) : NULL;
        if (!v)
            return -1;
        if ((st = put_value(out, v->value, html)) != 0)
            return st;
        at = close + 2;
    }
}

static sut_status filled(sut_request *rq, const char *text, const sut_mail_value *values, size_t count, bool html,
                         sut_str *out)
{
    sut_buf buf;
    sut_buf_init(&buf, FILLED_MAX);
    sut_status st = fill(&buf, text, values, count, html);
    *out = st == 0 ? sut_request_str(rq, (sut_str){(const char *)buf.data, buf.len}) : SUT_STR_NONE;
    if (buf.data)
        explicit_bzero(buf.data, buf.len); /* links in it open accounts */
    sut_buf_deinit(&buf);
    return out->ptr ? 0 : sut_fail_internal(rq, "a mail's template cannot be filled");
}

sut_status sut_mail_fill(sut_request *rq, const sut_mail_template *t, const sut_mail_value *values, size_t count,
                         sut_mail_filled *out)
{
    const char label[] = "Subject: ";
    const char *end = strstr(t->text, "\n\n");
    *out = (sut_mail_filled){0};
    if (strncmp(t->text, label, sizeof label - 1) != 0 || !end)
        return sut_fail_internal(rq, "a mail's template has no subject");
    const char *subject = t->text + sizeof label - 1;
    out->subject = sut_request_str(rq, (sut_str){subject, (size_t)(end - subject)});
    if (!out->subject.ptr)
        return sut_fail_internal(rq, "no memory for a mail");
    sut_status st = filled(rq, end + 2, values, count, false, &out->text);
    return st != 0 ? st : filled(rq, t->html, values, count, true, &out->html);
}
