/* Parameters in PostgreSQL's binary format (the send and recv functions of each type; integers big-endian; timestamps
 * and dates count from 2000-01-01). */
#include "pg_conn.h"

#include "pg_types.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>

Oid sut_pg_oid(sut_pg_type type)
{
    static const Oid oids[] = {
        [SUT_PG_TEXT] = 0, /* inferred: text, varchar, citext and enums all read the same bytes */
        [SUT_PG_I32] = SUT_OID_INT4,
        [SUT_PG_I64] = SUT_OID_INT8,
        [SUT_PG_F64] = SUT_OID_FLOAT8,
        [SUT_PG_BOOL] = SUT_OID_BOOL,
        [SUT_PG_TIMESTAMPTZ] = SUT_OID_TIMESTAMPTZ,
        [SUT_PG_DATE] = SUT_OID_DATE,
        [SUT_PG_JSONB] = SUT_OID_JSONB,
        [SUT_PG_BYTEA] = SUT_OID_BYTEA,
        [SUT_PG_I64_ARRAY] = SUT_OID_INT8_ARRAY,
        [SUT_PG_TEXT_ARRAY] = SUT_OID_TEXT_ARRAY,
    };
    return oids[type];
}

/* ---- what does not fit in 8 bytes goes into one block: measured first, then written ---- */

typedef struct s_writer {
    unsigned char *at;
    size_t size;
} s_writer;

static void s_put(s_writer *w, const void *bytes, size_t len)
{
    if (w->at && len)
        memcpy(w->at + w->size, bytes, len);
    w->size += len;
}

static void s_put_u32(s_writer *w, uint32_t v)
{
    v = htobe32(v);
    s_put(w, &v, sizeof(v));
}

static void s_put_array(s_writer *w, const sut_pg_param *p)
{
    bool ints = p->type == SUT_PG_I64_ARRAY;
    size_t count = ints ? p->v.i64s.count : p->v.strs.count;
    s_put_u32(w, count ? 1 : 0); /* dimensions */
    s_put_u32(w, 0);             /* no NULLs */
    s_put_u32(w, ints ? SUT_OID_INT8 : SUT_OID_TEXT);
    if (!count)
        return;
    s_put_u32(w, (uint32_t)count);
    s_put_u32(w, 1); /* lower bound */
    for (size_t i = 0; i < count; i++) {
        if (ints) {
            uint64_t v = htobe64((uint64_t)p->v.i64s.items[i]);
            s_put_u32(w, sizeof(v));
            s_put(w, &v, sizeof(v));
        } else {
            s_put_u32(w, (uint32_t)p->v.strs.items[i].len);
            s_put(w, p->v.strs.items[i].ptr, p->v.strs.items[i].len);
        }
    }
}

static void s_put_jsonb(s_writer *w, sut_str json)
{
    s_put(w, "\1", 1); /* version of jsonb's binary format */
    s_put(w, json.ptr, json.len);
}

static bool s_is_long(const sut_pg_param *p)
{
    return !p->null && (p->type == SUT_PG_JSONB || p->type == SUT_PG_I64_ARRAY || p->type == SUT_PG_TEXT_ARRAY);
}

static void s_put_long(s_writer *w, const sut_pg_param *p)
{
    if (p->type == SUT_PG_JSONB)
        s_put_jsonb(w, p->v.s);
    else
        s_put_array(w, p);
}

static bool s_encode_long(sut_pg_params params, sut_pg_encoded *out)
{
    s_writer w = {0};
    for (size_t i = 0; i < params.count; i++)
        if (s_is_long(&params.items[i]))
            s_put_long(&w, &params.items[i]);
    if (w.size == 0)
        return true;
    if (w.size > INT_MAX / 2)
        return false;
    w.at = out->memory = malloc(w.size);
    if (!w.at)
        return false;
    w.size = 0;
    for (size_t i = 0; i < params.count; i++) {
        if (!s_is_long(&params.items[i]))
            continue;
        size_t start = w.size;
        s_put_long(&w, &params.items[i]);
        out->values[i] = (const char *)w.at + start;
        out->lengths[i] = (int)(w.size - start);
    }
    return true;
}

/* ---- the others ---- */

static int s_scalar(const sut_pg_param *p, unsigned char out[8])
{
    uint64_t u64 = (uint64_t)p->v.i;
    uint32_t u32 = (uint32_t)p->v.i;
    switch (p->type) {
    case SUT_PG_BOOL: out[0] = p->v.i != 0; return 1;
    case SUT_PG_DATE:
        u32 -= SUT_PG_EPOCH_DAYS; /* fallthrough */
        __attribute__((fallthrough));
    case SUT_PG_I32:
        u32 = htobe32(u32);
        memcpy(out, &u32, sizeof(u32));
        return sizeof(u32);
    case SUT_PG_F64: memcpy(&u64, &p->v.f, sizeof(u64)); break;
    case SUT_PG_TIMESTAMPTZ: u64 -= (uint64_t)SUT_PG_EPOCH_US; break;
    default: break;
    }
    u64 = htobe64(u64);
    memcpy(out, &u64, sizeof(u64));
    return sizeof(u64);
}

bool sut_pg_encode(sut_pg_params params, sut_pg_encoded *out)
{
    out->memory = NULL;
    for (size_t i = 0; i < params.count; i++) {
        const sut_pg_param *p = &params.items[i];
        out->types[i] = sut_pg_oid(p->type);
        out->formats[i] = 1;
        if (p->null) {
            out->values[i] = NULL;
            out->lengths[i] = 0;
        } else if (p->type == SUT_PG_TEXT || p->type == SUT_PG_BYTEA) {
            if (p->v.s.len > INT_MAX / 2)
                return false;
            out->values[i] = p->v.s.ptr;
            out->lengths[i] = (int)p->v.s.len;
        } else if (!s_is_long(p)) {
            out->lengths[i] = s_scalar(p, out->scalars[i]);
            out->values[i] = (const char *)out->scalars[i];
        }
    }
    return s_encode_long(params, out);
}

void sut_pg_encoded_deinit(sut_pg_encoded *e)
{
    free(e->memory);
    e->memory = NULL;
}
