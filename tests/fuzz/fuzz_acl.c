/* The access list's file: refused with a line and a reason, or taken and consistent. */
#include "core/acl.h"
#include "fuzz.h"

/* What a list never gives, whatever it says. */
static void check_entry(const sut_acl *acl, sut_str name)
{
    const sut_acl_entry *e = sut_acl_find(acl, name);
    if (!e)
        return;
    sut_role role = sut_acl_role(e), parsed;
    MUST(role != SUT_ROLE_NONE && sut_str_eq(sut_acl_name(e), name));
    MUST(sut_role_parse(sut_str_from(sut_role_name(role)), &parsed) && parsed == role);
    MUST(!sut_acl_may_set_principal(e) || role == SUT_ROLE_EDGE || role == SUT_ROLE_ACTOR);
    for (int right = 0; right < SUT_RIGHT_COUNT; right++) {
        (void)sut_acl_allows(e, (sut_right)right, SUT_STR("user.profile_get"));
        (void)sut_acl_allows(e, (sut_right)right, SUT_STR("broker.status"));
        (void)sut_acl_allows(e, (sut_right)right, SUT_STR(""));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sut_acl *acl = NULL;
    char error[200] = "";
    const sut_str text = {(const char *)data, size};
    if (sut_acl_parse(&acl, text, error, sizeof error)) {
        MUST(acl == NULL && error[0] >= '1' && error[0] <= '9');
        return 0;
    }
    MUST(acl != NULL);
    size_t start = 0; /* every first word of a line may be a name */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] != '\n' && data[i] != ' ')
            continue;
        check_entry(acl, (sut_str){(const char *)data + start, i - start});
        start = i + 1;
    }
    acl = sut_acl_free(acl);
    return 0;
}
