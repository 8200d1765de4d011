/* Writing msgpack item by item, for bodies that no record table describes (the broker's status, tests). Maps and arrays
 * are a head with a count, then that many pairs or items. Each returns 0, -ENOMEM, or -EMSGSIZE past the buffer's limit
 * (then nothing was written) or past 4 GiB. Numbers and heads take their shortest form. */
#ifndef SUT_WIRE_MSGPACK_H
#define SUT_WIRE_MSGPACK_H

#include "base/buf.h"

SUT_MUST_CHECK sut_status sut_mp_add_nil(sut_buf *b);
SUT_MUST_CHECK sut_status sut_mp_add_bool(sut_buf *b, bool v);
SUT_MUST_CHECK sut_status sut_mp_add_int(sut_buf *b, int64_t v);
SUT_MUST_CHECK sut_status sut_mp_add_uint(sut_buf *b, uint64_t v);
SUT_MUST_CHECK sut_status sut_mp_add_f64(sut_buf *b, double v);
SUT_MUST_CHECK sut_status sut_mp_add_str(sut_buf *b, sut_str s);
SUT_MUST_CHECK sut_status sut_mp_add_bin(sut_buf *b, sut_str s);
SUT_MUST_CHECK sut_status sut_mp_add_array(sut_buf *b, size_t count);
SUT_MUST_CHECK sut_status sut_mp_add_map(sut_buf *b, size_t pairs);

#endif
