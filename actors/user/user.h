/* What the files of the user actor share. */
#ifndef USER_USER_H
#define USER_USER_H

#include "kit/kit.h"
#include "kit/pg.h"
#include "user_schema.h"

/* actor.c: all but the entries, which are linked into the program. */
extern const sut_actor_options user_actor;

/* ---- view.c: a profile as its viewer may see it ---- */

/* The columns that user_view_fill reads, in its order; a query that makes profiles selects these first. `p` is
 * user_profiles. */
#define USER_VIEW_COLUMNS                                                                                              \
    "p.user_id, p.username, p.display_name, p.bio, p.avatar_url, p.location, p.website, p.birth_date, "                \
    "p.privacy_settings->>'birth_date', p.privacy_settings->>'location', p.privacy_settings->>'website', "             \
    "p.follower_count, p.following_count, p.post_count, p.created_at, p.updated_at"
#define USER_VIEW_COLUMN_COUNT 16

/* What viewer and owner are to each other, as the bits that user_ties_sql makes. */
typedef enum user_tie {
    USER_TIE_FOLLOWS = 1 << 0,     /* the viewer follows the owner */
    USER_TIE_FOLLOWED_BY = 1 << 1, /* the owner follows the viewer */
    USER_TIE_FRIEND = 1 << 2,
    USER_TIE_ASKED = 1 << 3,    /* the viewer sent a friend request */
    USER_TIE_ASKED_BY = 1 << 4, /* the owner did */
    USER_TIE_BLOCKS = 1 << 5,
    USER_TIE_BLOCKED_BY = 1 << 6,
    USER_TIE_MUTES = 1 << 7
} user_tie;

/* SQL expression for the ties of viewer $2 and owner $1: an integer. */
#define USER_TIES_SQL                                                                                                  \
    "coalesce((SELECT bit_or(CASE WHEN c.user_id = $2 THEN CASE c.kind WHEN 'follow' THEN 1 WHEN 'friend' THEN 4 "     \
    "WHEN 'request' THEN 8 WHEN 'block' THEN 32 ELSE 128 END ELSE CASE c.kind WHEN 'follow' THEN 2 WHEN 'friend' "     \
    "THEN 4 WHEN 'request' THEN 16 WHEN 'block' THEN 64 ELSE 0 END END) FROM connections c WHERE ((c.user_id = $2 "    \
    "AND c.other_id = $1) OR (c.user_id = $1 AND c.other_id = $2)) AND (c.expires_at IS NULL OR c.expires_at > "       \
    "now())), 0)"

/* Fills `out` from a row. viewer_id 0: nobody. The relation block is there for viewers who are not the owner. -ENOMEM
 * or 0.
 */
SUT_MUST_CHECK sut_status user_view_fill(sut_request *rq, const sut_pg_result *r, int row, int64_t viewer_id,
                                         unsigned ties, user_profile *out);

/* The answer to FRIEND checks of this process's own methods (sut_actor_options.friend_check). */
sut_status user_is_friend(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend);

#endif
