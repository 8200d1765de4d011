/* The kit's cursors, with this actor's error. */
#include "cursor.h"

#include "user_schema.h"

sut_status user_cursor_start(sut_request *rq, void *arg)
{
    (void)arg;
    return sut_cursor_start(rq);
}

sut_str user_cursor_make(sut_request *rq, const user_cursor_scope *scope, const user_cursor *at)
{
    return sut_cursor_make(rq, scope, at);
}

sut_status user_cursor_read(sut_request *rq, const user_cursor_scope *scope, sut_str text, user_cursor *out)
{
    if (!sut_cursor_read(scope, text, out))
        return sut_fail(rq, USER_ERR_BAD_CURSOR, "This cursor is not one that this list gave to you.");
    return 0;
}
