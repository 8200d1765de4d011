/* Envelopes to lines of JSON. */
#include "lines.h"
#include "ask.h"

#include "base/clock.h"
#include "wire/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JSON_MAX (8u << 20)

static json_t *str_json(sut_str s)
{
    return s.ptr ? json_stringn(s.ptr, s.len) : NULL;
}

static json_t *time_json(int64_t us)
{
    char text[SUT_RFC3339_SIZE];
    if (us <= 0)
        return NULL;
    sut_rfc3339(us, text);
    return json_string(text);
}

static const sut_record *record_of(sut_str subject, cli_body_kind kind)
{
    const sut_event *e = kind == CLI_BODY_EVENT ? sut_event_find(subject) : NULL;
    const sut_method *m = kind == CLI_BODY_CALL || kind == CLI_BODY_REPLY ? sut_method_find(subject) : NULL;
    return e ? e->body : m ? (kind == CLI_BODY_CALL ? m->in : m->out) : NULL;
}

static json_t *parse(sut_str body, const sut_record *record)
{
    sut_buf json;
    sut_str text;
    json_error_t e;
    json_t *v = NULL;
    sut_buf_init(&json, JSON_MAX);
    sut_status st = record ? sut_body_to_json(record, body, &json) : sut_msgpack_to_json(body, &json);
    if (st == 0 && sut_buf_str(&json, &text) == 0)
        v = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &e);
    sut_buf_deinit(&json);
    return v;
}

json_t *cli_body_json(sut_str subject, cli_body_kind kind, sut_str body, bool raw)
{
    if (body.len == 0)
        return json_object();
    const sut_record *record = raw ? NULL : record_of(subject, kind);
    json_t *v = record ? parse(body, record) : NULL;
    return v ? v : parse(body, NULL);
}

/* ---- bodies that are JSON already ---- */

static void dress_record(const sut_record *r, json_t *v);

static void dress(const sut_field *f, json_t *holder, const char *name, size_t index, json_t *v)
{
    if (f->type == SUT_T_TIMESTAMP && json_is_integer(v)) {
        json_t *text = time_json(json_integer_value(v));
        if (text && name)
            json_object_set_new(holder, name, text);
        else if (text)
            json_array_set_new(holder, index, text);
    } else if (f->type == SUT_T_RECORD) {
        dress_record(f->record, v);
    } else if (f->type == SUT_T_LIST && json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            dress(f->element, v, NULL, i, json_array_get(v, i));
    } else if (f->type == SUT_T_MAP) {
        const char *key;
        json_t *item;
        void *next;
        json_object_foreach_safe(v, next, key, item)
        {
            dress(f->element, v, key, 0, item);
        }
    }
}

static void dress_record(const sut_record *r, json_t *v)
{
    for (size_t i = 0; json_is_object(v) && i < r->count; i++) {
        json_t *item = json_object_get(v, r->fields[i].name);
        if (item)
            dress(&r->fields[i], v, r->fields[i].name, 0, item);
    }
}

void cli_body_by_schema(const char *subject, cli_body_kind kind, json_t *body)
{
    const sut_record *record = record_of(sut_str_from(subject), kind);
    if (record && json_is_object(body))
        dress_record(record, body);
}

/* ---- events ---- */

static void set_origin(json_t *o, const sut_envelope *env)
{
    if (env->principal.user_id) {
        cli_set(o, "user_id", json_integer(env->principal.user_id));
        cli_set(o, "level", json_integer(env->principal.level));
    }
    cli_set(o, "traceparent", str_json(env->traceparent));
}

json_t *cli_event_line(const sut_envelope *env, bool raw)
{
    char id[2 * SUT_EVENT_ID_LEN + 1] = "";
    json_t *o = json_object();
    if (env->opt.event_id.len == SUT_EVENT_ID_LEN)
        sut_hex(env->opt.event_id.ptr, SUT_EVENT_ID_LEN, id);
    cli_set(o, "sequence", json_integer((json_int_t)env->opt.sequence));
    cli_set(o, "subject", str_json(env->subject));
    cli_set(o, "key", str_json(env->key));
    cli_set(o, "event_id", *id ? json_string(id) : NULL);
    cli_set(o, "published_at", time_json(env->opt.published_at));
    cli_set(o, "attempt", env->opt.attempt > 1 ? json_integer(env->opt.attempt) : NULL);
    cli_set(o, "generation", env->opt.generation ? json_integer(env->opt.generation) : NULL);
    cli_set(o, "replayed", env->opt.replayed ? json_true() : NULL);
    set_origin(o, env);
    cli_set(o, "body", cli_body_json(env->subject, CLI_BODY_EVENT, env->body, raw));
    return o;
}

/* ---- tapped records ---- */

static cli_body_kind body_kind(const char *kind)
{
    return strcmp(kind, "event") == 0   ? CLI_BODY_EVENT
           : strcmp(kind, "call") == 0  ? CLI_BODY_CALL
           : strcmp(kind, "reply") == 0 ? CLI_BODY_REPLY
                                        : CLI_BODY_OTHER;
}

json_t *cli_tap_line(const sut_envelope *env, bool raw)
{
    static const char *const kept[] = {"kind", "from", "to", "id", "took_us", "code", "sequence", "event_id"};
    static const char *const more[] = {"replayed", "bytes", "lost", "withheld"};
    json_t *in = parse(env->body, NULL), *o = json_object();
    if (!json_is_object(in)) {
        json_decref(in);
        json_decref(o);
        return NULL;
    }
    cli_set(o, "at", time_json((int64_t)cli_num(in, "at")));
    for (size_t i = 0; i < SUT_ARRAY_LEN(kept); i++) {
        cli_set(o, kept[i], json_incref(json_object_get(in, kept[i])));
        if (i == 2) { /* what it is about stands beside who speaks */
            cli_set(o, "subject", str_json(env->subject));
            cli_set(o, "key", str_json(env->key));
            cli_set(o, "user_id", env->principal.user_id ? json_integer(env->principal.user_id) : NULL);
            if (env->traceparent.len == SUT_TRACEPARENT_LEN)
                cli_set(o, "trace_id", json_stringn(env->traceparent.ptr + 3, 32));
        }
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(more); i++) {
        json_t *v = json_object_get(in, more[i]);
        bool said = json_is_true(v) || json_number_value(v) > 0;
        cli_set(o, more[i], said ? json_incref(v) : NULL);
    }
    json_t *body = json_object_get(in, "body");
    if (body && !raw) {
        char subject[SUT_SUBJECT_MAX + 1];
        snprintf(subject, sizeof subject, "%.*s", SUT_STR_FMT(env->subject));
        cli_body_by_schema(subject, body_kind(cli_txt(in, "kind")), body);
    }
    cli_set(o, "body", json_incref(body));
    json_decref(in);
    return o;
}

/* ---- reading ---- */

int cli_lines_open(cli_line_reader *r, const char *name)
{
    *r = (cli_line_reader){.name = strcmp(name, "-") == 0 ? "standard input" : name};
    r->file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (r->file)
        return 0;
    cli_complain("%s: %s", name, strerror(errno));
    return CLI_EXIT_NOINPUT;
}

int cli_lines_next(cli_line_reader *r, json_t **v)
{
    json_error_t e;
    ssize_t n;
    *v = NULL;
    while ((n = getline(&r->line, &r->cap, r->file)) >= 0) {
        r->number++;
        if (strspn(r->line, " \t\r\n") == (size_t)n)
            continue;
        if ((size_t)n > 2 * SUT_ENVELOPE_MAX) {
            cli_complain("%s: line %zu is longer than an envelope may be", r->name, r->number);
            return CLI_EXIT_DATA;
        }
        *v = json_loadb(r->line, (size_t)n, JSON_REJECT_DUPLICATES, &e);
        if (json_is_object(*v))
            return 0;
        cli_complain("%s: line %zu: %s", r->name, r->number, *v ? "must be a JSON object" : e.text);
        json_decref(*v);
        *v = NULL;
        return CLI_EXIT_DATA;
    }
    if (!ferror(r->file))
        return -1;
    cli_complain("%s: %s", r->name, strerror(errno));
    return CLI_EXIT_NOINPUT;
}

void cli_lines_close(cli_line_reader *r)
{
    if (r->file && r->file != stdin)
        fclose(r->file);
    free(r->line);
    *r = (cli_line_reader){.file = NULL};
}
