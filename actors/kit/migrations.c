/* The tables that the kit keeps in each actor's database. */
#include "migrations.h"

static const char s_idempotency[] = "CREATE TABLE sut_idempotency ("
                                    " principal bigint NOT NULL, method text NOT NULL, key text NOT NULL,"
                                    " fingerprint bytea NOT NULL, reply bytea NOT NULL,"
                                    " created_at timestamptz NOT NULL DEFAULT now(),"
                                    " PRIMARY KEY (principal, method, key));\n"
                                    "CREATE INDEX sut_idempotency_age ON sut_idempotency (created_at);\n";

/* The ids of sut_outbox must have no cache: two sessions that write events of one key take turns at the key's row, and
 * their ids must then follow in that order. The index of numbers is not unique, since numbers move down by one when an
 * event is set aside. A source is named after its database and by chance: a copy of the database, or another one of the
 * same name, is not taken for it. */
static const char s_outbox[] =
    "CREATE TABLE sut_outbox ("
    " id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, event_id bytea NOT NULL, subject text NOT NULL,"
    " key text, body bytea NOT NULL, user_id bigint NOT NULL, level integer NOT NULL, session text,"
    " traceparent text NOT NULL, not_before bigint NOT NULL, number bigint,"
    " created_at timestamptz NOT NULL DEFAULT now());\n"
    "CREATE INDEX sut_outbox_number ON sut_outbox (number) WHERE number IS NOT NULL;\n"
    "CREATE INDEX sut_outbox_new ON sut_outbox (id) WHERE number IS NULL;\n"
    "CREATE TABLE sut_outbox_source ("
    " one boolean PRIMARY KEY DEFAULT TRUE CHECK (one), source text NOT NULL, epoch bigint NOT NULL DEFAULT 0,"
    " last_number bigint NOT NULL DEFAULT 0, owner text, renewed_at timestamptz);\n"
    "INSERT INTO sut_outbox_source (source) SELECT left(regexp_replace(current_database(), '[^A-Za-z0-9_-]', '_', "
    "'g'), 32) || '.' ||"
    " left(md5(random()::text || clock_timestamp()), 12);\n"
    "CREATE TABLE sut_outbox_refused ("
    " id bigint PRIMARY KEY, event_id bytea NOT NULL, subject text NOT NULL, key text, body bytea NOT NULL,"
    " user_id bigint NOT NULL, level integer NOT NULL, session text, traceparent text NOT NULL,"
    " not_before bigint NOT NULL, created_at timestamptz NOT NULL, refused_at timestamptz NOT NULL DEFAULT now(),"
    " code text NOT NULL, message text NOT NULL);\n";

static const char s_consumed[] = "CREATE TABLE sut_consumed ("
                                 " grp text NOT NULL, generation bigint NOT NULL, event_id bytea NOT NULL,"
                                 " at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (grp, generation, event_id));\n"
                                 "CREATE INDEX sut_consumed_age ON sut_consumed (at);\n";

static const char s_projections[] =
    "CREATE TABLE sut_projections ("
    " name text PRIMARY KEY, run bigint NOT NULL, state text NOT NULL, error text, rows bigint NOT NULL DEFAULT 0,"
    " replayed bigint NOT NULL DEFAULT 0, missing bigint NOT NULL DEFAULT 0, extra bigint NOT NULL DEFAULT 0,"
    " different bigint NOT NULL DEFAULT 0, renewed_at timestamptz NOT NULL);\n";

static const sut_pg_migration s_items[] = {
    {1, "0001_idempotency", s_idempotency},
    {2, "0002_outbox", s_outbox},
    {3, "0003_consumed", s_consumed},
    {4, "0004_projections", s_projections},
};
const sut_pg_migrations sut_kit_migrations = {"kit", s_items, SUT_ARRAY_LEN(s_items)};
