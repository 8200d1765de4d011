/* One Cypher statement over Neo4j's HTTP API (POST /db/neo4j/tx/commit), as a transaction of its own. */
#ifndef USER_NEO4J_H
#define USER_NEO4J_H

#include "user.h"

#include <jansson.h>

/* Is one configured? */
bool user_neo4j_configured(void);
/* Ends the process if the settings cannot be right. */
void user_neo4j_check_settings(void);

/* Rows as an array of arrays, which the caller decrefs. `params` is taken over; NULL is an error of memory. Errors as
 * of sut_http, SUT_ERR_UNAVAILABLE for what may be tried again (a deadlock, a server that is starting or full),
 * SUT_ERR_INTERNAL for what may not. timeout_ms as in kit/http.h. */
SUT_MUST_CHECK sut_status user_neo4j(sut_request *rq, const char *cypher, json_t *params, uint32_t timeout_ms,
                                     json_t **rows);

#endif
