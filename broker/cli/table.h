/* Tables for people: columns as wide as their widest cell, numbers to the right, two blanks between. And the units that
 * people read. */
#ifndef SUT_CLI_TABLE_H
#define SUT_CLI_TABLE_H

#include "base/status.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
#define TABLE_CELL_MAX    160

typedef struct cli_column {
    const char *head;
    bool right;
} cli_column;

typedef struct cli_table {
    const cli_column *columns;
    size_t column_count;
    char (*cells)[TABLE_CELL_MAX]; /* row by row */
    size_t cell_count, cell_cap;
    bool failed; /* out of memory: nothing is printed */
} cli_table;

void cli_table_init(cli_table *t, const cli_column *columns, size_t count);
void cli_table_deinit(cli_table *t);
/* The next cell, row by row. A cell over its bound ends in an ellipsis. */
void cli_table_cell(cli_table *t, const char *fmt, ...) SUT_PRINTF(2, 3);
/* Heads and rows; "(none)" without rows. False: out of memory. */
bool cli_table_print(const cli_table *t, FILE *out);

#define UNIT_MAX 32
const char *cli_bytes(double bytes, char out[UNIT_MAX]);     /* 512 B, 1.5 KiB, 20 MiB */
const char *cli_micros(double us, char out[UNIT_MAX]);       /* 93 us, 1.2 ms, 3.0 s */
const char *cli_duration(double ms, char out[UNIT_MAX]);     /* 800 ms, 12 s, 3 m 12 s, 4 h 05 m, 3 d 4 h */
const char *cli_rate(double per_second, char out[UNIT_MAX]); /* 0/s, 3.4/s, 120/s, 12.3 k/s */

#endif
