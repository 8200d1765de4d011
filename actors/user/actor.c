/* What the actor is. */
#include "cursor.h"
#include "graph_copy.h"
#include "neo4j.h"
#include "user.h"

#include "user_migrations.h"

user_settings_given user_config;

static const sut_setting s_settings[] = {
    {.name = "NEO4J_URL",
     .type = SUT_SET_STRING,
     .offset = offsetof(user_settings_given, neo4j_url),
     .fallback = "",
     .doc =
         "HTTP address of Neo4j, http://host:port, for questions to the social graph; empty: PostgreSQL answers them"},
    {.name = "NEO4J_USER",
     .type = SUT_SET_STRING,
     .offset = offsetof(user_settings_given, neo4j_user),
     .fallback = "neo4j",
     .doc = "User at Neo4j; empty: it asks for none"},
    {.name = "NEO4J_PASSWORD",
     .type = SUT_SET_STRING,
     .offset = offsetof(user_settings_given, neo4j_password),
     .fallback = "",
     .secret = true,
     .doc = "Password at Neo4j"},
};

static const sut_periodic s_periodics[] = {
    {.name = "user.cleanup", .fn = user_cleanup, .every_ms = 60000},
    {.name = "user.popular", .fn = user_popular_count, .every_ms = 2000},
    {.name = "user.graph", .fn = user_graph_watch, .every_ms = 1000, .timeout_ms = 10000},
};

static sut_status on_start(sut_request *rq, void *arg)
{
    user_neo4j_check_settings();
    return user_cursor_start(rq, arg);
}

const sut_actor_options user_actor = {
    .name = "user",
    .summary = "profiles, settings and connections",
    .settings = s_settings,
    .setting_count = SUT_ARRAY_LEN(s_settings),
    .settings_out = &user_config,
    .settings_size = sizeof user_config,
    .projections = user_projections,
    .projection_count = USER_PROJECTION_COUNT,
    .database_setting = "USER_DATABASE_URL",
    .migrations = &user_migrations,
    .friend_check = user_is_friend,
    .on_start = on_start,
    .periodics = s_periodics,
    .periodic_count = SUT_ARRAY_LEN(s_periodics),
};
