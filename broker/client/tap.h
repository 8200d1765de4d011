/* Taps of one client: kept on its thread, at most a few. */
#ifndef SUT_CLIENT_TAP_H
#define SUT_CLIENT_TAP_H

#include "mailbox.h"

#include "base/list.h"
#include "wire/envelope.h"

struct sut_client;

#define CLIENT_TAPS_MAX 16

typedef struct client_taps {
    sut_node list;
    _Atomic uint32_t count;
} client_taps;

void client_taps_init(struct sut_client *c);
void client_taps_begin(struct sut_client *c, client_mail *m); /* MAIL_TAP */
void client_taps_end(client_mail *m);                         /* MAIL_TAP_END */
/* True if the envelope belonged to a tap. */
bool client_taps_input(struct sut_client *c, const sut_envelope *env);
void client_taps_session_up(struct sut_client *c);
void client_taps_session_lost(struct sut_client *c, bool refused);
void client_taps_leave(struct sut_client *c); /* the client ends: nothing is called any more */

#endif
