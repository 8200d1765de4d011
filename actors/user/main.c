/* sut-user: profiles, settings and connections. */
#include "user.h"
#include "user_service.h"

int main(int argc, char **argv)
{
    sut_actor_options actor = user_actor;
    actor.entries = user_service_entries;
    actor.entry_count = user_service_entry_count;
    actor.consumers = user_consumer_entries;
    actor.consumer_count = user_consumer_entry_count;
    return sut_actor_main(argc, argv, &actor);
}
