/* Hello: who the peer says it is, against what the transport and the access list say; welcome; the start of its
 * service. The body is read by the record runtime from the tables below, the same way as every other body. */
#include "state.h"

#include "base/arena.h"
#include "wire/msgpack.h"
#include "wire/record.h"

#include <errno.h>
#include <stdio.h>

#define TEXT_MAX          64
#define CAPABILITIES_MAX  32
#define FIELD_ERRORS_MAX  4
#define ERROR_MESSAGE_MAX 256

typedef struct hello_service {
    sut_str name;
    int32_t credits;
    uint8_t has_credits;
} hello_service;

typedef struct hello_body {
    sut_str name, role, instance, version;
    uint8_t has_name, has_role, has_instance, has_version;
    sut_list capabilities, services;
    uint8_t has_capabilities, has_services;
} hello_body;

static const sut_field service_fields[] = {
    {.name = "name",
     .name_len = 4,
     .type = SUT_T_STRING,
     .flags = SUT_F_REQUIRED,
     .offset = offsetof(hello_service, name),
     .has_offset = UINT16_MAX,
     .min_bytes = 1,
     .max_bytes = TEXT_MAX,
     .pattern = "[a-z0-9_]+",
     .doc = "The service: the first token of its methods' subjects."},
    {.name = "credits",
     .name_len = 7,
     .type = SUT_T_I32,
     .offset = offsetof(hello_service, credits),
     .has_offset = offsetof(hello_service, has_credits),
     .has_min = true,
     .has_max = true,
     .min_i = 0,
     .max_i = INT32_MAX,
     .doc = "How many calls it takes at a time; more by credit envelopes."},
};
static const sut_record service_record = {.name = "hello_service",
                                          .fields = service_fields,
                                          .count = SUT_ARRAY_LEN(service_fields),
                                          .size = sizeof(hello_service)};

static const sut_field capability_element = {
    .name = "", .type = SUT_T_STRING, .has_offset = UINT16_MAX, .max_bytes = TEXT_MAX};
static const sut_field service_element = {
    .name = "", .type = SUT_T_RECORD, .has_offset = UINT16_MAX, .record = &service_record};

#define TEXT_FIELD(field, max)                                                                                         \
    {                                                                                                                  \
        .name = #field, .name_len = sizeof(#field) - 1, .type = SUT_T_STRING, .offset = offsetof(hello_body, field),   \
        .has_offset = offsetof(hello_body, has_##field), .max_bytes = (max)                                            \
    }
#define LIST_FIELD(field, max, of)                                                                                     \
    {                                                                                                                  \
        .name = #field, .name_len = sizeof(#field) - 1, .type = SUT_T_LIST, .offset = offsetof(hello_body, field),     \
        .has_offset = offsetof(hello_body, has_##field), .max_items = (max), .element = (of)                           \
    }

static const sut_field hello_fields[] = {
    TEXT_FIELD(name, CORE_NAME_MAX),
    TEXT_FIELD(role, TEXT_MAX),
    TEXT_FIELD(instance, CORE_NAME_MAX),
    TEXT_FIELD(version, TEXT_MAX),
    LIST_FIELD(capabilities, CAPABILITIES_MAX, &capability_element),
    LIST_FIELD(services, CORE_SERVICES_A_PEER, &service_element),
};
static const sut_record hello_record = {
    .name = "hello", .fields = hello_fields, .count = SUT_ARRAY_LEN(hello_fields), .size = sizeof(hello_body)};

/* ---- reading and checking ---- */

static void refuse(sut_core *c, core_session *s, const sut_envelope *env, sut_drop_reason reason, const core_error *e,
                   sut_str about)
{
    c->counts.refused_total++;
    if (c->ops.refused)
        c->ops.refused(c->app, s->id, "hello", about, e->err);
    core_session_drop(c, s, reason, env->id, e);
}

static bool read_body(sut_core *c, core_session *s, const sut_envelope *env, hello_body *body)
{
    sut_field_errors errors;
    sut_arena_reset(c->arena);
    sut_field_errors_init(&errors, c->arena, FIELD_ERRORS_MAX);
    sut_status st = sut_record_decode(&hello_record, env->body, SUT_UNKNOWN_IGNORE, c->arena, body, &errors);
    if (st == 0)
        return true;
    char message[ERROR_MESSAGE_MAX] = "hello: its body cannot be read";
    if (st == SUT_RECORD_INVALID && errors.count > 0)
        (void)snprintf(message, sizeof(message), "hello: %.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                       SUT_STR_FMT(errors.items[0].message));
    refuse(c, s, env, SUT_DROP_BAD_ENVELOPE, &(core_error){SUT_ERR_BAD_ENVELOPE, 0, message}, SUT_STR_NONE);
    return false;
}

/* Why this hello is not for this peer; NULL if it is. */
static const char *objection(const core_session *s, const hello_body *body, sut_str *about)
{
    *about = sut_str_from(s->name);
    if (!s->acl)
        return "this peer is not in the access list";
    if (body->has_name && !sut_str_is(body->name, s->name))
        return "hello names another peer than the one that was authenticated";
    *about = body->role;
    if (body->has_role && !sut_str_is(body->role, sut_role_name(sut_acl_role(s->acl))))
        return "hello names another role than the access list";
    for (size_t i = 0; i < body->services.count; i++) {
        const hello_service *service = ((const hello_service *const *)body->services.items)[i];
        *about = service->name;
        if (sut_str_is(service->name, "broker") || !sut_acl_may_serve(s->acl, service->name))
            return "this peer may not serve this service";
    }
    return NULL;
}

static bool names_a_service_twice(const hello_body *body)
{
    const hello_service *const *items = body->services.items;
    for (size_t i = 1; i < body->services.count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (sut_str_eq(items[i]->name, items[k]->name))
                return true;
        }
    }
    return false;
}

/* A peer's own name for this run of it; one that names none gets one that no other session has. */
static void set_instance(core_session *s, const hello_body *body)
{
    if (body->has_instance && body->instance.len > 0) {
        memcpy(s->instance, body->instance.ptr, body->instance.len);
        s->instance[body->instance.len] = '\0';
    } else {
        (void)snprintf(s->instance, sizeof(s->instance), "session-%llu", (unsigned long long)s->id);
    }
}

/* The same instance of the same peer has an older session: its connection is dead, though nobody noticed yet. */
static void replace_older(sut_core *c, const core_session *s)
{
    for (sut_node *n = c->sessions.next, *next; n != &c->sessions; n = next) {
        next = n->next;
        core_session *other = SUT_CONTAINER(n, core_session, node);
        if (other != s && other->ready && strcmp(other->name, s->name) == 0 &&
            strcmp(other->instance, s->instance) == 0)
            core_session_drop(c, other, SUT_DROP_REPLACED, 0, NULL);
    }
}

static bool instance_name_taken(const sut_core *c, const core_session *s, const hello_body *body)
{
    for (size_t i = 0; i < body->services.count; i++) {
        const hello_service *service = ((const hello_service *const *)body->services.items)[i];
        const core_service *known = core_service_find(c, service->name);
        if (known && core_service_pinned(known, sut_str_from(s->instance)))
            return true;
    }
    return false;
}

/* ---- welcome ---- */

static sut_status encode_welcome(const sut_core *c, const core_session *s, sut_buf *out)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"session", s->id},
                   {"protocol", SUT_PROTOCOL_VERSION},
                   {"ping_after_ms", c->limits.ping_after_ms},
                   {"pings_missed", c->limits.pings_missed},
                   {"max_envelope", SUT_ENVELOPE_MAX},
                   {"max_ttl_ms", c->limits.max_ttl_ms}};
    const struct {
        const char *key, *value;
    } texts[] = {{"broker", c->broker_name}, {"version", "sut-broker/" SUT_VERSION}, {"instance", s->instance}};
    sut_status st = sut_mp_add_map(out, SUT_ARRAY_LEN(numbers) + SUT_ARRAY_LEN(texts));
    for (size_t i = 0; st == 0 && i < SUT_ARRAY_LEN(numbers); i++) {
        st = sut_mp_add_str(out, sut_str_from(numbers[i].key));
        if (st == 0)
            st = sut_mp_add_uint(out, numbers[i].value);
    }
    for (size_t i = 0; st == 0 && i < SUT_ARRAY_LEN(texts); i++) {
        st = sut_mp_add_str(out, sut_str_from(texts[i].key));
        if (st == 0)
            st = sut_mp_add_str(out, sut_str_from(texts[i].value));
    }
    return st;
}

static bool send_welcome(sut_core *c, const core_session *s, uint64_t id)
{
    sut_buf_reset(&c->scratch);
    if (encode_welcome(c, s, &c->scratch))
        return false;
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_WELCOME,
                        .id = id,
                        .opt = {.session = s->id},
                        .body = {(const char *)c->scratch.data, c->scratch.len}};
    core_emit(c, s, &env);
    return true;
}

/* ---- start of service ---- */

static sut_status start_services(sut_core *c, core_session *s, const hello_body *body)
{
    for (size_t i = 0; i < body->services.count; i++) {
        const hello_service *want = ((const hello_service *const *)body->services.items)[i];
        core_service *service;
        sut_status st = core_service_get(c, want->name, &service);
        if (st == 0)
            st = core_instance_add(c, s, service, (uint32_t)want->credits);
        if (st)
            return st;
    }
    return 0;
}

static void pump_all(sut_core *c, core_session *s)
{
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next)
        core_instance_pump(c, SUT_CONTAINER(n, core_instance, session_node));
}

static bool check(sut_core *c, core_session *s, const sut_envelope *env, const hello_body *body)
{
    sut_str about;
    const char *why = objection(s, body, &about);
    if (why) {
        refuse(c, s, env, s->acl ? SUT_DROP_BAD_ENVELOPE : SUT_DROP_REVOKED, &(core_error){SUT_ERR_FORBIDDEN, 0, why},
               about);
        return false;
    }
    if (names_a_service_twice(body)) {
        refuse(c, s, env, SUT_DROP_BAD_ENVELOPE,
               &(core_error){SUT_ERR_BAD_ENVELOPE, 0, "hello: a service is named twice"}, SUT_STR_NONE);
        return false;
    }
    if (c->draining) {
        core_session_drop(c, s, SUT_DROP_BYE, env->id,
                          &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the broker is stopping"});
        return false;
    }
    return true;
}

void core_hello_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    hello_body body;
    if (s->ready) {
        core_session_drop(c, s, SUT_DROP_BAD_ENVELOPE, env->id,
                          &(core_error){SUT_ERR_BAD_ENVELOPE, 0, "a second hello; a session has one"});
        return;
    }
    if (!read_body(c, s, env, &body) || !check(c, s, env, &body))
        return;
    set_instance(s, &body);
    replace_older(c, s);
    if (instance_name_taken(c, s, &body)) {
        refuse(c, s, env, SUT_DROP_BAD_ENVELOPE,
               &(core_error){SUT_ERR_CONFLICT, 0, "another peer serves under this instance id"},
               sut_str_from(s->instance));
        return;
    }
    s->role = sut_acl_role(s->acl);
    s->ready = true;
    s->pings_out = 0;
    core_see_names(c, sut_str_from(s->name));
    if (!send_welcome(c, s, env->id) || start_services(c, s, &body)) {
        core_session_drop(c, s, SUT_DROP_LIMIT, env->id,
                          &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "too many services or credits"});
        return;
    }
    pump_all(c, s);
}
