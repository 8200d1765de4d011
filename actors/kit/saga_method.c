/* NAME.saga_list, NAME.saga_show and NAME.saga_retry: what an operator does about sagas. The kit's own for every actor
 * that has sagas; who may call them is the broker's access list's to say. docs/protocol.md describes their bodies. */
#include "dispatch.h"

#include "runtime.h"
#include "saga_store.h"

#include "base/log.h"

#define S_NAME(text)       .name = (text), .name_len = sizeof(text) - 1
#define S_AT(type, member) .flags = SUT_F_REQUIRED, .offset = offsetof(type, member), .has_offset = UINT16_MAX
#define S_OR(type, member) .flags = SUT_F_DEFAULT, .offset = offsetof(type, member), .has_offset = UINT16_MAX

typedef struct s_list_in {
    sut_str status, name;
    int32_t limit;
    int64_t after;
} s_list_in;

typedef struct s_item {
    int64_t id;
    sut_str name, key, status, step, code;
    bool back;
    int32_t attempt;
    int64_t next_at, created_at, updated_at;
} s_item;

typedef struct s_list_out {
    sut_list sagas;
} s_list_out;

typedef struct s_id {
    int64_t id;
} s_id;

typedef struct s_show_out {
    const s_item *saga;
    sut_str history;
} s_show_out;

/* ---- tables ---- */

static const sut_field s_list_in_fields[] = {
    {S_NAME("status"), .type = SUT_T_STRING, S_OR(s_list_in, status), .def.s = {"", 0}, .max_bytes = 10},
    {S_NAME("name"), .type = SUT_T_STRING, S_OR(s_list_in, name), .def.s = {"", 0}, .max_bytes = 64},
    {S_NAME("limit"), .type = SUT_T_I32, S_OR(s_list_in, limit), .def.i = 50, .has_min = true, .has_max = true,
     .min_i = 1, .max_i = 500},
    {S_NAME("after"), .type = SUT_T_I64, S_OR(s_list_in, after), .def.i = 0},
};
static const sut_field s_item_fields[] = {
    {S_NAME("id"), .type = SUT_T_I64, S_AT(s_item, id)},
    {S_NAME("name"), .type = SUT_T_STRING, S_AT(s_item, name)},
    {S_NAME("key"), .type = SUT_T_STRING, S_AT(s_item, key)},
    {S_NAME("status"), .type = SUT_T_STRING, S_AT(s_item, status)},
    {S_NAME("step"), .type = SUT_T_STRING, S_AT(s_item, step)},
    {S_NAME("back"), .type = SUT_T_BOOL, S_AT(s_item, back)},
    {S_NAME("attempt"), .type = SUT_T_I32, S_AT(s_item, attempt)},
    {S_NAME("code"), .type = SUT_T_STRING, S_AT(s_item, code)},
    {S_NAME("next_at"), .type = SUT_T_TIMESTAMP, S_AT(s_item, next_at)},
    {S_NAME("created_at"), .type = SUT_T_TIMESTAMP, S_AT(s_item, created_at)},
    {S_NAME("updated_at"), .type = SUT_T_TIMESTAMP, S_AT(s_item, updated_at)},
};
static const sut_record s_list_in_record = {"saga_list_in", s_list_in_fields, SUT_ARRAY_LEN(s_list_in_fields),
                                            sizeof(s_list_in), "Which sagas."};
static const sut_record s_item_record = {"saga", s_item_fields, SUT_ARRAY_LEN(s_item_fields), sizeof(s_item),
                                         "Where a saga stands."};
static const sut_field s_element = {S_NAME("item"), .type = SUT_T_RECORD, .record = &s_item_record,
                                    .has_offset = UINT16_MAX};
static const sut_field s_list_out_fields[] = {
    {S_NAME("sagas"), .type = SUT_T_LIST, S_AT(s_list_out, sagas), .element = &s_element, .max_items = 500}};
static const sut_field s_id_fields[] = {{S_NAME("id"), .type = SUT_T_I64, S_AT(s_id, id)}};
static const sut_field s_show_out_fields[] = {
    {S_NAME("saga"), .type = SUT_T_RECORD, S_AT(s_show_out, saga), .record = &s_item_record},
    {S_NAME("history"), .type = SUT_T_STRING, S_AT(s_show_out, history)}};
static const sut_record s_list_out_record = {"saga_list_out", s_list_out_fields, 1, sizeof(s_list_out), "By id."};
static const sut_record s_id_record = {"saga_id", s_id_fields, 1, sizeof(s_id), "One saga."};
static const sut_record s_show_out_record = {"saga_show_out", s_show_out_fields, 2, sizeof(s_show_out),
                                             "A saga and the outcomes of its attempts, JSON."};

/* ---- statements: never the context, which may be personal ---- */

#define S_COLUMNS                                                                                                      \
    "id, name, coalesce(key, ''), status, step, back, attempt, coalesce(error_code, ''), next_at, created_at, "        \
    "updated_at"

static const sut_pg_stmt s_list = {"sut_saga_list",
                                   "SELECT " S_COLUMNS " FROM sut_saga WHERE id > $1 AND ($2::text = '' OR status ="
                                   " $2::text) AND ($3::text = '' OR name = $3::text) ORDER BY id LIMIT $4",
                                   4};
static const sut_pg_stmt s_show = {"sut_saga_show", "SELECT " S_COLUMNS ", history::text FROM sut_saga WHERE id = $1",
                                   1};
static const sut_pg_stmt s_retry = {
    "sut_saga_retry",
    "UPDATE sut_saga SET status = 'running', attempt = 0, next_at = clock_timestamp(), claimed_until = NULL, updated_at"
    " = clock_timestamp() WHERE id = $1 AND status = 'stuck' RETURNING id",
    1};

static s_item s_read_item(const sut_pg_result *r, int row)
{
    return (s_item){.id = sut_pg_get_i64(r, row, 0),
                    .name = sut_pg_get_text(r, row, 1),
                    .key = sut_pg_get_text(r, row, 2),
                    .status = sut_pg_get_text(r, row, 3),
                    .step = sut_pg_get_text(r, row, 4),
                    .back = sut_pg_get_bool(r, row, 5),
                    .attempt = sut_pg_get_i32(r, row, 6),
                    .code = sut_pg_get_text(r, row, 7),
                    .next_at = sut_pg_get_timestamptz(r, row, 8),
                    .created_at = sut_pg_get_timestamptz(r, row, 9),
                    .updated_at = sut_pg_get_timestamptz(r, row, 10)};
}

/* A peer that may call everything, an edge say, must not be led here by a user's request. */
static sut_status s_check_caller(sut_request *rq)
{
    return sut_request_user_id(rq) ? sut_fail(rq, SUT_ERR_FORBIDDEN, "Not for users.") : 0;
}

static sut_status s_call_list(sut_request *rq, const void *input, void *output)
{
    const s_list_in *in = input;
    s_list_out *out = output;
    const sut_pg_result *r;
    sut_status st = s_check_caller(rq);
    if (st)
        return st;
    st = sut_pg_run(
        rq, &s_list,
        SUT_PG_PARAMS(sut_pg_i64(in->after), sut_pg_text(in->status), sut_pg_text(in->name), sut_pg_i64(in->limit)),
        &r);
    if (st)
        return st;
    size_t count = (size_t)sut_pg_rows(r);
    s_item *items = sut_request_alloc(rq, (count + 1) * sizeof(*items));
    const s_item **refs = sut_request_alloc(rq, (count + 1) * sizeof(const s_item *));
    if (!items || !refs)
        return sut_fail_internal(rq, "no memory for the list");
    for (size_t i = 0; i < count; i++) {
        items[i] = s_read_item(r, (int)i);
        refs[i] = &items[i];
    }
    out->sagas = (sut_list){refs, count};
    return 0;
}

static sut_status s_call_show(sut_request *rq, const void *input, void *output)
{
    s_show_out *out = output;
    const sut_pg_result *r;
    sut_status st = s_check_caller(rq);
    if (!st)
        st = sut_pg_run(rq, &s_show, SUT_PG_PARAMS(sut_pg_i64(((const s_id *)input)->id)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such saga.");
    s_item *item = SUT_REQUEST_NEW(rq, s_item);
    if (!item)
        return sut_fail_internal(rq, "no memory for the saga");
    *item = s_read_item(r, 0);
    *out = (s_show_out){item, sut_pg_get_text(r, 0, 11)};
    return 0;
}

static sut_status s_call_retry(sut_request *rq, const void *input, void *output)
{
    const sut_pg_result *r;
    int64_t id = ((const s_id *)input)->id;
    sut_status st = s_check_caller(rq);
    if (!st)
        st = sut_pg_run(rq, &s_retry, SUT_PG_PARAMS(sut_pg_i64(id)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_CONFLICT, "There is no such saga, or it is not stuck.");
    sut_log(SUT_INFO, "kit", "saga.retried", SUT_KV_I("saga", id));
    ((s_id *)output)->id = id;
    return 0;
}

#define S_METHOD(method, in_record, out_record)                                                                        \
    {                                                                                                                  \
        .name = method, .service = "kit", .in = &in_record, .out = &out_record, .timeout_ms = 3000,                    \
        .service_only = true, .rate_class = "default", .since = "1.0", .doc = ""                                       \
    }

static const sut_method s_methods[] = {S_METHOD("saga_list", s_list_in_record, s_list_out_record),
                                       S_METHOD("saga_show", s_id_record, s_show_out_record),
                                       S_METHOD("saga_retry", s_id_record, s_id_record)};
static const sut_service_entry s_entries[] = {
    {&s_methods[0], s_call_list}, {&s_methods[1], s_call_show}, {&s_methods[2], s_call_retry}};

const sut_service_entry *sut_saga_entry(const sut_runtime *rt, sut_str subject)
{
    size_t len = strlen(rt->opt->name);
    if (!rt->pg || !rt->opt->saga_count || subject.len <= len + 1 || memcmp(subject.ptr, rt->opt->name, len) != 0 ||
        subject.ptr[len] != '.')
        return NULL;
    sut_str method = {subject.ptr + len + 1, subject.len - len - 1};
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_entries); i++)
        if (sut_str_is(method, s_entries[i].method->name))
            return &s_entries[i];
    return NULL;
}
