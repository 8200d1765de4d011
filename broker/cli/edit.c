/* A text in the operator's editor. */
#include "dlq.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *editor(void)
{
    const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");
    return visual && *visual ? visual : plain && *plain ? plain : "vi";
}

/* The variable may hold arguments, so a shell splits it; the path is an argument of the shell's, never its text. */
static int run_editor(const char *path)
{
    char script[512];
    int status;
    int n = snprintf(script, sizeof script, "exec %s \"$1\"", editor());
    if (n < 0 || n >= (int)sizeof script)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *read_all(const char *path)
{
    sut_buf buf;
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "re"); /* editors replace files: the old descriptor would show the old text */
    if (!f)
        return NULL;
    sut_buf_init(&buf, 4u << 20);
    bool good = true;
    while (good && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        good = sut_buf_append(&buf, chunk, n) == 0;
    good = good && !ferror(f) && sut_buf_append(&buf, "", 1) == 0;
    fclose(f);
    char *text = good ? (char *)sut_buf_steal(&buf, &n) : NULL;
    sut_buf_deinit(&buf);
    return text;
}

static int edit_file(int fd, const char *path, const char *text, char **edited)
{
    if (dprintf(fd, "%s\n", text) < 0) {
        cli_complain("%s: %s", path, strerror(errno));
        return SUT_EXIT_IO;
    }
    int status = run_editor(path);
    if (status != 0) {
        cli_complain("%s ended with %d: nothing was changed", editor(), status);
        return SUT_EXIT_USAGE;
    }
    *edited = read_all(path);
    if (*edited)
        return 0;
    cli_complain("%s: %s", path, strerror(errno));
    return SUT_EXIT_IO;
}

int cli_edit(const char *text, char **edited)
{
    const char *dir = getenv("TMPDIR");
    char path[512];
    *edited = NULL;
    int n = snprintf(path, sizeof path, "%s/sut-XXXXXX.json", dir && *dir ? dir : "/tmp");
    int fd = n > 0 && n < (int)sizeof path ? mkostemps(path, 5, O_CLOEXEC) : -1; /* made with mode 0600 */
    if (fd < 0) {
        cli_complain("%s: %s", path, strerror(errno));
        return SUT_EXIT_IO;
    }
    int code = edit_file(fd, path, text, edited);
    close(fd);
    unlink(path);
    return code;
}
