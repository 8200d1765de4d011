/* Counts of attempts in a fixed amount of memory, by keys of 16 bytes. No clock and no stores: the caller gives the
 * time. One thread. */
#ifndef AUTH_THROTTLE_TABLE_H
#define AUTH_THROTTLE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define AUTH_BUCKET_KEY 16

typedef struct auth_bucket_key {
    uint8_t bytes[AUTH_BUCKET_KEY]; /* of a hash: evenly spread */
} auth_bucket_key;

/* `free` attempts cost nothing. The one after makes the next wait base_ms, and each further one twice as long, up to
 * max_ms. One attempt is forgotten in drain_ms. */
typedef struct auth_bucket_rule {
    uint32_t free, base_ms, max_ms, drain_ms;
} auth_bucket_rule;

#define AUTH_TABLE_SETS 4096u
#define AUTH_TABLE_WAYS 4u

typedef struct auth_bucket {
    auth_bucket_key key;
    double count; /* 0: nobody's */
    uint64_t at_ms, until_ms;
} auth_bucket;

typedef struct auth_throttle_table {
    auth_bucket buckets[AUTH_TABLE_SETS][AUTH_TABLE_WAYS]; /* zeroed: empty */
} auth_throttle_table;

/* Takes one attempt of all `n` keys, or of none: returns 0, or the milliseconds until it may be tried again (then
 * nothing is counted). Of more keys than there is room for, those with the fewest attempts are forgotten. */
uint64_t auth_table_take(auth_throttle_table *t, const auth_bucket_key *keys, const auth_bucket_rule *rules, size_t n,
                         uint64_t now_ms);
/* Gives one attempt of each back. */
void auth_table_refund(auth_throttle_table *t, const auth_bucket_key *keys, const auth_bucket_rule *rules, size_t n,
                       uint64_t now_ms);

#endif
