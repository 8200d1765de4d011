/* What the actor is. */
#include "cursor.h"
#include "user.h"

#include "user_migrations.h"

static const sut_periodic s_periodics[] = {
    {.name = "user.cleanup", .fn = user_cleanup, .every_ms = 60000},
};

const sut_actor_options user_actor = {
    .name = "user",
    .summary = "profiles, settings and connections",
    .database_setting = "USER_DATABASE_URL",
    .migrations = &user_migrations,
    .friend_check = user_is_friend,
    .on_start = user_cursor_start,
    .periodics = s_periodics,
    .periodic_count = SUT_ARRAY_LEN(s_periodics),
};
