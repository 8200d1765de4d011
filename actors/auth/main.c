/* sut-auth: accounts, passwords, login sessions and tokens. */
#include "auth.h"
#include "auth_service.h"

int main(int argc, char **argv)
{
    sut_actor_options actor = auth_actor;
    actor.entries = auth_service_entries;
    actor.entry_count = auth_service_entry_count;
    actor.consumers = auth_consumer_entries;
    actor.consumer_count = auth_consumer_entry_count;
    return sut_actor_main(argc, argv, &actor);
}
