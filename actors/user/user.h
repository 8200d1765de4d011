/* What the files of the user actor share. */
#ifndef USER_USER_H
#define USER_USER_H

#include "kit/kit.h"
#include "kit/pg.h"
#include "user_schema.h"

/* actor.c: all but the entries, which are linked into the program. */
extern const sut_actor_options user_actor;

/* ---- actor.c: settings ---- */

typedef struct user_settings_given {
    const char *neo4j_url, *neo4j_user, *neo4j_password;
} user_settings_given;
extern user_settings_given user_config;

/* ---- view.c: a profile as its viewer may see it ---- */

/* One counter of `p`. */
#define USER_COUNT_SQL(what)                                                                                           \
    "(SELECT coalesce(sum(n." what "), 0)::bigint FROM connection_counts n WHERE n.user_id = p.user_id)"

/* The privacy settings of `p`, as user_privacy_read reads them. */
#define USER_PRIVACY_COLUMNS                                                                                           \
    "p.privacy_settings->>'birth_date', p.privacy_settings->>'location', p.privacy_settings->>'website', "             \
    "p.privacy_settings->>'followers', p.privacy_settings->>'friends', p.privacy_settings->>'mentions', "              \
    "p.privacy_settings->>'friend_requests', p.privacy_settings->>'private_account'"
#define USER_PRIVACY_COLUMN_COUNT 8

/* The columns that user_view_fill reads, in its order; a query that makes profiles selects these first. `p` is
 * user_profiles. */
#define USER_VIEW_COLUMNS                                                                                              \
    "p.user_id, p.username, p.display_name, p.bio, p.avatar_url, p.location, p.website, "                              \
    "p.birth_date, " USER_PRIVACY_COLUMNS                                                                              \
    ", " USER_COUNT_SQL("followers") ", " USER_COUNT_SQL("following") ", p.post_count, "                               \
                                                                      "p.created_at, p.updated_at"
#define USER_VIEW_COLUMN_COUNT 21

/* What viewer and owner are to each other, as the bits that user_ties_sql makes. */
typedef enum user_tie {
    USER_TIE_FOLLOWS = 1 << 0,     /* the viewer follows the owner */
    USER_TIE_FOLLOWED_BY = 1 << 1, /* the owner follows the viewer */
    USER_TIE_FRIEND = 1 << 2,
    USER_TIE_ASKED = 1 << 3,    /* the viewer sent a friend request */
    USER_TIE_ASKED_BY = 1 << 4, /* the owner did */
    USER_TIE_BLOCKS = 1 << 5,
    USER_TIE_BLOCKED_BY = 1 << 6,
    USER_TIE_MUTES = 1 << 7,
    USER_TIE_FOLLOW_ASKED = 1 << 8,    /* the viewer sent a follow request */
    USER_TIE_FOLLOW_ASKED_BY = 1 << 9, /* the owner did */
    USER_TIE_MUTED_BY = 1 << 10        /* never shown */
} user_tie;
/* Either blocks the other: to both, the other is not there. */
#define USER_TIES_HIDING ((unsigned)USER_TIE_BLOCKS | (unsigned)USER_TIE_BLOCKED_BY)

/* SQL: is `p` there at all? Suspended and deactivated people are to everybody as if they were not (accounts.c); each
 * statement that finds somebody says this, besides what ties hide. To themselves they are there: who has just come back
 * need not wait for the event that says so. */
#define USER_PRESENT_SQL "NOT p.hidden"

/* SQL expression for the ties of `viewer` and `owner`, each an SQL expression: an integer. */
#define USER_TIES_OF_SQL(viewer, owner)                                                                                \
    "(SELECT coalesce(bit_or(CASE WHEN c.user_id = " viewer " THEN CASE c.kind WHEN 'follow' THEN 1 WHEN 'friend' "    \
    "THEN 4 WHEN 'request' THEN 8 WHEN 'block' THEN 32 WHEN 'mute' THEN 128 WHEN 'follow_request' THEN 256 ELSE 0 "    \
    "END ELSE CASE c.kind WHEN 'follow' THEN 2 WHEN 'friend' THEN 4 WHEN 'request' THEN 16 WHEN 'block' THEN 64 "      \
    "WHEN 'follow_request' THEN 512 WHEN 'mute' THEN 1024 ELSE 0 END END), 0) FROM connections c "                     \
    "WHERE ((c.user_id = " viewer " AND c.other_id = " owner ") OR (c.user_id = " owner " AND c.other_id = " viewer    \
    ")) AND (c.expires_at IS NULL OR c.expires_at > now()))"
/* The same of viewer $2 and owner $1. */
#define USER_TIES_SQL USER_TIES_OF_SQL("$2", "$1")

/* Fills `out` from a row. viewer_id 0: nobody. The relation block is there for viewers who are not the owner. -ENOMEM
 * or 0.
 */
SUT_MUST_CHECK sut_status user_view_fill(sut_request *rq, const sut_pg_result *r, int row, int64_t viewer_id,
                                         unsigned ties, user_profile *out);

/* A relation block of the viewer's ties. NULL: no memory. */
user_relation *user_relation_of(sut_request *rq, unsigned ties);

typedef struct user_privacy {
    user_audience birth_date, location, website, followers, friends, mentions, friend_requests;
    bool private_account;
} user_privacy;
/* From USER_PRIVACY_COLUMNS, the first of which is `col`. What is not said has its default; what a later version wrote
 * and this one does not know counts as nobody, and as private. */
user_privacy user_privacy_read(const sut_pg_result *r, int row, int col);
/* Is one with these ties to the owner among them? */
bool user_audience_has(user_audience who, unsigned ties);

/* ---- list.c ---- */

/* Cards of those of `ids` (distinct) who are there for `viewer` (0: nobody in particular): a list of user_card in order
 * of ids. One fast read. */
SUT_MUST_CHECK sut_status user_cards_read(sut_request *rq, const int64_t *ids, size_t count, int64_t viewer,
                                          sut_list *out);

/* "There is no such user.": for whoever is not there, and for whoever must seem so. */
sut_status user_not_found(sut_request *rq);

/* cleanup.c: a periodic function. */
sut_status user_cleanup(sut_request *rq, void *arg);
/* popular.c: the same. */
sut_status user_popular_count(sut_request *rq, void *arg);

/* The answer to FRIEND checks of this process's own methods (sut_actor_options.friend_check). */
sut_status user_is_friend(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend);

#endif
