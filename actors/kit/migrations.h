/* The tables that the kit keeps in each actor's database. Private to the kit. */
#ifndef SUT_KIT_MIGRATIONS_H
#define SUT_KIT_MIGRATIONS_H

#include "kit/pg.h"

extern const sut_pg_migrations sut_kit_migrations; /* run before the actor's own */

#endif
