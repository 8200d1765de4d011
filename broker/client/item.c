/* One encoded envelope that waits to be sent, in one allocation with whatever its owner keeps of it. */
#include "client.h"

#include <stdlib.h>

sut_status client_item_new(client_item **out, const sut_envelope *env, size_t head_bytes)
{
    static const uint8_t zero[sizeof(client_call)];
    sut_buf b;
    sut_buf_init(&b, head_bytes + SUT_ENVELOPE_MAX);
    sut_status st = sut_buf_reserve(&b, head_bytes + sut_envelope_size_bound(env));
    if (st == 0)
        st = sut_buf_append(&b, zero, head_bytes);
    if (st == 0)
        st = sut_envelope_encode(&b, env);
    if (st != 0) {
        sut_buf_deinit(&b);
        return st;
    }
    size_t len;
    uint8_t *block = sut_buf_steal(&b, &len);
    client_item *item = (client_item *)(void *)block;
    item->bytes = block + head_bytes;
    item->len = (uint32_t)(len - head_bytes);
    *out = item;
    return 0;
}

void client_item_free(client_item *item)
{
    if (item->apart)
        free(item->bytes);
    free(item);
}
