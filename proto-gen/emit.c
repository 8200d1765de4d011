/* The list of emitters (emit.h). */
#include "emit.h"

const pg_emitter pg_emitters[] = {
    {"c", pg_emit_c, "structs and descriptor tables of each domain"},
    {"service", pg_emit_service, "handler prototypes and service entries of each domain with methods"},
    {"methods", pg_emit_methods, "the tables of all domains and of all methods by name"},
    {"routes", pg_emit_routes, "the table of all methods reached by HTTP"},
    {"asyncapi", pg_emit_asyncapi, "asyncapi.json, the events"},
    {"openapi", pg_emit_openapi, "openapi.json, the REST API"},
    {"markdown", pg_emit_markdown, "reference.md, every call for people"},
    {"seeds", pg_emit_seeds, "json/ and msgpack/, bodies to start fuzzing from"},
    {"roundtrip", pg_emit_roundtrip, "schema_roundtrip_test.c, a test of every record"},
};
const size_t pg_emitter_count = SUT_ARRAY_LEN(pg_emitters);
