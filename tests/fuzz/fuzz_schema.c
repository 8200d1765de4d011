/* The records of the real schemas, as proto-gen emits them: the first byte picks one, the rest is a body or JSON. */
#include "chain.h"
#include "wire/schema.h"

static const sut_record *pick(unsigned number)
{
    size_t total = 0;
    for (size_t d = 0; d < sut_domain_count; d++)
        total += sut_domains[d]->record_count;
    MUST(total > 0);
    size_t left = number % total;
    for (size_t d = 0; d < sut_domain_count; d++) {
        if (left < sut_domains[d]->record_count)
            return sut_domains[d]->records[left];
        left -= sut_domains[d]->record_count;
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    FUZZ_ARENA(a);
    const sut_record *desc = pick(data[0]);
    const sut_str input = {(const char *)data + 1, size - 1};
    MUST(desc);
    chain_body(desc, input, a);
    chain_json(desc, input, a);
    chain_redact(desc, input);
    return 0;
}
