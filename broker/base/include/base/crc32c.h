/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of records on disk. With SSE 4.2 where the processor has
 * it.
 */
#ifndef SUT_BASE_CRC32C_H
#define SUT_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* `crc`: 0, or what the bytes before gave. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t len);

#endif
