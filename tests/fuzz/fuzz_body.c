/* Bodies: scan → decode → encode → decode → JSON → body: each step takes what the one before made, and nothing changes
 * on the way. */
#include "chain.h"
#include "record_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_ARENA(a);
    chain_body(&all_desc, (sut_str){(const char *)data, size}, a);
    return 0;
}
