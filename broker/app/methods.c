/* Look-ups in the generated schema tables. */
#include "methods.h"

void sut_methods_describe(sut_str subject, sut_core_method *out)
{
    const sut_method *m = sut_method_find(subject);

    *out = m ? (sut_core_method){.known = true, .idempotent = m->idempotent, .timeout_ms = m->timeout_ms}
             : (sut_core_method){.known = false};
}

size_t sut_methods_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < sut_domain_count; i++)
        count += sut_domains[i]->method_count;
    return count;
}

void sut_methods_each(void (*fn)(const sut_method *m, void *arg), void *arg)
{
    for (size_t i = 0; i < sut_domain_count; i++)
        for (size_t j = 0; j < sut_domains[i]->method_count; j++)
            fn(sut_domains[i]->methods[j], arg);
}
