/* sut journal: the log on disk. `stats` asks the broker; with --dir, and for the others, the folder is opened
 * read-only, beside a running broker or without one. */
#include "ask.h"
#include "inbox.h"
#include "journal_cmd.h"
#include "render.h"

#include "base/clock.h"
#include "journal/lmdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_folder(const cli_args *a, sut_journal **out)
{
    char error[512] = "";
    const char *dir = a->dir ? a->dir : getenv("SUT_JOURNAL_DIR");
    struct stat st;
    if (!dir || !*dir) {
        cli_complain("which journal? --dir names its folder, or SUT_JOURNAL_DIR");
        return SUT_EXIT_CONFIG;
    }
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        cli_complain("%s: %s", dir, errno && !S_ISDIR(st.st_mode) ? strerror(errno) : "is no folder");
        return CLI_EXIT_NOINPUT;
    }
    sut_lmdb_options opt = {.path = dir, .read_only = true};
    sut_status status = sut_journal_open_lmdb(out, &opt, error, sizeof error);
    if (status == 0)
        return 0;
    cli_complain("%s: %s", dir, *error ? error : strerror(-status));
    return status == -EBADMSG ? CLI_EXIT_DATA : status == -ENOENT ? CLI_EXIT_NOINPUT : SUT_EXIT_IO;
}

int cli_journal_fault(sut_journal *j, sut_status st)
{
    const char *why = sut_journal_last_error(j);
    cli_complain("%s", why && *why ? why : strerror(-st));
    return st == -EBADMSG ? CLI_EXIT_DATA : SUT_EXIT_IO;
}

/* ---- stats ---- */

static void set_time(json_t *o, const char *name, int64_t us)
{
    char text[SUT_RFC3339_SIZE];
    if (us <= 0)
        return;
    sut_rfc3339(us, text);
    json_object_set_new(o, name, json_string(text));
}

static json_t *stats_json(const sut_journal_stats *s)
{
    char id[33];
    sut_hex(s->creation_id, sizeof s->creation_id, id);
    json_t *o =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "first", (json_int_t)s->first, "next",
                  (json_int_t)s->next, "records", (json_int_t)s->records, "record_bytes", (json_int_t)s->record_bytes,
                  "file_bytes", (json_int_t)s->file_bytes, "map_bytes", (json_int_t)s->map_bytes, "delayed",
                  (json_int_t)s->delayed, "dead", (json_int_t)s->dead, "sources", (json_int_t)s->sources, "dedup_ids",
                  (json_int_t)s->dedup_ids, "creation_id", id, "format", (json_int_t)s->format);
    set_time(o, "first_at", s->first_us);
    set_time(o, "last_at", s->last_us);
    return o;
}

static int show_stats(const cli_args *a, const json_t *stats, FILE *out)
{
    if (a->json)
        return cli_dump(stats, out);
    return cli_render_journal(stats, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

static int folder_stats(const cli_args *a, sut_journal *j, FILE *out)
{
    sut_journal_stats s;
    sut_status st = sut_journal_get_stats(j, &s);
    if (st != 0)
        return cli_journal_fault(j, st);
    json_t *o = stats_json(&s);
    int code = show_stats(a, o, out);
    json_decref(o);
    return code;
}

static int broker_stats(const cli_args *a, FILE *out)
{
    json_t *reply;
    int code = cli_ask_once(a, "broker.journal", NULL, &reply, out);
    if (code == 0)
        code = show_stats(a, reply, out);
    json_decref(reply);
    return code;
}

/* ---- verify ---- */

typedef struct verifying {
    FILE *out;
    size_t faults;
} verifying;

static void report(void *arg, const char *line)
{
    verifying *v = arg;
    v->faults++;
    cli_complain("%s", line);
}

static int verify(const cli_args *a, sut_journal *j, FILE *out)
{
    verifying v = {.out = out};
    sut_journal_stats s;
    sut_status st = sut_journal_verify(j, report, &v);
    if (st != 0 && st != -EBADMSG)
        return cli_journal_fault(j, st);
    bool good = st == 0 && sut_journal_get_stats(j, &s) == 0;
    if (a->json)
        fprintf(out, "{\"good\":%s,\"faults\":%zu}\n", good ? "true" : "false", v.faults);
    else if (good)
        fprintf(out, "good: %llu events, %llu to %llu, every checksum and the order hold\n",
                (unsigned long long)s.records, (unsigned long long)s.first, (unsigned long long)(s.next - 1));
    return good ? SUT_EXIT_OK : CLI_EXIT_DATA;
}

/* ---- backup ---- */

static int backup(const cli_args *a, sut_journal *j, FILE *out)
{
    const char *to = a->position[1];
    if (mkdir(to, 0700) != 0 && errno != EEXIST) {
        cli_complain("%s: %s", to, strerror(errno));
        return SUT_EXIT_IO;
    }
    sut_status st = sut_journal_backup(j, to);
    if (st == -EEXIST || st == -ENOTEMPTY) {
        cli_complain("%s: a backup goes into an empty folder", to);
        return SUT_EXIT_USAGE;
    }
    if (st != 0)
        return cli_journal_fault(j, st);
    if (!a->json)
        fprintf(out, "copied to %s; sut journal verify --dir %s checks it\n", to, to);
    else
        fputs("{\"backup\":true}\n", out);
    return SUT_EXIT_OK;
}

int cli_run_journal(const cli_args *a, FILE *out)
{
    static const struct {
        const char *verb;
        size_t positions;
        int (*run)(const cli_args *a, sut_journal *j, FILE *out);
    } verbs[] = {
        {"stats", 1, folder_stats}, {"verify", 1, verify}, {"export", 1, cli_journal_export}, {"backup", 2, backup}};
    const char *verb = a->position_count ? a->position[0] : "stats";
    sut_journal *j;
    for (size_t i = 0; i < SUT_ARRAY_LEN(verbs); i++) {
        if (strcmp(verb, verbs[i].verb) != 0)
            continue;
        if (a->position_count > verbs[i].positions || (a->position_count && a->position_count < verbs[i].positions)) {
            cli_complain("sut journal %s takes %s", verb,
                         verbs[i].positions == 2 ? "a folder to copy into" : "no more arguments");
            return SUT_EXIT_USAGE;
        }
        if (verbs[i].run == folder_stats && !a->dir)
            return broker_stats(a, out);
        int code = cli_stop_begin();
        if (code == 0)
            code = open_folder(a, &j);
        if (code != 0)
            return code;
        code = verbs[i].run(a, j, out);
        sut_journal_close(j);
        return code;
    }
    cli_complain("sut journal '%.40s': must be stats, verify, export or backup", verb);
    return SUT_EXIT_USAGE;
}
