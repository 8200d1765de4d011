/* Stands between an actor and PostgreSQL, and lets a COMMIT through whose answer never comes back: the moment between
 * commit and reply, held open for as long as a test wants. */
#ifndef USER_HELD_COMMIT_TEST_H
#define USER_HELD_COMMIT_TEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct held_commit {
    char dir[64];
    char url[200]; /* for the actor */
    const char *server_dir;
    _Atomic bool *armed; /* from now on: shared with the actor's process */
    int listener, wake[2];
    pthread_t thread;
} held_commit;

void held_commit_start(held_commit *h, const char *server_dir, _Atomic bool *armed);
void held_commit_stop(held_commit *h);

#endif
