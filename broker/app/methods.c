/* Look-ups in the generated schema tables. */
#include "methods.h"

#include "wire/schema.h"

void sut_methods_describe(sut_str subject, sut_core_method *out)
{
    const sut_method *m = sut_method_find(subject);

    *out = m ? (sut_core_method){.known = true,
                                 .idempotent = m->idempotent,
                                 .timeout_ms = m->timeout_ms,
                                 .service_only = m->service_only}
             : (sut_core_method){.known = false};
}
