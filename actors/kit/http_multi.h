/* The transfers of one process behind kit/http.h. Private to the kit. */
#ifndef SUT_KIT_HTTP_MULTI_H
#define SUT_KIT_HTTP_MULTI_H

#include "kit/http.h"

#include "base/loop.h"

typedef struct sut_http_multi sut_http_multi;

SUT_MUST_CHECK sut_status sut_http_multi_new(sut_http_multi **out, sut_loop *loop);
sut_http_multi *sut_http_multi_free(sut_http_multi *m); /* no fiber waits any more */

#endif
