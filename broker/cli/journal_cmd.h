/* The parts of `sut journal`. */
#ifndef SUT_CLI_JOURNAL_CMD_H
#define SUT_CLI_JOURNAL_CMD_H

#include "cli.h"

#include "journal/journal.h"

int cli_journal_fault(sut_journal *j, sut_status st); /* complains; an exit code */
/* Events as lines that `sut publish --file` takes. */
int cli_journal_export(const cli_args *a, sut_journal *j, FILE *out);

#endif
