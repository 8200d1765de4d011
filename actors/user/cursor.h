/* Cursors of lists: where a page ended, signed so that one holds only for the list, the owner and the viewer that it
 * was made for. They keep no state and do not expire. */
#ifndef USER_CURSOR_H
#define USER_CURSOR_H

#include "kit/kit.h"

#define USER_CURSOR_FIRST ((user_cursor){.at_us = INT64_MAX, .id = INT64_MAX})

typedef struct user_cursor { /* the last item that was shown */
    int64_t at_us, id;
} user_cursor;

typedef struct user_cursor_scope {
    const char *list;            /* "followers" */
    int64_t owner_id, viewer_id; /* viewer 0: nobody */
} user_cursor_scope;

/* sut_actor_options.on_start: reads the key. Until then no cursor can be made, and none is right. */
sut_status user_cursor_start(sut_request *rq, void *arg);

/* Its text, in the arena; ptr NULL if it could not be made. */
sut_str user_cursor_make(sut_request *rq, const user_cursor_scope *scope, const user_cursor *at);
/* 0, or USER_ERR_BAD_CURSOR. */
SUT_MUST_CHECK sut_status user_cursor_read(sut_request *rq, const user_cursor_scope *scope, sut_str text,
                                           user_cursor *out);

#endif
