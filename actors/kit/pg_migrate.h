/* Migrations, run on a worker thread over a plain blocking connection: a file holds many statements, which the
 * pipeline's protocol does not take. Private to the kit. */
#ifndef SUT_KIT_PG_MIGRATE_H
#define SUT_KIT_PG_MIGRATE_H

#include "pg_port.h"

typedef enum {
    SUT_MIGRATED,
    SUT_MIGRATE_AWAY,   /* the server went away: begin again */
    SUT_MIGRATE_EDITED, /* a file that was applied has changed since */
    SUT_MIGRATE_FAILED  /* a file does not run */
} sut_migrate_outcome;

typedef struct sut_migrate_job {
    const sut_pg *pg; /* where; only its parsed URL is read */
    const sut_pg_migrations *migrations;
    sut_migrate_outcome outcome;
    int applied;
    char error[256]; /* one line */
} sut_migrate_job;

/* For sut_work. */
void sut_migrate(void *job);

#endif
