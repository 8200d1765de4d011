/* JSON for people (indented) and for programs (one line). */
#include "cli.h"

#include <jansson.h>

int cli_print_json(sut_str json, bool compact, FILE *out)
{
    if (compact) {
        fprintf(out, "%.*s\n", SUT_STR_FMT(json));
        return SUT_EXIT_OK;
    }
    json_error_t e;
    json_t *v = json_loadb(json.ptr, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!v) {
        cli_complain("the answer cannot be shown: %s", e.text);
        return SUT_EXIT_SOFTWARE;
    }
    json_dumpf(v, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', out);
    json_decref(v);
    return SUT_EXIT_OK;
}
