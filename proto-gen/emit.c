/* The list of emitters (emit.h). */
#include "emit.h"

const pg_emitter pg_emitters[] = {
    {"c", pg_emit_c, "structs and descriptor tables of each domain"},
    {"service", pg_emit_service, "handler prototypes and service entries of each domain with methods"},
    {"methods", pg_emit_methods, "the tables of all domains and of all methods by name"},
    {"routes", pg_emit_routes, "the table of all methods reached by HTTP"},
    {"openapi", pg_emit_openapi, "openapi.json, the REST API"},
};
const size_t pg_emitter_count = SUT_ARRAY_LEN(pg_emitters);
