/* sut fixture: a recorded file becomes a test case, tests/fixtures/NAME: events.jsonl is what the runner publishes,
 * expect.jsonl what subscribers must get, in order; calls.jsonl what it calls, with the answers. Only those that there
 * is something for are made. The runner is tests/fixtures/fixture_test.py. */
#include "ask.h"
#include "fixture_calls.h"
#include "lines.h"
#include "record.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS, EXPECT, CALLS, PARTS };
static const char *const s_parts[PARTS] = {"events.jsonl", "expect.jsonl", "calls.jsonl"};

typedef struct fixture {
    char dir[PATH_MAX];
    FILE *part[PARTS];
    size_t count;
    cli_fixture_calls calls;
} fixture;

static bool name_valid(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) && name[i] != '_')
            return false;
    return len > 0 && len <= 64;
}

/* tests/fixtures of the checkout around us. */
static bool find_fixtures(char path[PATH_MAX])
{
    char dir[PATH_MAX - 32];
    if (!getcwd(dir, sizeof dir))
        return false;
    for (;;) {
        snprintf(path, PATH_MAX, "%s/tests/fixtures", dir);
        if (access(path, W_OK) == 0)
            return true;
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            return false;
        *slash = '\0';
    }
}

static FILE *open_part(const fixture *f, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "wxe");
    if (!file)
        cli_complain("%s: %s", path, strerror(errno));
    return file;
}

static int open_fixture(fixture *f, const char *name)
{
    char base[PATH_MAX];
    if (!find_fixtures(base)) {
        cli_complain("there is no tests/fixtures here or above: stand in a checkout");
        return SUT_EXIT_USAGE;
    }
    int n = snprintf(f->dir, sizeof f->dir, "%s/%s", base, name);
    if (n < 0 || n >= (int)sizeof f->dir || mkdir(f->dir, 0777) != 0) {
        cli_complain("%s: %s", f->dir, strerror(errno));
        return errno == EEXIST ? SUT_EXIT_USAGE : SUT_EXIT_IO;
    }
    for (size_t i = 0; i < PARTS; i++)
        if (!(f->part[i] = open_part(f, s_parts[i])))
            return SUT_EXIT_IO;
    return 0;
}

/* What does not differ from run to run: no sequences, no times, no traces. */
static void copy_members(const json_t *line, const char *const *names, size_t count, FILE *to)
{
    json_t *o = json_object();
    for (size_t i = 0; i < count; i++)
        cli_set(o, names[i], json_incref(json_object_get(line, names[i])));
    cli_dump(o, to);
    json_decref(o);
}

static int add_line(fixture *f, const char *where, json_t *line)
{
    static const char *const published[] = {"subject", "key", "event_id", "body"};
    if (strcmp(cli_txt(line, "kind"), "event") != 0) {
        cli_fixture_calls_add(&f->calls, line);
        return 0;
    }
    if (!*cli_txt(line, "subject") || !json_is_object(json_object_get(line, "body"))) {
        cli_complain("%s: an event without subject or body", where);
        return CLI_EXIT_DATA;
    }
    copy_members(line, published, SUT_ARRAY_LEN(published), f->part[EVENTS]);
    copy_members(line, published, SUT_ARRAY_LEN(published), f->part[EXPECT]);
    f->count++;
    return 0;
}

static int read_head(cli_line_reader *r)
{
    json_t *head;
    int code = cli_lines_next(r, &head);
    if (code == 0 && cli_num(head, "sut_record") != CLI_RECORD_VERSION)
        code = -1;
    json_decref(head);
    if (code < 0)
        cli_complain("%s: is not what `sut record` of this version writes", r->name);
    return code < 0 ? CLI_EXIT_DATA : code;
}

static int convert(fixture *f, cli_line_reader *r)
{
    json_t *line;
    int code;
    while ((code = cli_lines_next(r, &line)) == 0) {
        char where[256];
        snprintf(where, sizeof where, "%s: line %zu", r->name, r->number);
        code = add_line(f, where, line);
        json_decref(line);
        if (code != 0)
            return code;
    }
    if (code > 0)
        return code;
    cli_fixture_calls_write(&f->calls, f->part[CALLS]);
    if (f->count || f->calls.count)
        return 0;
    cli_complain("%s: holds no event, and no call that can be made again and whose answer is known", r->name);
    return CLI_EXIT_DATA;
}

static bool close_part(FILE *file)
{
    return !file || (fflush(file) == 0 && !ferror(file) && fclose(file) == 0);
}

static void remove_part(const fixture *f, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    unlink(path);
}

static bool has_lines(const fixture *f, size_t part)
{
    return part == CALLS ? f->calls.count > 0 : f->count > 0;
}

/* No half test case is left, and no part without a line. */
static int finish(fixture *f, int code)
{
    bool made = false;
    for (size_t i = 0; i < PARTS; i++) {
        made = made || f->part[i];
        if (!close_part(f->part[i]) && code == 0) {
            cli_complain("%s/%s: %s", f->dir, s_parts[i], strerror(errno));
            code = SUT_EXIT_IO;
        }
    }
    for (size_t i = 0; i < PARTS && made; i++)
        if (code != 0 || !has_lines(f, i))
            remove_part(f, s_parts[i]);
    if (code != 0 && made)
        rmdir(f->dir);
    return code;
}

static int make(const char *name, cli_line_reader *r, fixture *f)
{
    int code = open_fixture(f, name);
    return finish(f, code ? code : convert(f, r));
}

static void say(const fixture *f, FILE *out)
{
    fprintf(out, "%s: ", f->dir);
    if (f->count)
        fprintf(out, "%zu event%s%s", f->count, f->count == 1 ? "" : "s", f->calls.count ? ", " : "");
    if (f->calls.count)
        fprintf(out, "%zu call%s", f->calls.count, f->calls.count == 1 ? "" : "s");
    cli_fixture_calls_say(&f->calls, out);
    fputs("; ctest -R fixture runs it\n", out);
}

int cli_run_fixture(const cli_args *a, FILE *out)
{
    fixture f = {.count = 0};
    cli_line_reader reader;
    const char *name = a->position_count > 1 ? a->position[1] : a->name;
    if (!name || !name_valid(name)) {
        cli_complain("sut fixture FILE NAME: the name of the case is of a to z, 0 to 9 and _");
        return SUT_EXIT_USAGE;
    }
    int code = cli_lines_open(&reader, a->position[0]);
    cli_fixture_calls_init(&f.calls);
    if (code == 0)
        code = read_head(&reader);
    if (code == 0)
        code = make(name, &reader, &f);
    if (code == 0)
        say(&f, out);
    cli_lines_close(&reader);
    cli_fixture_calls_deinit(&f.calls);
    return code;
}
