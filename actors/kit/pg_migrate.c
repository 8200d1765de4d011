/* Forward-only migrations under an advisory lock: each file is one transaction together with the row that records it,
 * so that a process killed at any point leaves either all of a file or nothing of it; concurrent starters wait for the
 * lock and then find the work done. A recorded file's checksum must not change. */
#include "pg_migrate.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static const char s_create[] = "CREATE TABLE IF NOT EXISTS sut_migrations ("
                               " service text NOT NULL, number integer NOT NULL, name text NOT NULL,"
                               " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),"
                               " PRIMARY KEY (service, number))";
static const char s_lock[] = "SELECT pg_advisory_lock(hashtextextended('sut_migrations:' || $1, 0))";
static const char s_look[] = "SELECT name, checksum = encode(sha256(convert_to($3, 'UTF8')), 'hex') FROM sut_migrations"
                             " WHERE service = $1 AND number = $2::integer";
static const char s_record[] = "INSERT INTO sut_migrations (service, number, name, checksum) VALUES"
                               " ($1, $2::integer, $3, encode(sha256(convert_to($4, 'UTF8')), 'hex'))";

static void s_clear(PGresult **r)
{
    PQclear(*r);
}

static void s_close(PGconn **c)
{
    PQfinish(*c);
}

/* The first line of what PostgreSQL says. */
static void s_set_error(sut_migrate_job *job, PGconn *c, const char *what, sut_migrate_outcome outcome)
{
    const char *text = PQerrorMessage(c);
    job->outcome = PQstatus(c) == CONNECTION_BAD ? SUT_MIGRATE_AWAY : outcome;
    snprintf(job->error, sizeof(job->error), "%s: %.*s", what, (int)strcspn(text, "\n"), text);
}

static PGresult *s_query(PGconn *c, const char *sql, const char *const *params, int count)
{
    return PQexecParams(c, sql, count, NULL, params, NULL, NULL, 0);
}

static bool s_exec(sut_migrate_job *job, PGconn *c, const char *sql, const char *const *params, int count,
                   const char *what)
{
    PGresult *r SUT_CLEANUP(s_clear) = params ? s_query(c, sql, params, count) : PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK)
        return true;
    s_set_error(job, c, what, SUT_MIGRATE_FAILED);
    return false;
}

/* 1: recorded as it is; 0: not recorded; -1: job->error says. */
static int s_recorded(sut_migrate_job *job, PGconn *c, const sut_pg_migration *m, const char *number)
{
    const char *params[] = {job->migrations->service, number, m->sql};
    PGresult *r SUT_CLEANUP(s_clear) = s_query(c, s_look, params, SUT_ARRAY_LEN(params));
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        s_set_error(job, c, m->name, SUT_MIGRATE_FAILED);
        return -1;
    }
    if (PQntuples(r) == 0)
        return 0;
    if (strcmp(PQgetvalue(r, 0, 0), m->name) == 0 && PQgetvalue(r, 0, 1)[0] == 't')
        return 1;
    job->outcome = SUT_MIGRATE_EDITED;
    snprintf(job->error, sizeof(job->error),
             "migration %s is not what was applied to this database as number %s (%s): restore it, and put the change "
             "into a new file",
             m->name, number, PQgetvalue(r, 0, 0));
    return -1;
}

static bool s_apply(sut_migrate_job *job, PGconn *c, const sut_pg_migration *m, const char *number)
{
    const char *params[] = {job->migrations->service, number, m->name, m->sql};
    char what[128];
    snprintf(what, sizeof(what), "migration %s", m->name);
    if (!s_exec(job, c, "BEGIN", NULL, 0, what) || !s_exec(job, c, m->sql, NULL, 0, what))
        return false;
    if (PQtransactionStatus(c) != PQTRANS_INTRANS) {
        job->outcome = SUT_MIGRATE_FAILED;
        snprintf(job->error, sizeof(job->error),
                 "%s ends its own transaction: it must hold no BEGIN, COMMIT or ROLLBACK", what);
        return false;
    }
    if (!s_exec(job, c, s_record, params, SUT_ARRAY_LEN(params), what) || !s_exec(job, c, "COMMIT", NULL, 0, what))
        return false;
    job->applied++;
    sut_log(SUT_INFO, "kit", "migration.applied", SUT_KV("service", job->migrations->service), SUT_KV("name", m->name));
    return true;
}

static PGconn *s_connect(const sut_pg *pg)
{
    const char *keywords[SUT_PG_CONNINFO_MAX], *values[SUT_PG_CONNINFO_MAX];
    sut_pg_conninfo(pg, false, keywords, values);
    for (size_t i = 0; keywords[i]; i++)
        if (strcmp(keywords[i], "options") == 0)
            values[i] = "-c client_min_messages=warning"; /* no time limit: building an index may take long */
    return PQconnectdbParams(keywords, values, 0);
}

static void s_ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

void sut_migrate(void *arg)
{
    sut_migrate_job *job = arg;
    PGconn *c SUT_CLEANUP(s_close) = s_connect(job->pg);
    job->outcome = SUT_MIGRATED;
    if (PQstatus(c) != CONNECTION_OK) {
        s_set_error(job, c, "migrations", SUT_MIGRATE_AWAY);
        return;
    }
    PQsetNoticeReceiver(c, s_ignore_notice, NULL);
    const char *service[] = {job->migrations->service};
    if (!s_exec(job, c, s_lock, service, 1, "the migrations' lock") ||
        !s_exec(job, c, s_create, NULL, 0, "the table sut_migrations"))
        return;
    for (size_t i = 0; i < job->migrations->count; i++) {
        const sut_pg_migration *m = &job->migrations->items[i];
        char number[16];
        snprintf(number, sizeof(number), "%d", m->number);
        int recorded = s_recorded(job, c, m, number);
        if (recorded < 0 || (recorded == 0 && !s_apply(job, c, m, number)))
            return;
    }
}
