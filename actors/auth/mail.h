/* Mails that auth sends, and the single-use tokens in them (docs/decisions/0021-mail.md). */
#ifndef AUTH_MAIL_H
#define AUTH_MAIL_H

#include "auth.h"

#include "mail/mail.h"

typedef enum { AUTH_MAIL_VERIFY, AUTH_MAIL_RESET, AUTH_MAIL_CHANGED } auth_mail_kind;

#define AUTH_MAIL_ID_SIZE 33 /* 16 random bytes in hex, and NUL */

extern sut_mailer *auth_mailer; /* made at start */

/* ---- mail.c: asking for one ---- */

/* Queues a mail in the transaction that causes it, with its token if it has one, and publishes mail.requested. `*asked`
 * (may be NULL) false: the address has been sent enough of this kind within an hour, nothing was done. Takes the same
 * work whoever has the address. Lock the account's row before, if there is one. */
SUT_MUST_CHECK sut_status auth_mail_ask(sut_request *rq, sut_pg_tx *tx, auth_mail_kind kind, sut_str email,
                                        bool *asked);
/* As a transaction of its own. `arg` is an auth_mail_asking. */
typedef struct auth_mail_asking {
    auth_mail_kind kind;
    sut_str email;
    bool asked;
} auth_mail_asking;
SUT_MUST_CHECK sut_status auth_mail_ask_alone(sut_request *rq, auth_mail_asking *asking);

const char *auth_mail_kind_name(auth_mail_kind kind);

/* ---- mail_token.c ---- */

/* The token of this mail under this key, into the arena; ptr NULL: no memory. */
sut_str auth_mail_token(sut_request *rq, const sut_key *key, auth_mail_kind kind, const char *id,
                        uint8_t hash[AUTH_TOKEN_HASH_SIZE]);

/* A token that a client has shown. */
typedef struct auth_link {
    auth_mail_kind kind;
    uint8_t hash[AUTH_TOKEN_HASH_SIZE];
} auth_link;

/* 0, or AUTH_ERR_LINK_INVALID if it does not look like one of ours. */
SUT_MUST_CHECK sut_status auth_link_read(sut_request *rq, auth_mail_kind kind, sut_str token, auth_link *out);
/* Would auth_link_use take it now? 0 or AUTH_ERR_LINK_INVALID, _EXPIRED, _USED. For what is dear to do before. */
SUT_MUST_CHECK sut_status auth_link_look(sut_request *rq, const auth_link *link);
/* Uses it up in the transaction, and locks its account's row first; of several at the same time one gets 0. *user_id is
 * the active account that has the address. Errors as auth_link_look. */
SUT_MUST_CHECK sut_status auth_link_use(sut_request *rq, sut_pg_tx *tx, const auth_link *link, int64_t *user_id,
                                        sut_str *email);
/* Uses up all other tokens of this kind for the address. */
SUT_MUST_CHECK sut_status auth_link_void(sut_pg_tx *tx, auth_mail_kind kind, sut_str email);

#endif
