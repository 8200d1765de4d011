/* GET /health: what base/health.h knows, rendered at most every 100 ms and only when somebody asks; in between every
 * thread answers from its own copy. */
#ifndef SUT_HTTP_HEALTH_PAGE_H
#define SUT_HTTP_HEALTH_PAGE_H

#include "exchange.h"

typedef struct sut_health_page sut_health_page;

SUT_MUST_CHECK sut_status sut_health_page_new(sut_health_page **out);
sut_health_page *sut_health_page_free(sut_health_page *p);
/* From now on it says "draining" with 503, so that balancers turn away. */
void sut_health_page_drain(sut_health_page *p);
void sut_health_page_answer(sut_health_page *p, sut_exchange *x);

#endif
