"""docs/writing-an-actor.md word for word: its files into a copy of this checkout, its commands run there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "interop"), os.path.join(ROOT, "tests", "support")]
import stack
from broker import Broker
from postgres import Postgres

PAGE = os.path.join(ROOT, "docs", "writing-an-actor.md")
FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Walkthrough(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(PAGE, encoding="utf-8") as f:
            cls.page = f.read()
        cls.tree = tempfile.mkdtemp(prefix="sut-walk-")
        os.chmod(cls.tree, 0o755)
        listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            if name.startswith(("actors/note/", "schemas/note.yaml")) or not os.path.isfile(os.path.join(ROOT, name)):
                continue
            target = os.path.join(cls.tree, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), target)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tree, ignore_errors=True)

    def shell(self, block, env=None, timeout=900):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=self.tree, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout)
        self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout[-4000:]}")
        return done.stdout

    def test_the_page_works(self):
        files = FILE.findall(self.page)
        self.assertGreaterEqual(len(files), 6)
        for name, text in files:
            path = os.path.join(self.tree, name)
            self.assertFalse(os.path.exists(path), f"{name} is a new file, nothing else is edited")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        build, run = SHELL.findall(self.page)
        self.assertRegex(self.shell(build), r"Passing: 1 \| Failing: 0")
        os.environ["SUT_BIN"] = os.path.join(self.tree, "build", "debug", "bin")
        with Postgres() as postgres, Broker() as broker:
            env = dict(broker.env, NOTE_DATABASE_URL=postgres.url(), SUT_NAME="operator",
                       SUT_SECRET_FILE=f"{broker.dir}/keys/operator.secret")
            said = self.shell(run, env=env, timeout=60)
            self.assertIn("as it should be", said)
            self.assertIn("not_found", said)
            self.assertEqual(postgres.sql("SELECT name FROM sut_migrations WHERE service = 'note'"), "0001_notes")


if __name__ == "__main__":
    stack.main()
