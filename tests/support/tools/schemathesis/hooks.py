"""Who schemathesis is, and whom its requests are about.

It is an account made before, logged in once an operation. What ends sessions is done as another one, logged in once a
request, so that the first stays logged in."""

import json
import os
import threading
import urllib.request

import schemathesis

BASE = os.environ["SUT_BASE"]
ME, OTHER, ADMIN = (json.loads(os.environ[name]) for name in ("SUT_ME", "SUT_OTHER", "SUT_ADMIN"))
PEOPLE = json.loads(os.environ["SUT_PEOPLE"])
ENDS_SESSIONS = {"auth.logout", "auth.sessions_end", "auth.session_end", "auth.change_password", "auth.deactivate"}

tokens, lock = {}, threading.Lock()


def log_in(who):
    request = urllib.request.Request(f"{BASE}/api/auth/login", json.dumps(who).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)["access_token"]


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        operation = case.operation.definition.raw.get("operationId")
        if operation in ENDS_SESSIONS:
            return log_in(OTHER)
        who = ADMIN if case.operation.definition.raw.get("x-level") == "ADMIN" else ME
        with lock:
            if operation not in tokens:
                tokens[operation] = log_in(who)
            return tokens[operation]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Of the valid ids, every other one becomes that of somebody who is there."""
    id = path_parameters and path_parameters.get("id")
    if isinstance(id, int) and context.operation.definition.raw.get("operationId") == "user.friendship":
        path_parameters["id"] = int(os.environ["SUT_FRIEND"])
    elif isinstance(id, int) and not isinstance(id, bool) and id > 0 and id % 2 == 0:
        path_parameters["id"] = PEOPLE[id // 2 % len(PEOPLE)]
    return path_parameters
