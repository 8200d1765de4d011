/* Cursors of lists: where a page ended, signed so that one holds only for the list, the owner, the viewer and the
 * filter that it was made for. They keep no state and do not expire. The key is the actor's own, of 32 bytes, in its
 * database (a table cursor_key with one row), so that all instances have it. Called on the loop's thread. */
#ifndef SUT_KIT_CURSOR_H
#define SUT_KIT_CURSOR_H

#include "kit/kit.h"

#define SUT_CURSOR_FIRST ((sut_cursor){.at_us = INT64_MAX, .id = INT64_MAX})

typedef struct sut_cursor { /* the last item that was shown */
    int64_t at_us, id;
} sut_cursor;

typedef struct sut_cursor_scope {
    const char *list;            /* "followers"; at most 63 bytes */
    int64_t owner_id, viewer_id; /* viewer 0: nobody */
    sut_str filter;              /* whatever else the list was asked; may be absent, which is as empty */
} sut_cursor_scope;

/* Reads the key: call it in on_start. Until then no cursor can be made, and none is right. */
SUT_MUST_CHECK sut_status sut_cursor_start(sut_request *rq);

/* Its text of 64 characters, in the arena; ptr NULL if it could not be made. */
sut_str sut_cursor_make(sut_request *rq, const sut_cursor_scope *scope, const sut_cursor *at);
/* False: it is not one that this list gave. */
SUT_MUST_CHECK bool sut_cursor_read(const sut_cursor_scope *scope, sut_str text, sut_cursor *out);

#endif
