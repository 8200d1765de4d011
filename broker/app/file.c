/* Reading a small file whole. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static sut_status read_all(int fd, size_t max_bytes, sut_str *out, struct stat *st)
{
    size_t size, len = 0;
    char *text;

    if (fstat(fd, st) != 0)
        return -errno;
    if (!S_ISREG(st->st_mode))
        return -EINVAL;
    if (st->st_size > (off_t)max_bytes)
        return -EFBIG;
    size = (size_t)st->st_size;
    text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sut_status r = -errno;
            free(text);
            return r;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    *out = (sut_str){text, len};
    return 0;
}

sut_status sut_file_read_stat(const char *path, size_t max_bytes, sut_str *out, struct stat *st)
{
    struct stat own;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    sut_status r;

    if (fd < 0)
        return -errno;
    r = read_all(fd, max_bytes, out, st ? st : &own);
    close(fd);
    return r;
}

sut_status sut_file_read(const char *path, size_t max_bytes, sut_str *out)
{
    return sut_file_read_stat(path, max_bytes, out, NULL);
}
