/* The server's address, looked up on a worker thread: libpq itself would stop the loop for as long as a name server
 * takes. Private to the kit. */
#ifndef SUT_KIT_PG_LOOKUP_H
#define SUT_KIT_PG_LOOKUP_H

#include "kit/kit.h"

#define SUT_PG_ADDRESS_SIZE 64 /* of an IPv6 address with its scope */
#define SUT_PG_HOST_SIZE    256

/* Is it a name (and not a path, an address, or a list, which libpq takes as it is)? */
bool sut_pg_is_name(const char *host);
/* Parks; 0 and an address as text, or an error number with its words. */
SUT_MUST_CHECK sut_status sut_pg_lookup(sut_request *rq, const char *host, char address[SUT_PG_ADDRESS_SIZE]);

#endif
