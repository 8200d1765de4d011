/* What operators look at that others may not see is written to the journal, with the reason that they gave. */
#ifndef SUT_APP_AUDIT_H
#define SUT_APP_AUDIT_H

#include "control_request.h"

/* May this caller see personal fields for that reason? If so it is journalled as ops.personal_shown before anything is
 * shown. False: the request was refused, and is over. */
bool sut_audit_personal(sut_control_request *rq, sut_str reason);

/* A peer makes a recorded call again for its principal: journalled as ops.call_repeated. False if it cannot be. */
bool sut_audit_repeated(struct sut_broker *b, const char *peer, const sut_envelope *env);

/* Appends an event of the broker itself. False if the journal takes none now. */
bool sut_audit_append(struct sut_broker *b, sut_str subject, sut_str body);

#endif
