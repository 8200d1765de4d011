/* The access list as lines of text: finding, adding and revoking peers. Private to `sut key`; broker/core has the
 * format's description (core/acl.h) and is the judge of it. */
#ifndef SUT_CLI_KEY_ACL_H
#define SUT_CLI_KEY_ACL_H

#include "base/buf.h"

typedef enum sut_key_state { SUT_KEY_ABSENT, SUT_KEY_ACTIVE, SUT_KEY_REVOKED } sut_key_state;

typedef struct sut_key_rights { /* NULL: the role's default */
    const char *role, *call, *serve, *publish, *subscribe, *tap;
    const char *replay;    /* NULL: none; operators */
    const char *curve_key; /* NULL: none */
} sut_key_rights;

typedef struct sut_key_row {
    sut_str name, role, call, serve, key; /* "" if the line does not say */
    bool revoked;
} sut_key_row;

bool sut_key_name_valid(const char *name);
bool sut_key_patterns_valid(const char *patterns);
/* Fills in what the role gives by default. False for an unknown role, or an actor whose name cannot be a service's and
 * who is not told what to serve. `scratch` holds made-up strings. */
bool sut_key_rights_default(const char *name, sut_key_rights *r, char scratch[256]);

sut_key_state sut_key_find(sut_str acl, const char *name);
/* The list with a line for `name`, in place of the one that it had, or at the end. */
SUT_MUST_CHECK sut_status sut_key_with(sut_str acl, const char *name, const sut_key_rights *r, sut_buf *out);
/* The list with that peer's line marked as revoked. */
SUT_MUST_CHECK sut_status sut_key_without(sut_str acl, const char *name, sut_buf *out);
/* Steps through the peers: *rest starts as the list. False at the end. */
bool sut_key_next(sut_str *rest, sut_key_row *row);

#endif
