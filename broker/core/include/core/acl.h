/* Who may do what: the broker's access list. Pure: text in, answers out; the daemon reads the file and watches `sut
 * key`.
 *
 * One peer a line, `#` comments, blanks between words; a missing word means nothing is allowed:
 *   NAME role=edge|actor|tool|operator call=PATTERNS serve=PATTERNS publish=PATTERNS subscribe=PATTERNS tap=PATTERNS
 *   [replay=PATTERNS] [key=CURVE-PUBLIC-Z85] [revoked]
 * replay=: of an operator, the calls that it may make again for whom they were made.
 * NAME: 1 to 64 letters, digits, '.', '_', '-'. role= is required, a name and a key appear once in the file.
 * PATTERNS: comma-separated subjects as sut_subject_match has them, or `-`. A pattern that starts with a wildcard does
 * not match `broker.…`: the broker's own methods must be named (`broker.*`). */
#ifndef SUT_CORE_ACL_H
#define SUT_CORE_ACL_H

#include "base/str.h"

typedef enum sut_role { SUT_ROLE_NONE, SUT_ROLE_EDGE, SUT_ROLE_ACTOR, SUT_ROLE_TOOL, SUT_ROLE_OPERATOR } sut_role;
typedef enum sut_right {
    SUT_RIGHT_CALL,
    SUT_RIGHT_SERVE,
    SUT_RIGHT_PUBLISH,
    SUT_RIGHT_SUBSCRIBE,
    SUT_RIGHT_TAP,
    SUT_RIGHT_REPLAY,
    SUT_RIGHT_COUNT
} sut_right;

typedef struct sut_acl sut_acl;
typedef struct sut_acl_entry sut_acl_entry;

/* Parses a whole file. On error returns -EINVAL and writes `LINE: what is wrong; what would be right` into `error`. */
SUT_MUST_CHECK sut_status sut_acl_parse(sut_acl **out, sut_str text, char *error, size_t error_size);
sut_acl *sut_acl_free(sut_acl *acl);
/* NULL if the name is unknown or revoked. Entries die with their sut_acl. */
const sut_acl_entry *sut_acl_find(const sut_acl *acl, sut_str name);
const sut_acl_entry *sut_acl_find_key(const sut_acl *acl, sut_str z85_public_key);
sut_role sut_acl_role(const sut_acl_entry *e);
sut_str sut_acl_name(const sut_acl_entry *e);
bool sut_acl_allows(const sut_acl_entry *e, sut_right right, sut_str subject);
/* May it have all subjects that the pattern matches? */
bool sut_acl_allows_pattern(const sut_acl_entry *e, sut_right right, sut_str pattern);
/* Is the subject named there in full? What a wildcard allows is not enough. */
bool sut_acl_names(const sut_acl_entry *e, sut_right right, sut_str subject);
/* May this peer serve a whole service (`user`)? Its serve patterns must match the service's name or all of its methods
 * (`user`, `user.*`, `user.>`); the right to one method is not enough. */
bool sut_acl_may_serve(const sut_acl_entry *e, sut_str service);
/* May this peer set a principal on any call? Edge and actor: yes; tool and operator: no. */
bool sut_acl_may_set_principal(const sut_acl_entry *e);
const char *sut_role_name(sut_role r);
bool sut_role_parse(sut_str s, sut_role *out);

#endif
