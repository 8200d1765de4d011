/* What the schema tables say of a subject, for the core. */
#ifndef SUT_APP_METHODS_H
#define SUT_APP_METHODS_H

#include "core/core.h"

/* Unknown subjects: not known, not idempotent, no timeout of their own. */
void sut_methods_describe(sut_str subject, sut_core_method *out);

#endif
