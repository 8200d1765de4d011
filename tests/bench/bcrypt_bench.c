/* The raw bcrypt rate: THREADS threads hash with cost COST for SECONDS; prints `hashes_per_s`. What registration is
 * limited by. */
#include <crypt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_long hashes;
static atomic_int stop;
static char setting[CRYPT_GENSALT_OUTPUT_SIZE];

static void *hash(void *arg)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    (void)arg;
    while (data && !stop) {
        if (!crypt_r("correct horse battery", setting, data))
            break;
        if (!stop)
            hashes++;
    }
    free(data);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bcrypt_bench COST THREADS SECONDS\n");
        return 64;
    }
    int threads = atoi(argv[2]);
    double seconds = atof(argv[3]);
    if (threads < 1 || threads > 64 || seconds <= 0)
        return 64;
    if (!crypt_gensalt_rn("$2b$", strtoul(argv[1], NULL, 10), NULL, 0, setting, sizeof setting))
        return 1;
    pthread_t t[64];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, hash, NULL) != 0)
            return 1;
    struct timespec wait = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&wait, NULL);
    long n = hashes;
    stop = 1;
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    printf("%.1f\n", (double)n / seconds);
    return 0;
}
