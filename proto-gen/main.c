/* proto-gen's command line: reads schemas, checks them, and writes or compares what the emitters make of them. */
#include "base/config.h"
#include "check.h"
#include "compat.h"
#include "emit.h"
#include "load.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct options {
    const char *out, *check, *against, *emit;
    char **schemas;
    size_t schema_count;
} options;

static void usage(FILE *to)
{
    (void)fprintf(
        to, "usage: proto-gen [--out DIR | --check DIR] [--emit LIST] [--against DIR] SCHEMA.yaml...\n\n"
            "Reads the schemas, all of them at once, and checks them. Exit 0: they are right; 1: they are not, or\n"
            "--check or --against found a difference; 64: wrong usage.\n\n"
            "  --out DIR       write what the emitters make into DIR; files that did not change are left alone\n"
            "  --check DIR     compare with the files in DIR instead of writing\n"
            "  --emit LIST     comma-separated emitters (default: all):\n");
    for (size_t i = 0; i < pg_emitter_count; i++)
        (void)fprintf(to, "                    %-10s %s\n", pg_emitters[i].name, pg_emitters[i].doc);
    (void)fprintf(to, "  --against DIR   refuse what would break users of the schemas in DIR\n"
                      "  --help, --version\n");
}

_Noreturn static void wrong_usage(const char *what, const char *detail)
{
    (void)fprintf(stderr, "proto-gen: error: %s%s\n", what, detail);
    usage(stderr);
    exit(SUT_EXIT_USAGE);
}

static options parse_options(int argc, char **argv)
{
    static const struct option names[] = {{"out", required_argument, NULL, 'o'},
                                          {"check", required_argument, NULL, 'c'},
                                          {"emit", required_argument, NULL, 'e'},
                                          {"against", required_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    options o = {.out = NULL};
    for (int ch; (ch = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (ch) {
        case 'o': o.out = optarg; break;
        case 'c': o.check = optarg; break;
        case 'e': o.emit = optarg; break;
        case 'a': o.against = optarg; break;
        case 'h': usage(stdout); exit(SUT_EXIT_OK);
        case 'v': (void)puts("proto-gen " SUT_VERSION); exit(SUT_EXIT_OK);
        default: usage(stderr); exit(SUT_EXIT_USAGE);
        }
    }
    if (optind >= argc)
        wrong_usage("no schemas given", "");
    if (o.out && o.check)
        wrong_usage("--out and --check exclude each other", "");
    o.schemas = argv + optind;
    o.schema_count = (size_t)(argc - optind);
    return o;
}

/* Runs the emitters that LIST names (NULL: all). */
static void emit(pg_context *c, const pg_model *m, const char *list, pg_outputs *o)
{
    if (!list) {
        for (size_t i = 0; i < pg_emitter_count; i++)
            pg_emitters[i].emit(c, m, o);
        return;
    }
    char *words = pg_strdup(c, list, strlen(list)), *rest = words;
    for (const char *word; (word = strsep(&rest, ","));) {
        size_t i = 0;
        while (i < pg_emitter_count && strcmp(pg_emitters[i].name, word) != 0)
            i++;
        if (i == pg_emitter_count)
            wrong_usage("there is no emitter ", word);
        pg_emitters[i].emit(c, m, o);
    }
}

static bool report(const pg_context *c)
{
    sut_buf text;
    sut_buf_init(&text, 0);
    pg_print_errors(c, &text);
    (void)fwrite(text.data, 1, text.len, stderr);
    sut_buf_deinit(&text);
    return c->error_count > 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The schemas in `dir`, sorted; ends the program if it cannot be read or holds none. */
static char **list_schemas(pg_context *c, const char *dir, size_t *count)
{
    DIR *d = opendir(dir);
    if (!d)
        wrong_usage("cannot read the folder ", dir);
    enum { SCHEMAS_MAX = 256 };
    char **paths = PG_ARRAY(c, SCHEMAS_MAX, char *);
    *count = 0;
    for (const struct dirent *e; (e = readdir(d)) && *count < SCHEMAS_MAX;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && dot != e->d_name && strcmp(dot, ".yaml") == 0)
            paths[(*count)++] = pg_printf(c, "%s/%s", dir, e->d_name);
    }
    (void)closedir(d);
    if (*count == 0)
        wrong_usage("there are no schemas in ", dir);
    qsort(paths, *count, sizeof(*paths), compare_names);
    return paths;
}

static void compare_with(pg_context *c, const char *dir, const pg_model *m)
{
    size_t count;
    char **paths = list_schemas(c, dir, &count);
    pg_model *old_model = pg_load(c, paths, count);
    pg_check(c, old_model);
    if (c->error_count == 0)
        pg_compare(c, old_model, m);
}

static int run(pg_context *c, const options *o, pg_outputs *outputs)
{
    pg_model *m = pg_load(c, o->schemas, o->schema_count);
    pg_check(c, m);
    if (c->error_count == 0 && o->against)
        compare_with(c, o->against, m);
    if (report(c))
        return 1;
    if (!o->out && !o->check)
        return 0;
    emit(c, m, o->emit, outputs);
    if (o->out)
        return pg_outputs_write(outputs, o->out) < 0 ? SUT_EXIT_IO : 0;
    return pg_outputs_compare(outputs, o->check) > 0;
}

int main(int argc, char **argv)
{
    options o = parse_options(argc, argv);
    pg_context c;
    pg_context_init(&c);
    pg_outputs outputs;
    pg_outputs_init(&outputs);
    int code = run(&c, &o, &outputs);
    pg_outputs_deinit(&outputs);
    pg_context_deinit(&c);
    return code;
}
