/* Settings from the environment, declared in one table a program, so that docs/operations.md can be generated from
 * them (every executable prints its own with --settings) and a wrong value stops the start with one line that names it.
 */
#ifndef SUT_BASE_CONFIG_H
#define SUT_BASE_CONFIG_H

#include "base/str.h"

typedef enum { SUT_SET_STRING, SUT_SET_INT, SUT_SET_BOOL } sut_setting_type;

typedef struct sut_setting {
    const char *name; /* the environment variable */
    sut_setting_type type;
    size_t offset;        /* into the program's settings struct: const char *, int64_t or bool */
    const char *fallback; /* default as text; NULL: required */
    int64_t min, max;     /* SUT_SET_INT */
    bool secret;          /* never shown */
    const char *doc;      /* one line */
} sut_setting;

/* Fills `settings` from the environment. At the first wrong or missing value writes one line that names it and says
 * what would be right into `error` and returns -EINVAL. Strings point into the environment. */
SUT_MUST_CHECK sut_status sut_config_load(const sut_setting *table, size_t count, void *settings, char *error,
                                          size_t error_size);
/* Prints the table as Markdown rows (for --settings). */
void sut_config_print(const sut_setting *table, size_t count);
/* Reads a secret's file: must be a regular file, owned by us or root, not readable by others. Trailing newline cut.
 * On failure writes one line that names the file into `error`. *out is malloc'd and NUL-terminated. */
SUT_MUST_CHECK sut_status sut_secret_load(const char *path, size_t max_bytes, char **out, size_t *len, char *error,
                                          size_t error_size);
/* Common start of main(): handles --help, --version, --settings (printing and exit 0), loads the settings, and on error
 * prints `NAME: error: …` on standard error and exits with SUT_EXIT_CONFIG; starts the log; ignores SIGPIPE. */
void sut_program_start(int argc, char **argv, const char *name, const char *summary, const sut_setting *table,
                       size_t count, void *settings);
/* `NAME: error: …` on standard error as one line, and exit(code). */
_Noreturn void sut_program_die(int code, const char *fmt, ...) SUT_PRINTF(2, 3);

#endif
