/* Cursors of this actor's lists (kit/cursor.h). */
#ifndef USER_CURSOR_H
#define USER_CURSOR_H

#include "kit/cursor.h"

#define USER_CURSOR_FIRST SUT_CURSOR_FIRST

typedef sut_cursor user_cursor;
typedef sut_cursor_scope user_cursor_scope;

/* sut_actor_options.on_start: reads the key. Until then no cursor can be made, and none is right. */
sut_status user_cursor_start(sut_request *rq, void *arg);

/* Its text, in the arena; ptr NULL if it could not be made. */
sut_str user_cursor_make(sut_request *rq, const user_cursor_scope *scope, const user_cursor *at);
/* 0, or USER_ERR_BAD_CURSOR. */
SUT_MUST_CHECK sut_status user_cursor_read(sut_request *rq, const user_cursor_scope *scope, sut_str text,
                                           user_cursor *out);

#endif
