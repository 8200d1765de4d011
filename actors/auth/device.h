/* What somebody logged in with, in plain words. */
#ifndef AUTH_DEVICE_H
#define AUTH_DEVICE_H

#include "kit/kit.h"

#define AUTH_DEVICE_CHARS_MAX 64

/* "Firefox on Linux" of a User-Agent (RFC 9110 section 10.1.5), in the request's arena; the name of the first product,
 * if it is a plain one ("curl"); absent if there is nothing to say. It is what the client claims, for its owner to
 * recognise: nothing may be decided by it. Never longer than AUTH_DEVICE_CHARS_MAX, and of letters, digits, blanks and
 * ._- only. */
sut_str auth_device_words(sut_request *rq, sut_str user_agent);

#endif
