/* Runs a fuzz target over files and folders of files, without a fuzzer: corpora and crash inputs as regression tests.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

#define INPUT_MAX (4u << 20)

static unsigned s_passed, s_failed;

static void run_file(const char *path)
{
    uint8_t *data = malloc(INPUT_MAX);
    FILE *f = fopen(path, "rb");
    if (!data || !f) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        s_failed++;
    } else {
        size_t size = fread(data, 1, INPUT_MAX, f);
        uint8_t *exact = realloc(data, size ? size : 1); /* so that a sanitizer sees a read past the end */
        if (exact)
            data = exact;
        (void)fprintf(stderr, "%s\n", path); /* names the input of a crash */
        (void)LLVMFuzzerTestOneInput(data, size);
        s_passed++;
    }
    if (f)
        (void)fclose(f);
    free(data);
}

static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        s_failed++;
        return;
    }
    for (int i = 0; i < count; i++) {
        char *inner;
        if (names[i]->d_name[0] != '.' && asprintf(&inner, "%s/%s", path, names[i]->d_name) > 0) {
            run_file(inner);
            free(inner);
        }
        free(names[i]);
    }
    free((void *)names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    (void)printf("%u passed, %u failed\n", s_passed, s_failed);
    return s_failed || !s_passed;
}
