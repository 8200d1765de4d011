/* Emits schema_roundtrip_test.c: one test a record, with values that fit it: JSON → msgpack → struct and back must
 * give the same, and redaction must leave nothing secret (tests/golden/roundtrip.h does the work). */
#include "bind.h"
#include "emit.h"
#include "example.h"

static void put_case(sut_buf *b, const char *what, const char *json)
{
    pg_put(b, "    {\"%s\", ", what);
    pg_put_c_string(b, json);
    pg_put(b, "},\n");
}

static void put_record(pg_context *c, sut_buf *b, const pg_record *r)
{
    const char *name = pg_printf(c, "%s_%s", r->domain->name, r->name);
    pg_put(b, "static const roundtrip_case %s_cases[] = {\n", name);
    put_case(b, "all fields", pg_example_record(c, r, false, NULL, NULL, 0));
    put_case(b, "required fields", pg_example_record(c, r, true, NULL, NULL, 0));
    for (size_t i = 0; i < r->count; i++) {
        const char *edges[PG_EDGES_MAX];
        size_t count = pg_example_edges(c, &r->fields[i], edges);
        for (size_t e = 0; e < count; e++)
            put_case(b, pg_printf(c, "%s at an edge", r->fields[i].name),
                     pg_example_record(c, r, true, &r->fields[i], edges[e], 0));
    }
    pg_put(b,
           "};\nTest(roundtrip, %s, .timeout = 30)\n{\n    roundtrip_check(&%s_record, %s_cases, "
           "SUT_ARRAY_LEN(%s_cases));\n}\n\n",
           name, name, name, name);
}

void pg_emit_roundtrip(pg_context *c, const pg_model *m, pg_outputs *o)
{
    sut_buf *b = pg_output_new(c, o, "schema_roundtrip_test.c");
    pg_banner_c(b, "Values of every record, there and back.", "the schemas");
    for (size_t i = 0; i < m->count; i++)
        pg_put(b, "#include \"%s_schema.h\"\n", m->domains[i]->name);
    pg_put(b, "#include \"roundtrip.h\"\n\n#include <criterion/criterion.h>\n\n");
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->record_count; j++)
            put_record(c, b, &m->domains[i]->records[j]);
}
