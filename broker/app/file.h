/* Reading a small file whole. */
#ifndef SUT_APP_FILE_H
#define SUT_APP_FILE_H

#include "base/str.h"

struct stat;

/* `out` is malloc'd, NUL behind. -EFBIG above max_bytes, -EINVAL if it is no regular file, or the errno of opening or
 * reading. `st`, if not NULL, is that of the file that was read. */
SUT_MUST_CHECK sut_status sut_file_read_stat(const char *path, size_t max_bytes, sut_str *out, struct stat *st);
SUT_MUST_CHECK sut_status sut_file_read(const char *path, size_t max_bytes, sut_str *out);

#endif
