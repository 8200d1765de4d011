/* A sight in a ring: what the loop copies, and what the hub's thread reads of it. */
#ifndef SUT_TAP_PACK_H
#define SUT_TAP_PACK_H

#include "ring.h"
#include "wire/sight.h"

#define TAP_BODY_MAX (64u << 10) /* a larger body is not copied: it is withheld */

typedef struct tap_taken {
    sut_sight sight; /* strings point into the ring; absent ones stay absent */
    uint64_t lost;   /* before it */
    size_t bytes;    /* of the body as it passed */
    bool body_left;  /* it was too large */
    bool is_end;     /* no sight: the tap ends here */
} tap_taken;

size_t tap_pack_size(const sut_sight *s);
/* Puts it; false if the ring has no room. `size` is what tap_pack_size said. */
bool tap_pack(tap_ring *r, const sut_sight *s, size_t size, uint64_t lost);
bool tap_pack_end(tap_ring *r, uint64_t lost);
void tap_unpack(const void *record, size_t len, tap_taken *out);

#endif
