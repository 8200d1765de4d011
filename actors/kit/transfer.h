/* The process's multi handle. Private to the kit. */
#ifndef SUT_KIT_TRANSFER_PRIVATE_H
#define SUT_KIT_TRANSFER_PRIVATE_H

/* NULL is nothing to do. No transfer may be under way that somebody waits for. */
struct sut_transfers *sut_transfers_free(struct sut_transfers *t);

#endif
