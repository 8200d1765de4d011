/* SipHash (Aumasson, Bernstein 2012) with the numbers of rounds as arguments: 1-3 for hash tables, 2-4 in tests. */
#ifndef SUT_BASE_SIPHASH_H
#define SUT_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t sut_rotl64(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sut_sip_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = sut_rotl64(v[1], 13) ^ v[0];
        v[3] = sut_rotl64(v[3], 16) ^ v[2];
        v[0] = sut_rotl64(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = sut_rotl64(v[1], 17) ^ v[2];
        v[3] = sut_rotl64(v[3], 21) ^ v[0];
        v[2] = sut_rotl64(v[2], 32);
    }
}

static inline uint64_t sut_siphash(const uint64_t key[2], const void *bytes, size_t len, int c_rounds, int d_rounds)
{
    const uint8_t *p = bytes;
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word;
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v[3] ^= word;
        sut_sip_rounds(v, c_rounds);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)p[i] << (8 * i);
    v[3] ^= word;
    sut_sip_rounds(v, c_rounds);
    v[0] ^= word;
    v[2] ^= 0xff;
    sut_sip_rounds(v, d_rounds);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
