/* GET /openapi.json: the document that proto-gen wrote at build time, carried in this executable. */
#include "api.h"

extern const char sut_openapi_begin[], sut_openapi_end[];
__asm__(".pushsection .rodata\n"
        ".global sut_openapi_begin\n"
        ".global sut_openapi_end\n"
        "sut_openapi_begin:\n"
        ".incbin \"" SUT_OPENAPI_FILE "\"\n"
        "sut_openapi_end:\n"
        ".byte 0\n"
        ".popsection\n");

void sut_openapi_answer(sut_exchange *x)
{
    const sut_str document = {sut_openapi_begin, (uintptr_t)sut_openapi_end - (uintptr_t)sut_openapi_begin};
    sut_exchange_send(x, &(sut_response){.status = 200, .content_type = "application/json", .body = document});
}
