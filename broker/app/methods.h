/* What the schema tables say of a subject, for the core and for broker.methods. */
#ifndef SUT_APP_METHODS_H
#define SUT_APP_METHODS_H

#include "core/core.h"
#include "wire/schema.h"

/* Unknown subjects: not known, not idempotent, no timeout of their own. */
void sut_methods_describe(sut_str subject, sut_core_method *out);
size_t sut_methods_count(void);
void sut_methods_each(void (*fn)(const sut_method *m, void *arg), void *arg);

#endif
