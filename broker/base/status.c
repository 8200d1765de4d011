/* Tracing of fatal statuses to where they arose. */
#include "base/status.h"

#include "base/log.h"

sut_status sut_trace(sut_status status, const char *file, int line, const char *what)
{
    const char *slash = strrchr(file, '/');
    /* strerrordesc_np is thread-safe and never NULL for an errno of this system */
    const char *words = status < 0 ? strerrordesc_np(-status) : NULL;
    sut_log(SUT_DEBUG, "trace", "status", SUT_KV_I("status", status), SUT_KV("error", words ? words : "unknown"),
            SUT_KV("what", what), SUT_KV("file", slash ? slash + 1 : file), SUT_KV_I("line", line));
    return status;
}
