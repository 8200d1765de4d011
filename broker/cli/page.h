/* For tests of pages: what a call prints must be the golden. */
#ifndef SUT_CLI_PAGE_H
#define SUT_CLI_PAGE_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#define EXPECT_PAGE(call, golden)                                                                                      \
    do {                                                                                                               \
        char *text_ = NULL;                                                                                            \
        size_t size_ = 0;                                                                                              \
        FILE *out = open_memstream(&text_, &size_);                                                                    \
        cr_assert(call);                                                                                               \
        fclose(out);                                                                                                   \
        cr_assert_str_eq(text_, golden, "\n--- printed\n%s--- golden\n%s", text_, golden);                             \
        free(text_);                                                                                                   \
    } while (0)

static inline json_t *page_json(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, 0, &e);
    cr_assert_not_null(v, "%s", e.text);
    return v;
}

#endif
