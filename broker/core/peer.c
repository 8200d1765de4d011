/* What all sessions of one name hold together. One program may open many sessions, so what a tool may take from others
 * is bounded by its name. */
#include "state.h"

#include <stdlib.h>

core_peer *core_peer_find(const sut_core *c, sut_str name)
{
    return sut_strmap_get(c->peers, name);
}

core_peer *core_peer_hold(sut_core *c, sut_str name)
{
    core_peer *p = core_peer_find(c, name);
    if (!p) {
        p = calloc(1, sizeof(*p));
        if (p && sut_strmap_put(c->peers, name, p)) {
            free(p);
            p = NULL;
        }
    }
    if (p)
        p->sessions++;
    return p;
}

void core_peer_drop(sut_core *c, core_peer *p, sut_str name)
{
    if (!p || --p->sessions > 0)
        return;
    (void)sut_strmap_take(c->peers, name);
    free(p);
}
