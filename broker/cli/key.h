/* `sut key`: makes, revokes and lists the peers that the broker lets in. Works on the access list and the secrets
 * themselves, without a broker; a running one notices at once. */
#ifndef SUT_CLI_KEY_H
#define SUT_CLI_KEY_H

/* argv[0] is "key". Prints what it did, or one line with what is wrong on standard error; returns the exit code. */
int sut_key_command(int argc, char **argv);
void sut_key_usage(void); /* on standard output */

#endif
