/* CRC-32C: eight tables at a time ("slicing by 8"), or the processor's own instruction. Which one is chosen once. */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */

static uint32_t s_table[8][256];
static uint32_t (*s_best)(uint32_t crc, const uint8_t *p, size_t len);

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8); /* little-endian, as all that we run on */
        word ^= crc;
        crc = s_table[7][word & 0xff] ^ s_table[6][(word >> 8) & 0xff] ^ s_table[5][(word >> 16) & 0xff] ^
              s_table[4][(word >> 24) & 0xff] ^ s_table[3][(word >> 32) & 0xff] ^ s_table[2][(word >> 40) & 0xff] ^
              s_table[1][(word >> 48) & 0xff] ^ s_table[0][word >> 56];
    }
    while (len--)
        crc = s_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}
#endif

static void choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        s_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            s_table[t][i] = (s_table[t - 1][i] >> 8) ^ s_table[0][s_table[t - 1][i] & 0xff];
    s_best = by_table;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        s_best = by_instruction;
#endif
}

static void ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, choose);
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    ready();
    return ~s_best(~crc, bytes, len);
}

uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t len)
{
    ready();
    return ~by_table(~crc, bytes, len);
}
