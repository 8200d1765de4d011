/* Emits seeds for fuzzing: bodies of every record that are right, at the edges of what is allowed, and just past them,
 * as JSON and as msgpack (only the right ones: the runtime that packs them refuses the others). In picked/ are the same
 * with one byte before them that says which record of sut_domains it is, as tests/fuzz/fuzz_schema.c wants it. */
#include "bind.h"
#include "emit.h"
#include "example.h"

typedef struct seeds {
    pg_context *c;
    pg_outputs *o;
    const pg_record *record;
    const sut_record *desc;
    size_t index; /* of the record, over all domains */
} seeds;

static void put_picked(const seeds *s, const char *name, sut_str content)
{
    if (s->index > UINT8_MAX)
        return;
    sut_buf *b = pg_output_new(s->c, s->o, name);
    const uint8_t index = (uint8_t)s->index;
    pg_put_bytes(b, &index, 1);
    pg_put_bytes(b, content.ptr, content.len);
}

static void put_seed(const seeds *s, const char *what, const char *json)
{
    const char *stem = pg_printf(s->c, "%s_%s-%s", s->record->domain->name, s->record->name, what);
    pg_put(pg_output_new(s->c, s->o, pg_printf(s->c, "json/%s.json", stem)), "%s", json);
    put_picked(s, pg_printf(s->c, "picked/%s.json", stem), sut_str_from(json));
    sut_str body;
    if (pg_pack(s->c, s->desc, json, &body))
        return;
    sut_buf *packed = pg_output_new(s->c, s->o, pg_printf(s->c, "msgpack/%s.bin", stem));
    pg_put_bytes(packed, body.ptr, body.len);
    put_picked(s, pg_printf(s->c, "picked/%s.bin", stem), body);
}

static void put_edges(const seeds *s, const pg_field *f)
{
    const char *edges[PG_EDGES_MAX];
    size_t count = pg_example_edges(s->c, f, edges);
    for (size_t i = 0; i < count; i++)
        put_seed(s, pg_printf(s->c, "%s-edge%zu", f->name, i + 1),
                 pg_example_record(s->c, s->record, true, f, edges[i], 0));
    const char *wrong = f->type == SUT_T_STRING || f->type == SUT_T_ENUM ? "\"\\u0001\"" : "\"wrong\"";
    put_seed(s, pg_printf(s->c, "%s-wrong", f->name), pg_example_record(s->c, s->record, true, f, wrong, 0));
}

void pg_emit_seeds(pg_context *c, const pg_model *m, pg_outputs *o)
{
    seeds s = {.c = c, .o = o};
    for (size_t i = 0; i < m->count; i++) {
        for (size_t j = 0; j < m->domains[i]->record_count; j++, s.index++) {
            s.record = &m->domains[i]->records[j];
            s.desc = pg_bind_record(c, s.record);
            put_seed(&s, "all", pg_example_record(c, s.record, false, NULL, NULL, 0));
            put_seed(&s, "least", pg_example_record(c, s.record, true, NULL, NULL, 0));
            for (size_t k = 0; k < s.record->count; k++)
                put_edges(&s, &s.record->fields[k]);
        }
    }
}
