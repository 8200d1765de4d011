/* libcurl for fibers: transfers of one multi handle on the loop. The caller makes and fills an easy handle; this parks
 * its fiber until libcurl is done with it, without a thread.
 *
 *     CURL *easy = curl_easy_init();
 *     … curl_easy_setopt(easy, CURLOPT_URL, …); curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L); …
 *     int code;
 *     sut_status st = sut_transfer(rq, easy, &code);
 *
 * Callbacks of the handle (read, write) run on the loop, outside of any fiber: they must not park, and may touch what
 * lives as long as the call does. Connections are kept and used again.
 *
 * Not for SMTP: there libcurl 7.88 waits for the answer to a message, and to QUIT, inside of the loop. */
#ifndef SUT_KIT_TRANSFER_H
#define SUT_KIT_TRANSFER_H

#include "kit/kit.h"

#define SUT_TRANSFERS_MAX 256 /* under way at a time in one process */

/* `easy` is a CURL *, and stays the caller's; when this returns, libcurl does not use it any more. CURLOPT_PRIVATE,
 * NOSIGNAL and QUICK_EXIT are set here. Returns 0 and a CURLcode (CURLE_OK or why it failed; CURLINFO_… may be asked
 * for) in *curl_code; or SUT_ERR_OVERLOADED, SUT_ERR_DEADLINE_EXCEEDED, SUT_ERR_CANCELLED: then the transfer was ended
 * where it stood, and its connection closed. */
SUT_MUST_CHECK sut_status sut_transfer(sut_request *rq, void *easy, int *curl_code);

#endif
