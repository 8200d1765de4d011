/* Two hash maps with open addressing: by 64-bit key and by byte string (keys copied, SipHash with a random key a
 * process, so that a peer cannot choose collisions). Values are borrowed pointers, never NULL. Not thread-safe. */
#ifndef SUT_BASE_MAP_H
#define SUT_BASE_MAP_H

#include "base/str.h"

typedef struct sut_u64map sut_u64map;
typedef struct sut_strmap sut_strmap;

SUT_MUST_CHECK sut_status sut_u64map_new(sut_u64map **out);
sut_u64map *sut_u64map_free(sut_u64map *m);
SUT_MUST_CHECK sut_status sut_u64map_put(sut_u64map *m, uint64_t key, void *value); /* -EEXIST if present */
void *sut_u64map_get(const sut_u64map *m, uint64_t key);                            /* NULL if absent */
void *sut_u64map_take(sut_u64map *m, uint64_t key);                                 /* removes; NULL if absent */
size_t sut_u64map_count(const sut_u64map *m);
/* Iteration in no particular order: start with *pos = 0; false at the end. The map must not change meanwhile. */
bool sut_u64map_next(const sut_u64map *m, size_t *pos, uint64_t *key, void **value);

SUT_MUST_CHECK sut_status sut_strmap_new(sut_strmap **out);
sut_strmap *sut_strmap_free(sut_strmap *m);
SUT_MUST_CHECK sut_status sut_strmap_put(sut_strmap *m, sut_str key, void *value);
void *sut_strmap_get(const sut_strmap *m, sut_str key);
void *sut_strmap_take(sut_strmap *m, sut_str key);
size_t sut_strmap_count(const sut_strmap *m);
bool sut_strmap_next(const sut_strmap *m, size_t *pos, sut_str *key, void **value);

#endif
