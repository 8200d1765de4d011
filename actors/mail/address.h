/* Addresses as they stand in settings and messages. Private to the module. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/str.h"

typedef struct mail_address {
    sut_str name; /* display name, UTF-8; absent: none */
    sut_str address, domain;
} mail_address;

/* A bare address that is safe in a header and in an SMTP command: visible ASCII without any of `<>()[]\,;:"`, one @, at
 * most 254 bytes. */
bool mail_address_valid(sut_str s);
/* `Name <address>` or `address`. False for anything else; what it points to is in `s`. */
bool mail_address_parse(sut_str s, mail_address *out);

#endif
