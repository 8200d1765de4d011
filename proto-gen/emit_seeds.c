/* Emits seeds for fuzzing: bodies of every record that are right, at the edges of what is allowed, and just past them,
 * as JSON and as msgpack (only the right ones: the runtime that packs them refuses the others). */
#include "bind.h"
#include "emit.h"
#include "example.h"

static void put_seed(pg_context *c, pg_outputs *o, const pg_record *r, const sut_record *desc, const char *what,
                     const char *json)
{
    const char *stem = pg_printf(c, "%s_%s-%s", r->domain->name, r->name, what);
    sut_buf *text = pg_output_new(c, o, pg_printf(c, "json/%s.json", stem));
    pg_put(text, "%s", json);
    sut_str body;
    if (pg_pack(c, desc, json, &body))
        return;
    sut_buf *packed = pg_output_new(c, o, pg_printf(c, "msgpack/%s.bin", stem));
    pg_put_bytes(packed, body.ptr, body.len);
}

static void put_edges(pg_context *c, pg_outputs *o, const pg_record *r, const sut_record *desc, const pg_field *f)
{
    const char *edges[PG_EDGES_MAX];
    size_t count = pg_example_edges(c, f, edges);
    for (size_t i = 0; i < count; i++)
        put_seed(c, o, r, desc, pg_printf(c, "%s-edge%zu", f->name, i + 1),
                 pg_example_record(c, r, true, f, edges[i], 0));
    const char *wrong = f->type == SUT_T_STRING || f->type == SUT_T_ENUM ? "\"\\u0001\"" : "\"wrong\"";
    put_seed(c, o, r, desc, pg_printf(c, "%s-wrong", f->name), pg_example_record(c, r, true, f, wrong, 0));
}

void pg_emit_seeds(pg_context *c, const pg_model *m, pg_outputs *o)
{
    for (size_t i = 0; i < m->count; i++) {
        for (size_t j = 0; j < m->domains[i]->record_count; j++) {
            const pg_record *r = &m->domains[i]->records[j];
            const sut_record *desc = pg_bind_record(c, r);
            put_seed(c, o, r, desc, "all", pg_example_record(c, r, false, NULL, NULL, 0));
            put_seed(c, o, r, desc, "least", pg_example_record(c, r, true, NULL, NULL, 0));
            for (size_t k = 0; k < r->count; k++)
                put_edges(c, o, r, desc, &r->fields[k]);
        }
    }
}
