"""A Neo4j of a suite's own: private folder, HTTP on a free port of 127.0.0.1, gone with the test. It takes five seconds to start and
380 MB, so suites share one where they can."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile

import stack
from stack import wait_until

SETUP = os.path.join(stack.ROOT, "tests/support/servers/neo4j/setup")


class Missing(Exception):
    """No Maven or Java on this machine."""


def libraries():
    done = subprocess.run([SETUP], text=True, capture_output=True, check=False)
    if done.returncode == 69:
        raise Missing(done.stderr.strip())
    if done.returncode:
        raise AssertionError(f"Neo4j's set-up failed: {done.stderr}")
    return os.path.join(done.stdout.strip(), "lib")


class Neo4j:
    user, password = "neo4j", "a-test-of-ours"

    def __init__(self):
        self.lib = libraries()
        self.dir = tempfile.mkdtemp(prefix="sut-neo4j-")
        self.port = stack.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        os.makedirs(f"{self.dir}/conf")
        with open(f"{self.dir}/conf/neo4j.conf", "w", encoding="utf-8") as f:
            f.write(f"""dbms.security.auth_enabled=true
dbms.security.auth_minimum_password_length=8
server.http.listen_address=127.0.0.1:{self.port}
server.bolt.enabled=false
server.memory.heap.initial_size=256m
server.memory.heap.max_size=512m
server.memory.pagecache.size=64m
dbms.usage_report.enabled=false
""")
        self.process = None

    def __enter__(self):
        java = ["java", "-cp", f"{self.lib}/*"]
        subprocess.run([*java, "org.neo4j.server.startup.Neo4jAdminCommand", "dbms", "set-initial-password", self.password], check=True,
                       env=dict(os.environ, NEO4J_HOME=self.dir, NEO4J_CONF=f"{self.dir}/conf"), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.start()
        return self

    def start(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.process = subprocess.Popen(["java", "-Xmx512m", "-cp", f"{self.lib}/*", "org.neo4j.server.CommunityEntryPoint",
                                             f"--home-dir={self.dir}", f"--config-dir={self.dir}/conf"], stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.answers(), 120, "Neo4j to answer")
        if self.process.poll() is not None:
            with open(f"{self.dir}/log", encoding="utf-8") as f:
                raise AssertionError(f"Neo4j ended with {self.process.returncode}: {f.read()[-2000:]}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def answers(self):
        try:
            return self.query("RETURN 1") == [[1]]
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def query(self, statement, **parameters):
        """Rows of one statement."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            connection.request("POST", "/db/neo4j/tx/commit", json.dumps({"statements": [{"statement": statement, "parameters": parameters}]}),
                               {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"})
            reply = connection.getresponse()
            body = json.loads(reply.read())
        finally:
            connection.close()
        if body["errors"]:
            raise AssertionError(f"{statement}: {body['errors']}")
        return [row["row"] for row in body["results"][0]["data"]]
