/* What the actor is: its settings, its background functions, and what it needs before it serves. */
#include "auth.h"

#include "auth_migrations.h"
#include "mail.h"
#include "password.h"
#include "standing.h"

#include "base/log.h"
#include "kit/cursor.h"

#include <stdio.h>

auth_settings auth_config;
sut_keyring *auth_keys;
sut_token_rules auth_token_rules;

static const sut_setting s_settings[] = {
    {.name = "SUT_JWT_KEYS",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, jwt_keys),
     .fallback = "",
     .doc = "File with the keys of access tokens, `KID HEXKEY` a line; the first one signs"},
    {.name = "JWT_SECRET",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, jwt_secret),
     .fallback = "",
     .secret = true,
     .doc = "One key of 32 bytes or more instead of SUT_JWT_KEYS, as the seed has it"},
    {.name = "JWT_ISSUER",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, jwt_issuer),
     .fallback = "",
     .doc = "`iss` of access tokens; empty: none"},
    {.name = "JWT_AUDIENCE",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, jwt_audience),
     .fallback = "",
     .doc = "`aud` of access tokens; empty: none"},
    {.name = "BCRYPT_COST",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, bcrypt_cost),
     .fallback = "10",
     .min = 4,
     .max = 16,
     .doc = "Cost of bcrypt; hashes made at a lower one are made anew at login"},
    {.name = "ACCESS_TOKEN_TTL_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, access_ttl_s),
     .fallback = "900",
     .min = 10,
     .max = 900,
     .doc = "Seconds that an access token holds"},
    {.name = "REFRESH_TOKEN_TTL_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, refresh_ttl_s),
     .fallback = "2592000",
     .min = 60,
     .max = 31536000,
     .doc = "Seconds that a refresh token holds"},
    {.name = "SESSION_IDLE_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, session_idle_s),
     .fallback = "2592000",
     .min = 60,
     .max = 31536000,
     .doc = "Seconds after which a login session ends that was not refreshed"},
    {.name = "LOGIN_FREE_ACCOUNT",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, login_free_account),
     .fallback = "10",
     .min = 1,
     .max = 100,
     .doc = "Failed logins of one account before each further one makes the next wait"},
    {.name = "LOGIN_FREE_NETWORK",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, login_free_network),
     .fallback = "100",
     .min = 1,
     .max = 100000,
     .doc = "The same of one client address (of IPv6: one /64), for all accounts together"},
    {.name = "LOGIN_DELAY_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, login_delay_s),
     .fallback = "1",
     .min = 1,
     .max = 3600,
     .doc = "Seconds that the first login past the free ones makes the next one wait; each further one doubles it"},
    {.name = "LOGIN_DELAY_MAX_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, login_delay_max_s),
     .fallback = "900",
     .min = 1,
     .max = 86400,
     .doc = "Seconds that a login waits at most after failed ones"},
    {.name = "SESSION_MAX_S",
     .type = SUT_SET_INT,
     .offset = offsetof(auth_settings, session_max_s),
     .fallback = "31536000",
     .min = 60,
     .max = 315360000,
     .doc = "Seconds after which a login session ends however much it is used"},
    {.name = "REQUIRE_VERIFIED_EMAIL",
     .type = SUT_SET_BOOL,
     .offset = offsetof(auth_settings, require_verified),
     .fallback = "false",
     .doc = "No login, and no refresh, before the address is confirmed"},
    {.name = "PUBLIC_URL",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, public_url),
     .fallback = "http://localhost:3000",
     .doc = "Where people reach this system; links in mails begin with it"},
    {.name = "SMTP_URL",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, smtp_url),
     .fallback = "",
     .doc = "Mail server: smtp://host:port or smtps://host:port; empty: mails are files in MAIL_DIR"},
    {.name = "SMTP_USER",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, smtp_user),
     .fallback = "",
     .doc = "User at the mail server; empty: none"},
    {.name = "SMTP_PASSWORD",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, smtp_password),
     .fallback = "",
     .secret = true,
     .doc = "Password at the mail server"},
    {.name = "SMTP_TLS",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, smtp_tls),
     .fallback = "required",
     .doc = "required: STARTTLS or nothing is sent; off: in the clear if the server has no TLS"},
    {.name = "SMTP_CA_FILE",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, smtp_ca_file),
     .fallback = "",
     .doc = "PEM file of who signs the mail server's certificate; empty: the system's"},
    {.name = "MAIL_FROM",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, mail_from),
     .fallback = "",
     .doc = "Sender of mails, `Name <address>`; must be given with SMTP_URL"},
    {.name = "MAIL_DIR",
     .type = SUT_SET_STRING,
     .offset = offsetof(auth_settings, mail_dir),
     .fallback = "mail",
     .doc = "Where mails go as .eml files without SMTP_URL: the newest 1,000"},
};

static const sut_periodic s_periodics[] = {
    {.name = "auth.registration_sweeper", .fn = auth_saga_sweep, .every_ms = 2000, .timeout_ms = 20000},
    {.name = "auth.suspensions", .fn = auth_suspension_sweep, .every_ms = 5000},
    {.name = "auth.cleanup", .fn = auth_cleanup, .every_ms = 60000},
};

/* Links are made by putting a path behind it. */
static bool public_url_valid(const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0, len = strlen(url);
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"'<>\\#?`{}", *c))
            return false;
    return scheme && len > scheme && len <= 200 && url[len - 1] != '/';
}

static void make_mailer(void)
{
    char error[512];
    const sut_mailer_settings set = {.smtp_url = auth_config.smtp_url,
                                     .smtp_user = auth_config.smtp_user,
                                     .smtp_password = auth_config.smtp_password,
                                     .smtp_tls = auth_config.smtp_tls,
                                     .smtp_ca_file = auth_config.smtp_ca_file,
                                     .from = auth_config.mail_from,
                                     .folder = auth_config.mail_dir};
    if (!public_url_valid(auth_config.public_url))
        sut_program_die(SUT_EXIT_CONFIG,
                        "PUBLIC_URL must be http:// or https:// and a host, without a slash at its end");
    if (sut_mailer_new(&auth_mailer, &set, error, sizeof error) != 0)
        sut_program_die(SUT_EXIT_CONFIG, "%s", error);
}

static sut_status on_start(sut_request *rq, void *arg)
{
    char error[256];
    (void)arg;
    if (sut_keyring_load(&auth_keys, auth_config.jwt_keys, auth_config.jwt_secret, error, sizeof error) != 0)
        sut_program_die(SUT_EXIT_CONFIG, "%s", error);
    make_mailer();
    auth_token_rules = (sut_token_rules){auth_config.jwt_issuer, auth_config.jwt_audience};
    if (auth_password_init((int)auth_config.bcrypt_cost) != 0)
        return sut_fail_internal(rq, "libxcrypt does not know $2b$");
    return sut_cursor_start(rq);
}

/* Nothing holds the ring across a call that parks. */
static void on_reload(void)
{
    char words[SUT_KEYRING_NAMES_SIZE];
    sut_keyring *fresh = NULL;
    if (sut_keyring_load(&fresh, auth_config.jwt_keys, auth_config.jwt_secret, words, sizeof words) != 0) {
        sut_log(SUT_ERROR, "auth", "keys.kept", SUT_KV("error", words));
        return;
    }
    sut_keyring *old = auth_keys;
    auth_keys = fresh;
    sut_keyring_free(old);
    sut_keyring_names(auth_keys, words);
    sut_log(SUT_INFO, "auth", "keys.loaded", SUT_KV("name", words));
}

const sut_actor_options auth_actor = {
    .name = "auth",
    .summary = "accounts, passwords, login sessions and tokens",
    .settings = s_settings,
    .setting_count = SUT_ARRAY_LEN(s_settings),
    .settings_out = &auth_config,
    .settings_size = sizeof auth_config,
    .database_setting = "AUTH_DATABASE_URL",
    .migrations = &auth_migrations,
    .redis_setting = "REDIS_URL",
    .on_start = on_start,
    .on_reload = on_reload,
    .projections = auth_projections,
    .projection_count = AUTH_PROJECTION_COUNT,
    .periodics = s_periodics,
    .periodic_count = SUT_ARRAY_LEN(s_periodics),
};
