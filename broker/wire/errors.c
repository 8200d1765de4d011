/* The platform's error table and its look-ups. */
#include "wire/errors.h"

static const sut_error_desc s_platform[] = {
#define X(name, code, status, doc) [SUT_ERR_##name] = {SUT_ERR_##name, code, status, doc},
    SUT_PLATFORM_ERRORS(X)
#undef X
};
_Static_assert(SUT_ARRAY_LEN(s_platform) == SUT_ERR_PLATFORM_COUNT, "the table and the enum come from one list");

const sut_error_desc *sut_platform_error(int err)
{
    return err > SUT_ERR_NONE && err < SUT_ERR_PLATFORM_COUNT ? &s_platform[err] : NULL;
}

const sut_error_desc *sut_platform_error_by_code(sut_str code)
{
    for (int err = SUT_ERR_NONE + 1; err < SUT_ERR_PLATFORM_COUNT; err++)
        if (sut_str_is(code, s_platform[err].code))
            return &s_platform[err];
    return NULL;
}
