/* Which recorded calls become lines of a test case, and as what. */
#include "fixture_calls.h"
#include "ask.h"

#include "wire/schema.h"

#include <string.h>

#define REDACTED "<redacted>"
#define VOLATILE "<volatile>"

void cli_fixture_calls_init(cli_fixture_calls *c)
{
    *c = (cli_fixture_calls){.made = json_array(), .by_id = json_object()};
}

void cli_fixture_calls_deinit(cli_fixture_calls *c)
{
    json_decref(c->made);
    json_decref(c->by_id);
}

static const char *id_of(const json_t *line, char text[24])
{
    snprintf(text, 24, "%" JSON_INTEGER_FORMAT, (json_int_t)cli_num(line, "id"));
    return text;
}

/* Made by an actor to answer another call of the recording: that one makes it again by itself. */
static bool is_inner(const cli_fixture_calls *c, const json_t *line)
{
    const char *id, *trace = cli_txt(line, "trace_id"), *from = cli_txt(line, "from");
    json_t *open;
    if (!*trace)
        return false;
    json_object_foreach(c->by_id, id, open)
    {
        if (strcmp(cli_txt(open, "trace_id"), trace) == 0 && strcmp(cli_txt(open, "to"), from) == 0)
            return true;
    }
    return false;
}

void cli_fixture_calls_add(cli_fixture_calls *c, json_t *line)
{
    char id[24];
    const char *kind = cli_txt(line, "kind");
    if (strcmp(kind, "call") == 0) {
        if (is_inner(c, line))
            json_object_set_new(line, "inner", json_true());
        json_array_append(c->made, line);
        json_object_set(c->by_id, id_of(line, id), line);
        return;
    }
    json_t *call = json_object_get(c->by_id, id_of(line, id));
    if (!call)
        return; /* made before the recording was begun */
    json_object_set(call, "answer", line);
    json_object_del(c->by_id, id);
}

static bool holds_redacted(const json_t *v)
{
    const char *name, *text = json_string_value(v);
    const json_t *inner;
    size_t i;
    if (text)
        return strcmp(text, REDACTED) == 0;
    json_object_foreach((json_t *)(uintptr_t)v, name, inner)
    {
        if (holds_redacted(inner))
            return true;
    }
    json_array_foreach(v, i, inner)
    {
        if (holds_redacted(inner))
            return true;
    }
    return false;
}

/* At another time and with other secrets: a new system has times of its own, too. */
static bool differs(const sut_field *f)
{
    return f->flags & SUT_F_VOLATILE || f->type == SUT_T_TIMESTAMP;
}

static void mark_volatile(const sut_record *record, json_t *object);

static void mark_value(const sut_field *f, json_t *v)
{
    json_t *item;
    size_t i;
    if (f->type == SUT_T_RECORD)
        mark_volatile(f->record, v);
    if (!f->element)
        return;
    json_array_foreach(v, i, item)
    {
        mark_value(f->element, item);
    }
}

static void mark_volatile(const sut_record *record, json_t *object)
{
    const char *name;
    json_t *v;
    void *next;
    json_object_foreach_safe(object, next, name, v)
    {
        const sut_field *f = record ? sut_record_field(record, sut_str_from(name)) : NULL;
        if (f && differs(f) && !json_is_null(v))
            json_object_set_new(object, name, json_string(VOLATILE));
        else if (f)
            mark_value(f, v);
    }
}

static bool is_error(const json_t *answer)
{
    return strcmp(cli_txt(answer, "kind"), "error") == 0;
}

/* Whether it can be made again and its answer is known; else it is counted where it belongs. */
static bool usable(cli_fixture_calls *c, const json_t *call)
{
    const json_t *answer = json_object_get(call, "answer"), *body = json_object_get(call, "body");
    const bool withheld = json_is_true(json_object_get(call, "withheld")) || !json_is_object(body);
    if (json_object_get(call, "inner"))
        c->inner++;
    else if (!sut_method_find(sut_str_from(cli_txt(call, "subject"))))
        c->unknown++;
    else if (!answer)
        c->unanswered++;
    else if (withheld || holds_redacted(body) || strcmp(cli_txt(call, "key"), REDACTED) == 0 ||
             (!is_error(answer) && json_is_true(json_object_get(answer, "withheld"))))
        c->hidden++;
    else
        return true;
    return false;
}

static json_t *case_line(const json_t *call)
{
    json_t *answer = json_object_get(call, "answer"), *o = json_object();
    const sut_method *m = sut_method_find(sut_str_from(cli_txt(call, "subject")));
    json_object_set(o, "subject", json_object_get(call, "subject"));
    cli_set(o, "key", json_incref(json_object_get(call, "key")));
    if (json_object_get(call, "user_id"))
        json_object_set_new(o, "as", json_sprintf("%" JSON_INTEGER_FORMAT, (json_int_t)cli_num(call, "user_id")));
    json_object_set(o, "body", json_object_get(call, "body"));
    if (is_error(answer)) {
        json_object_set(o, "error", json_object_get(answer, "code"));
        return o;
    }
    json_t *reply = json_deep_copy(json_object_get(answer, "body"));
    if (!reply)
        reply = json_object();
    mark_volatile(m->out, reply);
    json_object_set_new(o, "reply", reply);
    return o;
}

void cli_fixture_calls_write(cli_fixture_calls *c, FILE *to)
{
    const json_t *call;
    size_t i;
    json_array_foreach(c->made, i, call)
    {
        if (!usable(c, call))
            continue;
        json_t *line = case_line(call);
        cli_dump(line, to);
        json_decref(line);
        c->count++;
    }
}

void cli_fixture_calls_say(const cli_fixture_calls *c, FILE *out)
{
    const struct {
        size_t count;
        const char *why;
    } left[] = {{c->inner, "made to answer others"},
                {c->hidden, "with what was not shown"},
                {c->unanswered, "without their answer"},
                {c->unknown, "of methods that no schema declares"}};
    const char *before = " (";
    size_t all = c->inner + c->hidden + c->unanswered + c->unknown;
    if (!all)
        return;
    fprintf(out, "; %zu %s left out", all, all == 1 ? "call was" : "calls were");
    for (size_t i = 0; i < SUT_ARRAY_LEN(left); i++)
        if (left[i].count) {
            fprintf(out, "%s%zu %s", before, left[i].count, left[i].why);
            before = ", ";
        }
    fputc(')', out);
}
