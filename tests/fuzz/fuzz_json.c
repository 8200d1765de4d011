/* JSON and text parameters: what is taken makes a clean body that decodes, and comes back as the same JSON. */
#include "chain.h"
#include "record_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_ARENA(a);
    chain_json(&all_desc, (sut_str){(const char *)data, size}, a);
    return 0;
}
