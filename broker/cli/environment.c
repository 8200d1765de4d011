/* Where the system is: --run DIR, else the environment, else the checkout that we stand in. An env file has lines
 * NAME=VALUE and must be ours and private, as it says whom we trust. */
#include "cli.h"

#include "base/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_FILE_MAX 16384

static void set_pair(char *line)
{
    char *eq = strchr(line, '=');
    if (eq && eq != line && strncmp(line, "SUT_", 4) == 0) {
        *eq = '\0';
        setenv(line, eq + 1, 1);
    }
}

static int load(const char *path)
{
    char *text = NULL, error[512], *rest;
    size_t len;
    if (sut_secret_load(path, ENV_FILE_MAX, &text, &len, error, sizeof error) != 0) {
        cli_complain("%s", error);
        return SUT_EXIT_CONFIG;
    }
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        set_pair(line);
    free(text);
    return 0;
}

/* run/env in the current directory or one above it. */
static bool find_checkout(char path[PATH_MAX])
{
    char dir[PATH_MAX];
    if (!getcwd(dir, sizeof dir))
        return false;
    for (;;) {
        int n = snprintf(path, PATH_MAX, "%s/run/env", strcmp(dir, "/") == 0 ? "" : dir);
        if (n > 0 && n < PATH_MAX && access(path, R_OK) == 0)
            return true;
        char *slash = strrchr(dir, '/');
        if (!slash || strcmp(dir, "/") == 0)
            return false;
        slash[slash == dir ? 1 : 0] = '\0';
    }
}

int cli_environment(const cli_args *a)
{
    char path[PATH_MAX];
    int code = 0;
    if (a->run_dir) {
        int n = snprintf(path, sizeof path, "%s/env", a->run_dir);
        if (n < 0 || n >= (int)sizeof path || access(path, F_OK) != 0) {
            cli_complain("--run %s: there is no env file in it; is that system up (scripts/up)?", a->run_dir);
            return SUT_EXIT_CONFIG;
        }
        code = load(path);
    } else if (!getenv("SUT_BROKER") && !getenv("SUT_ACL_FILE") && !a->broker && find_checkout(path)) {
        code = load(path);
    }
    if (a->broker)
        setenv("SUT_BROKER", a->broker, 1);
    if (a->name)
        setenv("SUT_NAME", a->name, 1);
    if (a->secret_file)
        setenv("SUT_SECRET_FILE", a->secret_file, 1);
    return code;
}
