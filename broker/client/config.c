/* Options of a client: defaults from the environment, checks with one line that names what is wrong, and secrets. */
#include "config.h"

#include "base/clock.h"
#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_MAX_BYTES    64
#define SECRET_MAX_BYTES  255 /* what a PLAIN password may have on the wire (RFC 24) */
#define CERT_MAX_BYTES    4096
#define QUEUE_MAX_DEFAULT 65536u

static sut_status refuse(char *error, size_t size, const char *fmt, const char *what)
{
    if (error && size)
        snprintf(error, size, fmt, what);
    return -EINVAL;
}

static const char *or_environment(const char *given, const char *variable)
{
    const char *v = given ? given : getenv(variable);
    return v && *v ? v : NULL;
}

static sut_status copy(char **out, const char *s)
{
    *out = s ? strdup(s) : NULL;
    return s && !*out ? SUT_TRACE(-ENOMEM, "client.config") : 0;
}

static bool name_valid(const char *s)
{
    size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return len > 0 && s[len] == '\0' && len <= NAME_MAX_BYTES;
}

static sut_status check_endpoint(client_config *cfg, const char *endpoint, char *error, size_t size)
{
    if (!endpoint)
        return refuse(error, size, "%s: no broker endpoint is given (ipc:///path or tcp://host:port)", "SUT_BROKER");
    cfg->tcp = strncmp(endpoint, "tcp://", 6) == 0;
    bool ipc = strncmp(endpoint, "ipc://", 6) == 0;
    if ((!cfg->tcp && !ipc) || !endpoint[6])
        return refuse(error, size, "broker endpoint '%s': must be ipc:///path or tcp://host:port", endpoint);
    if (ipc && strlen(endpoint + 6) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return refuse(error, size, "broker endpoint: a socket's path has at most 107 bytes: '%s'", endpoint);
    return copy(&cfg->endpoint, endpoint);
}

static sut_status check_identity(client_config *cfg, const sut_client_options *opt, char *error, size_t size)
{
    const char *name = or_environment(opt->name, "SUT_NAME");
    if (!name || !name_valid(name))
        return refuse(error, size, "peer name '%s': 1 to 64 letters, digits, '_', '.' or '-' (SUT_NAME)",
                      name ? name : "");
    if (opt->instance && !name_valid(opt->instance))
        return refuse(error, size, "instance '%s': 1 to 64 letters, digits, '_', '.' or '-'", opt->instance);
    char instance[NAME_MAX_BYTES + 40];
    uint32_t unique;
    sut_random(&unique, sizeof unique);
    snprintf(instance, sizeof instance, "%.32s-%ld-%08x", name, (long)getpid(), unique);
    sut_status st = copy(&cfg->name, name);
    return st != 0 ? st : copy(&cfg->instance, opt->instance ? opt->instance : instance);
}

static sut_status check_secrets(client_config *cfg, const sut_client_options *opt, char *error, size_t size)
{
    if (!cfg->tcp) {
        const char *file = or_environment(opt->secret_file, "SUT_SECRET_FILE");
        if (!file)
            return refuse(error, size, "%s: an ipc endpoint needs the file of the peer's secret", "SUT_SECRET_FILE");
        return copy(&cfg->secret_file, file);
    }
    if (!opt->curve_file)
        return refuse(error, size, "%s: a tcp endpoint needs our secret certificate", "curve_file");
    if (!opt->server_key || strlen(opt->server_key) != CURVE_KEY_TEXT)
        return refuse(error, size, "%s: a tcp endpoint needs the broker's public key (40 characters of Z85)",
                      "server_key");
    sut_status st = copy(&cfg->curve_file, opt->curve_file);
    return st != 0 ? st : copy(&cfg->server_key, opt->server_key);
}

sut_status client_config_init(client_config *out, const sut_client_options *opt, char *error, size_t error_size)
{
    *out = (client_config){.on_session = opt->on_session,
                           .on_session_arg = opt->on_session_arg,
                           .queue_max = opt->queue_max ? opt->queue_max : QUEUE_MAX_DEFAULT,
                           .spin_us = opt->spin_us};
    sut_status st = check_endpoint(out, or_environment(opt->endpoint, "SUT_BROKER"), error, error_size);
    if (st == 0)
        st = check_identity(out, opt, error, error_size);
    if (st == 0)
        st = check_secrets(out, opt, error, error_size);
    client_secret secret;
    if (st == 0)
        st = client_secret_read(out, &secret, error, error_size);
    if (st != 0) {
        client_config_deinit(out);
        return st;
    }
    client_secret_wipe(&secret);
    return 0;
}

void client_config_deinit(client_config *cfg)
{
    free(cfg->endpoint);
    free(cfg->name);
    free(cfg->instance);
    free(cfg->secret_file);
    free(cfg->curve_file);
    free(cfg->server_key);
    *cfg = (client_config){0};
}

/* `name = "value"` on a line of its own, as ZPL has it (RFC 4, ZeroMQ property language). */
static bool zpl_value(const char *text, const char *name, char out[CURVE_KEY_TEXT + 1])
{
    size_t name_len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n \t");
        if (strncmp(line, name, name_len) != 0)
            continue;
        const char *p = line + name_len;
        p += strspn(p, " \t");
        if (*p++ != '=')
            continue;
        p += strspn(p, " \t");
        if (*p++ != '"' || strcspn(p, "\"\n") != CURVE_KEY_TEXT || p[CURVE_KEY_TEXT] != '"')
            return false;
        memcpy(out, p, CURVE_KEY_TEXT);
        out[CURVE_KEY_TEXT] = '\0';
        return true;
    }
    return false;
}

bool client_zcert_parse(const char *text, char public_key[CURVE_KEY_TEXT + 1], char secret_key[CURVE_KEY_TEXT + 1])
{
    return zpl_value(text, "public-key", public_key) && zpl_value(text, "secret-key", secret_key);
}

sut_status client_secret_read(const client_config *cfg, client_secret *out, char *error, size_t error_size)
{
    *out = (client_secret){0};
    char *text = NULL;
    size_t len = 0;
    const char *path = cfg->tcp ? cfg->curve_file : cfg->secret_file;
    sut_status st = sut_secret_load(path, cfg->tcp ? CERT_MAX_BYTES : SECRET_MAX_BYTES, &text, &len, error, error_size);
    if (st != 0)
        return st < 0 ? st : -EINVAL;
    if (!cfg->tcp) {
        out->password = text;
        return len ? 0 : (client_secret_wipe(out), refuse(error, error_size, "%s: the secret is empty", path));
    }
    bool parsed = client_zcert_parse(text, out->public_key, out->secret_key);
    explicit_bzero(text, len);
    free(text);
    return parsed ? 0 : refuse(error, error_size, "%s: not a secret certificate with both keys", path);
}

void client_secret_wipe(client_secret *s)
{
    if (s->password) {
        explicit_bzero(s->password, strlen(s->password));
        free(s->password);
    }
    explicit_bzero(s, sizeof *s);
}
