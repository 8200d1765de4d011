/* sut-user: profiles, settings and connections. */
#include "user.h"

#include "user_migrations.h"
#include "user_service.h"

int main(int argc, char **argv)
{
    sut_actor_options actor = {
        .name = "user",
        .summary = "profiles, settings and connections",
        .entries = user_service_entries,
        .entry_count = user_service_entry_count,
        .database_setting = "USER_DATABASE_URL",
        .migrations = &user_migrations,
        .friend_check = user_is_friend,
    };
    return sut_actor_main(argc, argv, &actor);
}
