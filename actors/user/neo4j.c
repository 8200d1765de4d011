/* The client of Neo4j's HTTP API. */
#include "neo4j.h"

#include "base/log.h"
#include "kit/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX (2u << 20)

bool user_neo4j_configured(void)
{
    return *user_config.neo4j_url != '\0';
}

void user_neo4j_check_settings(void)
{
    const char *url = user_config.neo4j_url;
    size_t len = strlen(url);
    if (len == 0)
        return;
    bool has_scheme = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (!has_scheme || url[len - 1] == '/' || len > 200 || strpbrk(url, " ?#@\r\n"))
        sut_program_die(SUT_EXIT_CONFIG,
                        "NEO4J_URL must be http://host:port or https://host:port, without user, path and slash");
}

static sut_str write_body(sut_request *rq, const char *cypher, json_t *params)
{
    json_t *body = json_pack("{s:[{s:s, s:o}]}", "statements", "statement", cypher, "parameters", params);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    sut_str out = text ? sut_request_str(rq, sut_str_from(text)) : SUT_STR_NONE;
    free(text);
    json_decref(body);
    return out;
}

/* Codes are Neo.TransientError.…, Neo.ClientError.…, Neo.DatabaseError.… Its words may quote parameters: they are not
 * logged. */
static sut_status refused(sut_request *rq, const json_t *errors)
{
    const char *code = json_string_value(json_object_get(json_array_get(errors, 0), "code"));
    code = code ? code : "?";
    sut_log(SUT_WARN, "user", "neo4j.refused", SUT_KV("code", code));
    if (strncmp(code, "Neo.ClientError.Statement", 25) == 0 || strncmp(code, "Neo.ClientError.Schema", 22) == 0)
        return sut_fail_internal(rq, "Neo4j refused a statement: %s", code);
    return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 500, "The graph's store cannot do this now.");
}

static sut_status read_reply(sut_request *rq, const sut_http_reply *reply, json_t **rows)
{
    json_error_t error;
    json_t *body = json_loadb(reply->body.ptr, reply->body.len, JSON_REJECT_DUPLICATES, &error);
    const json_t *errors = json_object_get(body, "errors");
    const json_t *data = json_object_get(json_array_get(json_object_get(body, "results"), 0), "data");
    const json_t *item;
    size_t i;
    sut_status st = 0;
    if (json_array_size(errors) > 0) {
        st = refused(rq, errors);
    } else if (reply->status != 200 || !json_is_array(data)) {
        sut_log(SUT_WARN, "user", "neo4j.odd", SUT_KV_I("status", reply->status));
        st = sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 500, "The graph's store gives no right answer.");
    } else if (!(*rows = json_array())) {
        st = -ENOMEM;
    }
    if (!st)
        json_array_foreach(data, i, item) if (json_array_append(*rows, json_object_get(item, "row"))) st = -ENOMEM;
    if (st)
        json_decref(*rows), *rows = NULL;
    json_decref(body);
    return st;
}

sut_status user_neo4j(sut_request *rq, const char *cypher, json_t *params, uint32_t timeout_ms, json_t **rows)
{
    *rows = NULL;
    if (!params)
        return -ENOMEM;
    sut_str url = sut_request_printf(rq, "%s/db/neo4j/tx/commit", user_config.neo4j_url);
    const sut_http_header accept = {"Accept", SUT_STR("application/json")};
    sut_http_request post = {.method = "POST",
                             .url = url.ptr,
                             .content_type = "application/json",
                             .body = write_body(rq, cypher, params),
                             .headers = &accept,
                             .header_count = 1,
                             .timeout_ms = timeout_ms,
                             .max_reply = REPLY_MAX};
    if (!url.ptr || !post.body.ptr)
        return -ENOMEM;
    if (*user_config.neo4j_user) {
        post.user = user_config.neo4j_user;
        post.password = user_config.neo4j_password;
    }
    sut_http_reply reply;
    sut_status st = sut_http(rq, &post, &reply);
    return st ? st : read_reply(rq, &reply, rows);
}
