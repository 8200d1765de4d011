/* Writes indented JSON in the order in which it is told. */
#ifndef PG_JSON_OUT_H
#define PG_JSON_OUT_H

#include "output.h"

typedef struct pg_json {
    sut_buf *out;
    int depth;
    bool first; /* nothing written yet at this depth */
} pg_json;

pg_json pg_json_start(sut_buf *out);
/* `key` is NULL inside an array and at the top. */
void pg_json_object(pg_json *j, const char *key);
void pg_json_end_object(pg_json *j);
void pg_json_array(pg_json *j, const char *key);
void pg_json_end_array(pg_json *j);
void pg_json_string(pg_json *j, const char *key, const char *value);
void pg_json_bool(pg_json *j, const char *key, bool value);
void pg_json_number(pg_json *j, const char *key, int64_t value);
/* Text that is JSON already, put on one line as it is. */
void pg_json_raw(pg_json *j, const char *key, const char *json);

#endif
