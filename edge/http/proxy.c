/* Reads X-Forwarded-For from behind: what stands before the last address was written by the client. */
#include "proxy.h"

#include <arpa/inet.h>

sut_str sut_proxy_client(const sut_http_request *rq, sut_str peer)
{
    size_t count;
    sut_str list = sut_http_header_of(rq, "X-Forwarded-For", &count);
    if (count != 1)
        return peer;
    const char *comma = memrchr(list.ptr, ',', list.len);
    sut_str last = comma ? (sut_str){comma + 1, list.len - (size_t)(comma + 1 - list.ptr)} : list;
    while (last.len > 0 && last.ptr[0] == ' ') {
        last.ptr++;
        last.len--;
    }
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (last.len == 0 || last.len >= sizeof(text))
        return peer;
    memcpy(text, last.ptr, last.len);
    text[last.len] = '\0';
    bool known = inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
    return known ? last : peer;
}
