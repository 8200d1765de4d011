/* Numbers of PostgreSQL's system types (pg_type.dat) and of its calendar, which begins on 2000-01-01. */
#ifndef SUT_KIT_PG_TYPES_H
#define SUT_KIT_PG_TYPES_H

#include <stdint.h>

enum {
    SUT_OID_BOOL = 16,
    SUT_OID_BYTEA = 17,
    SUT_OID_NAME = 19,
    SUT_OID_INT8 = 20,
    SUT_OID_INT2 = 21,
    SUT_OID_INT4 = 23,
    SUT_OID_TEXT = 25,
    SUT_OID_JSON = 114,
    SUT_OID_FLOAT4 = 700,
    SUT_OID_FLOAT8 = 701,
    SUT_OID_UNKNOWN = 705,
    SUT_OID_TEXT_ARRAY = 1009,
    SUT_OID_INT8_ARRAY = 1016,
    SUT_OID_BPCHAR = 1042,
    SUT_OID_VARCHAR = 1043,
    SUT_OID_DATE = 1082,
    SUT_OID_TIMESTAMPTZ = 1184,
    SUT_OID_JSONB = 3802,
    SUT_OID_FIRST_OWN = 16384 /* types made by users and extensions: enums, citext */
};

#define SUT_PG_EPOCH_DAYS 10957
#define SUT_PG_EPOCH_US   (INT64_C(10957) * 86400 * 1000000)

#endif
