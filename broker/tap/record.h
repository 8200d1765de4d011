/* A copied sight on its way from the loop to the tap's thread, and the record that becomes of it. */
#ifndef TAP_RECORD_H
#define TAP_RECORD_H

#include "tap/tap.h"

/* One allocation: the strings are behind it. */
typedef struct tap_copy {
    sut_node node;
    uint64_t session, id; /* the tap's */
    bool personal;
    uint64_t lost;        /* before this one */
    size_t size;
    sut_sight sight;
    sut_principal principal;
    sut_stored_event event;
    uint64_t history_next; /* of the last one of a page of history */
    enum { TAP_LIVE, TAP_HISTORY, TAP_PAGE_END, TAP_OVER } what;
    char bytes[];
} tap_copy;

tap_copy *tap_copy_new(const sut_sight *s); /* NULL: no memory */
/* The record's envelope, appended to `out`. */
SUT_MUST_CHECK sut_status tap_record_encode(const tap_copy *c, sut_buf *scratch, sut_buf *body, sut_envelope *env);

#endif
