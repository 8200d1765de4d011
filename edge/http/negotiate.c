/* Reads Accept, Content-Type and Content-Encoding, as far as one representation needs it. */
#include "negotiate.h"

#include <strings.h>

static sut_str trimmed(sut_str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts the next piece up to `mark` off `rest`; false at the end. A mark within quotes does not part. */
static bool next_piece(sut_str *rest, char mark, sut_str *piece)
{
    if (!rest->ptr)
        return false;
    bool quoted = false;
    size_t at = 0;
    while (at < rest->len && (quoted || rest->ptr[at] != mark)) {
        if (rest->ptr[at] == '"')
            quoted = !quoted;
        at++;
    }
    *piece = trimmed((sut_str){rest->ptr, at});
    *rest = at < rest->len ? (sut_str){rest->ptr + at + 1, rest->len - at - 1} : SUT_STR_NONE;
    return true;
}

static bool is(sut_str s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* q=0 in all its spellings: 0, 0.0, 0.00, 0.000 */
static bool excludes(sut_str params)
{
    sut_str p;
    while (next_piece(&params, ';', &p)) {
        if (p.len < 3 || strncasecmp(p.ptr, "q=", 2) != 0)
            continue;
        for (size_t i = 2; i < p.len; i++) {
            if (p.ptr[i] != '0' && p.ptr[i] != '.')
                return false;
        }
        return true;
    }
    return false;
}

bool sut_accepts_json(const sut_http_request *rq)
{
    size_t count;
    (void)sut_http_header_of(rq, "Accept", &count);
    if (count == 0)
        return true;
    int best = 0; /* how closely a range named us: the closest one decides */
    bool accepted = false, any = false;
    for (size_t i = 0; i < rq->header_count; i++) {
        if (strcasecmp(rq->headers[i].name, "Accept") != 0)
            continue;
        sut_str rest = sut_str_from(rq->headers[i].value), range;
        while (next_piece(&rest, ',', &range)) {
            sut_str params = range, type;
            if (range.len == 0 || !next_piece(&params, ';', &type))
                continue;
            any = true;
            int close = is(type, "application/json") ? 3 : is(type, "application/*") ? 2 : is(type, "*/*") ? 1 : 0;
            if (close > best || (close == best && close > 0 && !accepted)) {
                best = close;
                accepted = !excludes(params);
            }
        }
    }
    return accepted || !any;
}

bool sut_sends_json(const sut_http_request *rq)
{
    size_t types, encodings;
    sut_str rest = sut_http_header_of(rq, "Content-Type", &types), piece;
    sut_str encoding = sut_http_header_of(rq, "Content-Encoding", &encodings);
    if (types != 1 || encodings > 1 || (encodings == 1 && !is(encoding, "identity")))
        return false;
    if (!next_piece(&rest, ';', &piece) || !is(piece, "application/json"))
        return false;
    while (next_piece(&rest, ';', &piece)) {
        if (piece.len > 8 && strncasecmp(piece.ptr, "charset=", 8) == 0) {
            sut_str charset = {piece.ptr + 8, piece.len - 8};
            if (!is(charset, "utf-8") && !is(charset, "\"utf-8\""))
                return false;
        }
    }
    return true;
}
