/* The JSON writer of the emitters (json_out.h). */
#include "json_out.h"

#include <inttypes.h>

pg_json pg_json_start(sut_buf *out)
{
    return (pg_json){.out = out, .first = true};
}

static void indent(pg_json *j)
{
    pg_put(j->out, "\n%*s", j->depth * 2, "");
}

static void begin(pg_json *j, const char *key)
{
    if (!j->first)
        pg_put(j->out, ",");
    if (j->depth)
        indent(j);
    j->first = false;
    if (key) {
        pg_put_json_string(j->out, key);
        pg_put(j->out, ": ");
    }
}

static void open_with(pg_json *j, const char *key, char bracket)
{
    begin(j, key);
    pg_put(j->out, "%c", bracket);
    j->depth++;
    j->first = true;
}

static void close_with(pg_json *j, char bracket)
{
    j->depth--;
    if (!j->first)
        indent(j);
    j->first = false;
    pg_put(j->out, "%c", bracket);
}

void pg_json_object(pg_json *j, const char *key)
{
    open_with(j, key, '{');
}

void pg_json_end_object(pg_json *j)
{
    close_with(j, '}');
}

void pg_json_array(pg_json *j, const char *key)
{
    open_with(j, key, '[');
}

void pg_json_end_array(pg_json *j)
{
    close_with(j, ']');
}

void pg_json_string(pg_json *j, const char *key, const char *value)
{
    begin(j, key);
    pg_put_json_string(j->out, value);
}

void pg_json_bool(pg_json *j, const char *key, bool value)
{
    begin(j, key);
    pg_put(j->out, "%s", value ? "true" : "false");
}

void pg_json_number(pg_json *j, const char *key, int64_t value)
{
    begin(j, key);
    pg_put(j->out, "%" PRId64, value);
}

void pg_json_raw(pg_json *j, const char *key, const char *json)
{
    begin(j, key);
    pg_put(j->out, "%s", json);
}
