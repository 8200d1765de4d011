/* `sut key`: the command line. */
#include "key.h"
#include "key_acl.h"
#include "key_files.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct key_places {
    const char *acl_file, *keys_dir;
} key_places;

static int SUT_PRINTF(2, 3) fail(int code, const char *fmt, ...)
{
    va_list args;

    fputs("sut key: error: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

static int fail_file(const char *path, sut_status r)
{
    if (r == -EPERM)
        return fail(SUT_EXIT_CONFIG, "%s must not be writable by others", path);
    return fail(SUT_EXIT_IO, "%s: %s", path, strerror(-r));
}

void sut_key_usage(void)
{
    puts("usage: sut key new NAME --role edge|actor|tool|operator [--call P] [--serve P] [--publish P]\n"
         "                        [--subscribe P] [--tap P] [--replay P] [--curve]\n"
         "       sut key revoke NAME     cuts the peer off at once\n"
         "       sut key list [--json]   everybody on the access list\n"
         "       sut key broker          makes the broker's CURVE certificate if there is none\n"
         "\n"
         "P is a list of subject patterns, parted by commas: user.profile_get, user.*, >, or - for none. Without it "
         "the\n"
         "role decides: an actor NAME serves NAME.*, and publishes and subscribes what the schemas let its service;\n"
         "an edge subscribes session.revoked; edges, actors and tools call everything but broker.*; operators call, "
         "tap\n"
         "and subscribe everything. --replay: the calls that an operator may make again for whom they were made, by\n"
         "sut replay --diff; nobody may unless it is said. The secret is written to $SUT_KEYS_DIR/NAME.secret, the\n"
         "rights to $SUT_ACL_FILE; a running broker takes both up at once. --curve makes a key pair for tcp as well.");
}

static int find_places(key_places *p)
{
    sut_status r;

    p->acl_file = getenv("SUT_ACL_FILE");
    p->keys_dir = getenv("SUT_KEYS_DIR");
    if (!p->acl_file || !*p->acl_file)
        return fail(SUT_EXIT_CONFIG, "SUT_ACL_FILE is missing: it must be the path of the broker's access list");
    if (!p->keys_dir || !*p->keys_dir)
        return fail(SUT_EXIT_CONFIG, "SUT_KEYS_DIR is missing: it must be the directory of the secrets");
    r = sut_key_dir(p->keys_dir);
    return r < 0 ? fail_file(p->keys_dir, r) : 0;
}

/* ---- new ---- */

typedef struct new_options {
    const char *name;
    sut_key_rights rights;
    bool curve;
} new_options;

static const char **right_of(sut_key_rights *r, int option)
{
    switch (option) {
    case 'r': return &r->role;
    case 'c': return &r->call;
    case 's': return &r->serve;
    case 'p': return &r->publish;
    case 'b': return &r->subscribe;
    case 'y': return &r->replay;
    default: return &r->tap;
    }
}

static int parse_new(int argc, char **argv, new_options *o)
{
    static const struct option options[] = {
        {"role", required_argument, NULL, 'r'},
        {"call", required_argument, NULL, 'c'},
        {"serve", required_argument, NULL, 's'},
        {"publish", required_argument, NULL, 'p'},
        {"subscribe", required_argument, NULL, 'b'},
        {"tap", required_argument, NULL, 't'},
        {"replay", required_argument, NULL, 'y'},
        {"curve", no_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?')
            return fail(SUT_EXIT_USAGE, "unknown option, or one without its value: %s", argv[optind - 1]);
        if (c == 'k') {
            o->curve = true;
            continue;
        }
        if (c != 'r' && !sut_key_patterns_valid(optarg))
            return fail(SUT_EXIT_USAGE, "malformed patterns `%s`: write subjects like user.profile_get, user.*, > or -",
                        optarg);
        *right_of(&o->rights, c) = optarg;
    }
    if (optind + 1 != argc)
        return fail(SUT_EXIT_USAGE, "one NAME is wanted: sut key new NAME --role ROLE");
    o->name = argv[optind];
    return 0;
}

static int check_new(new_options *o, char scratch[256])
{
    if (!o->name || !sut_key_name_valid(o->name))
        return fail(SUT_EXIT_USAGE,
                    "a name is 1 to 64 letters, digits, '.', '_' and '-', and starts with none but the first "
                    "two and '_'");
    if (strcmp(o->name, "broker") == 0)
        return fail(SUT_EXIT_USAGE, "the name broker is the broker's own; `sut key broker` makes its certificate");
    if (!o->rights.role)
        return fail(SUT_EXIT_USAGE, "--role is wanted: edge, actor, tool or operator");
    if (o->rights.replay && strcmp(o->rights.role, "operator") != 0)
        return fail(SUT_EXIT_USAGE, "--replay is for operators");
    if (!sut_key_rights_default(o->name, &o->rights, scratch))
        return fail(
            SUT_EXIT_USAGE,
            "--role must be edge, actor, tool or operator; and an actor whose name is no service's (a-z, 0-9, _) "
            "needs --serve");
    return 0;
}

/* The secret is there before the list names the peer: whoever is on the list can come in. */
static int make_files(const key_places *p, new_options *o, char z85[41])
{
    sut_status r = sut_key_make_secret(p->keys_dir, o->name);

    if (r == 0 && o->curve) {
        r = sut_key_make_cert(p->keys_dir, o->name, z85);
        o->rights.curve_key = z85;
    }
    return r < 0 ? fail_file(p->keys_dir, r) : 0;
}

static int add_to_list(const key_places *p, new_options *o, char **acl)
{
    char z85[41];
    sut_buf out;
    size_t len;
    int code;
    sut_status r = sut_key_read(p->acl_file, acl, &len);

    if (r < 0)
        return fail_file(p->acl_file, r);
    if (sut_key_find((sut_str){*acl, len}, o->name) == SUT_KEY_ACTIVE)
        return fail(SUT_EXIT_USAGE, "%s is on the access list already; revoke it first", o->name);
    code = make_files(p, o, z85);
    if (code)
        return code;
    sut_buf_init(&out, 0);
    r = sut_key_with((sut_str){*acl, len}, o->name, &o->rights, &out);
    if (r == 0)
        r = sut_key_replace(p->acl_file, out.data, out.len);
    sut_buf_deinit(&out);
    if (r < 0)
        return fail_file(p->acl_file, r);
    printf("%s: role %s, secret in %s/%s.secret\n", o->name, o->rights.role, p->keys_dir, o->name);
    if (o->curve)
        printf("%s: CURVE certificate in %s/%s.cert_secret, public key %s\n", o->name, p->keys_dir, o->name, z85);
    return 0;
}

static int command_new(int argc, char **argv)
{
    new_options o = {0};
    key_places places;
    char scratch[256], *acl = NULL;
    int lock, code = parse_new(argc, argv, &o);

    if (code == 0)
        code = check_new(&o, scratch);
    if (code == 0)
        code = find_places(&places);
    if (code)
        return code;
    lock = sut_key_lock(places.acl_file);
    if (lock < 0)
        return fail_file(places.acl_file, lock);
    code = add_to_list(&places, &o, &acl);
    free(acl);
    close(lock);
    return code;
}

/* ---- revoke ---- */

/* The list first: from then on the broker lets nobody of that name in, whatever happens to the files. */
static int take_off_list(const key_places *p, const char *name, char **acl)
{
    sut_buf out;
    size_t len;
    sut_status r = sut_key_read(p->acl_file, acl, &len);

    if (r < 0)
        return fail_file(p->acl_file, r);
    if (sut_key_find((sut_str){*acl, len}, name) == SUT_KEY_ABSENT)
        return fail(SUT_EXIT_USAGE, "%s is not on the access list", name);
    sut_buf_init(&out, 0);
    r = sut_key_without((sut_str){*acl, len}, name, &out);
    if (r == 0)
        r = sut_key_replace(p->acl_file, out.data, out.len);
    sut_buf_deinit(&out);
    if (r < 0)
        return fail_file(p->acl_file, r);
    r = sut_key_remove(p->keys_dir, name);
    if (r < 0)
        return fail_file(p->keys_dir, r);
    printf("%s: revoked\n", name);
    return 0;
}

static int command_revoke(int argc, char **argv)
{
    key_places places;
    char *acl = NULL;
    int lock, code;

    if (argc != 2 || !sut_key_name_valid(argv[1]))
        return fail(SUT_EXIT_USAGE, "one NAME is wanted: sut key revoke NAME");
    code = find_places(&places);
    if (code)
        return code;
    lock = sut_key_lock(places.acl_file);
    if (lock < 0)
        return fail_file(places.acl_file, lock);
    code = take_off_list(&places, argv[1], &acl);
    free(acl);
    close(lock);
    return code;
}

/* ---- list, broker ---- */

static void print_row(const sut_key_row *r, bool json, bool first)
{
    const char *state = r->revoked ? "revoked" : "active";

    if (json)
        printf("%s\n  {\"name\": \"%.*s\", \"role\": \"%.*s\", \"state\": \"%s\", \"call\": \"%.*s\", \"serve\": "
               "\"%.*s\", "
               "\"curve\": %s}",
               first ? "" : ",", SUT_STR_FMT(r->name), SUT_STR_FMT(r->role), state, SUT_STR_FMT(r->call),
               SUT_STR_FMT(r->serve), r->key.len ? "true" : "false");
    else
        printf("%-20.*s %-9.*s %-8s %-24.*s %.*s\n", SUT_STR_FMT(r->name), SUT_STR_FMT(r->role), state,
               SUT_STR_FMT(r->call), SUT_STR_FMT(r->serve));
}

static int command_list(int argc, char **argv)
{
    const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    key_places places;
    sut_key_row row;
    bool first = true;
    char *acl = NULL;
    size_t len;
    sut_str rest;
    sut_status r;
    int code;

    if (argc > 1 && !json)
        return fail(SUT_EXIT_USAGE, "unknown argument %s: sut key list [--json]", argv[1]);
    code = find_places(&places);
    if (code)
        return code;
    r = sut_key_read(places.acl_file, &acl, &len);
    if (r < 0)
        return fail_file(places.acl_file, r);
    if (json)
        printf("[");
    else
        printf("%-20s %-9s %-8s %-24s %s\n", "NAME", "ROLE", "STATE", "CALL", "SERVE");
    for (rest = (sut_str){acl, len}; sut_key_next(&rest, &row); first = false)
        print_row(&row, json, first);
    if (json)
        puts("\n]");
    free(acl);
    return 0;
}

static int command_broker(int argc, char **argv)
{
    key_places places;
    char z85[41];
    sut_status r;
    int code;

    (void)argv;
    if (argc != 1)
        return fail(SUT_EXIT_USAGE, "no argument is wanted: sut key broker");
    code = find_places(&places);
    if (code)
        return code;
    r = sut_key_load_cert(places.keys_dir, "broker", z85);
    if (r == -ENOENT)
        r = sut_key_make_cert(places.keys_dir, "broker", z85);
    if (r < 0)
        return fail_file(places.keys_dir, r);
    printf("%s\n", z85);
    return 0;
}

int sut_key_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"new", command_new},
        {"revoke", command_revoke},
        {"list", command_list},
        {"broker", command_broker},
    };

    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        sut_key_usage();
        return argc < 2 ? SUT_EXIT_USAGE : 0;
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return fail(SUT_EXIT_USAGE, "unknown command %s: new, revoke, list or broker", argv[1]);
}
