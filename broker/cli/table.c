/* Aligned tables and human units. */
#include "table.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdlib.h>

void cli_table_init(cli_table *t, const cli_column *columns, size_t count)
{
    *t = (cli_table){.columns = columns, .column_count = count};
}

void cli_table_deinit(cli_table *t)
{
    free(t->cells);
    *t = (cli_table){.columns = NULL};
}

/* Control bytes of what others named would steer the terminal. */
static void make_printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

/* Cuts between characters, so that the cell stays valid UTF-8. */
static void cut(char cell[TABLE_CELL_MAX])
{
    size_t at = TABLE_CELL_MAX - 1 - 3;
    while (at > 0 && ((unsigned char)cell[at] & 0xc0) == 0x80)
        at--;
    memcpy(cell + at, "…", sizeof "…");
}

void cli_table_cell(cli_table *t, const char *fmt, ...)
{
    if (t->cell_count == t->cell_cap && !t->failed) {
        size_t cap = t->cell_cap ? 2 * t->cell_cap : 64;
        void *grown = reallocarray(t->cells, cap, TABLE_CELL_MAX);
        t->failed = !grown;
        if (grown) {
            t->cells = grown;
            t->cell_cap = cap;
        }
    }
    if (t->failed)
        return;
    char *cell = t->cells[t->cell_count++];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(cell, TABLE_CELL_MAX, fmt, args);
    va_end(args);
    if (n >= TABLE_CELL_MAX)
        cut(cell);
    make_printable(cell);
}

static size_t width_of(const char *s)
{
    size_t chars;
    sut_str str = sut_str_from(s);
    return sut_utf8_valid(str, &chars) ? chars : str.len;
}

/* One row; what would be blanks at its end is left out. */
static void print_row(const cli_table *t, const char *const *cells, const size_t *width, FILE *out)
{
    size_t last = t->column_count - 1;
    while (last > 0 && !*cells[last])
        last--;
    for (size_t c = 0; c <= last; c++) {
        int pad = (int)(width[c] - width_of(cells[c]));
        if (t->columns[c].right)
            fprintf(out, "%*s%s", pad, "", cells[c]);
        else
            fprintf(out, "%s%*s", cells[c], c == last ? 0 : pad, "");
        fputs(c == last ? "\n" : "  ", out);
    }
}

bool cli_table_print(const cli_table *t, FILE *out)
{
    size_t width[TABLE_COLUMNS_MAX], columns = t->column_count;
    if (t->failed || columns == 0 || columns > TABLE_COLUMNS_MAX)
        return false;
    for (size_t c = 0; c < columns; c++)
        width[c] = width_of(t->columns[c].head);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t w = width_of(t->cells[i]);
        if (w > width[i % columns])
            width[i % columns] = w;
    }
    const char *row[TABLE_COLUMNS_MAX];
    for (size_t c = 0; c < columns; c++)
        row[c] = t->columns[c].head;
    print_row(t, row, width, out);
    for (size_t i = 0; i < t->cell_count; i++) {
        row[i % columns] = t->cells[i];
        if ((i + 1) % columns == 0)
            print_row(t, row, width, out);
    }
    if (t->cell_count == 0)
        fputs("(none)\n", out);
    return true;
}

/* ---- units ---- */

static const char *scaled(double v, double step, const char *const *units, size_t count, char out[UNIT_MAX])
{
    size_t i = 0;
    while (v >= step && i + 1 < count) {
        v /= step;
        i++;
    }
    snprintf(out, UNIT_MAX, i == 0 || v >= 99.95 ? "%.0f%s" : "%.1f%s", v, units[i]);
    return out;
}

const char *cli_bytes(double bytes, char out[UNIT_MAX])
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    return scaled(bytes, 1024, units, SUT_ARRAY_LEN(units), out);
}

const char *cli_micros(double us, char out[UNIT_MAX])
{
    static const char *const units[] = {" us", " ms", " s"};
    return scaled(us, 1000, units, SUT_ARRAY_LEN(units), out);
}

const char *cli_rate(double per_second, char out[UNIT_MAX])
{
    static const char *const units[] = {"/s", " k/s", " M/s"};
    if (per_second > 0 && per_second < 9.95) {
        snprintf(out, UNIT_MAX, "%.1f/s", per_second);
        return out;
    }
    return scaled(per_second, 1000, units, SUT_ARRAY_LEN(units), out);
}

const char *cli_duration(double ms, char out[UNIT_MAX])
{
    unsigned long long s = ms < 0 ? 0 : (unsigned long long)(ms / 1000);
    if (ms < 1000)
        snprintf(out, UNIT_MAX, "%.0f ms", ms < 0 ? 0 : ms);
    else if (s < 60)
        snprintf(out, UNIT_MAX, "%llu s", s);
    else if (s < 3600)
        snprintf(out, UNIT_MAX, "%llu m %02llu s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, UNIT_MAX, "%llu h %02llu m", s / 3600, s / 60 % 60);
    else
        snprintf(out, UNIT_MAX, "%llu d %llu h", s / 86400, s / 3600 % 24);
    return out;
}
