"""Clients under a fault: threads that keep asking, and a log of what each request came to.

What must hold whatever breaks: every request gets one answer by its deadline plus a second; an answer is a success or an
error that says what it is; what was acknowledged is there afterwards, once."""

import http.client
import json
import threading
import time

DEADLINE_S = 3.0  # the methods' timeout
MARGIN_S = 1.5
HONEST = {429, 503, 504}


class Load:
    """`make(n)` gives (verb, path, body, headers) of the n-th request of a thread."""

    def __init__(self, stack, threads, make):
        self.stack, self.make = stack, make
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.log = []  # (started, took, status or None, code, request number)
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for t in self.threads:
            t.join(15)

    def run(self, index):
        connection, n = None, 0
        while not self.stopping.is_set():
            n += 1
            verb, path, body, headers = self.make(index * 1000000 + n)
            started = time.monotonic()
            status, code, answer = None, None, None
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=DEADLINE_S + 5)
                connection.request(verb, path, json.dumps(body) if body is not None else None,
                                   {**({"Content-Type": "application/json"} if body is not None else {}), **headers})
                reply = connection.getresponse()
                status, answer = reply.status, reply.read()
                if status >= 400:
                    code = json.loads(answer).get("code")
            except (OSError, http.client.HTTPException) as e:
                code = type(e).__name__
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.01)
            with self.lock:
                self.log.append((started, time.monotonic() - started, status, code, (index * 1000000 + n, answer)))
        if connection:
            connection.close()

    def since(self, moment):
        with self.lock:
            return [entry for entry in self.log if entry[0] >= moment]

    def wait_success_after(self, moment, seconds, count=20):
        """The time from `moment` until `count` successes in a row were seen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            run = 0
            for started, took, status, _, _ in sorted(self.since(moment)):
                run = run + 1 if status is not None and status < 400 else 0
                if run >= count:
                    return started + took - moment
            time.sleep(0.05)
        tail = [(status, code) for _, _, status, code, _ in self.since(moment)[-10:]]
        raise AssertionError(f"not back to normal {seconds} s after the part's return: {tail}")

    def assert_honest(self, test, edge_may_go=False):
        """No request without an answer by its deadline and margin, and no answer that hides what happened."""
        with self.lock:
            log = list(self.log)
        test.assertGreater(len(log), 50, "the load did not run")
        late = [e for e in log if e[1] > DEADLINE_S + MARGIN_S]
        test.assertEqual(late, [], "answers after their deadline")
        silent = [e for e in log if e[2] is None]
        if not edge_may_go:
            test.assertEqual(silent, [], "requests without an answer")
        odd = [e[:4] for e in log if e[2] is not None and e[2] >= 400 and e[2] not in HONEST]
        test.assertEqual(odd, [], "answers that are neither a success nor an honest refusal")
