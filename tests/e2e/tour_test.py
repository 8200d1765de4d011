"""The operator's tour in docs/operations.md, word for word: its commands in a shell, its answers compared.

A line `$ command` is typed in the first terminal, `2$ command` in a second one that is left running. What follows is what is
shown. Times, durations, ids and numbers that differ from run to run are compared by their shape."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

import stack
from stack import wait_until

PAGE = os.path.join(stack.ROOT, "docs", "operations.md")
LOOKS = re.compile(r"^sut (dlq list|dlq show|groups(?: \w+)?$|why|status|journal)|^cat ")  # may be typed again until it is so

SHAPES = [(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"), (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "TIME"), (r"\d{4}-\d\d-\d\dT[\d:]+", "TIME"),
          (r"\+?\b[\d.]+ (us|ms|s|m)\b", "DURATION"), (r"00-[0-9a-f]{32}-[0-9a-f]{16}-0\d", "TRACEPARENT"), (r"\b[0-9a-f]{32}\b", "ID"),
          (r"#\d+", "#N")]


def shape(text):
    for pattern, name in SHAPES:
        text = re.sub(pattern, name, text)
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def steps(page):
    """(terminal, command, what is shown) in the order of the page."""
    tour = re.search(r"^## The operator's tour$(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL).group(1)
    for block in re.findall(r"^```console\n(.*?)^```$", tour, re.MULTILINE | re.DOTALL):
        for step in re.split(r"(?m)^(?=2?\$ )", block):
            if not step:
                continue
            terminal, rest = re.match(r"(2?)\$ (.*)", step, re.DOTALL).groups()
            lines = rest.split("\n")
            command = lines.pop(0)
            while command.endswith("\\"):
                command += "\n" + lines.pop(0)
            yield terminal == "2", command, "\n".join(lines)


class Tour(stack.StackTest):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sut-tour-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = dict(os.environ)
        with open(os.path.join(self.stack.run, "env"), encoding="utf-8") as f:
            self.environment.update(line.strip().split("=", 1) for line in f if "=" in line)
        self.environment.update(B=f"http://127.0.0.1:{self.stack.port}",
                                PATH=f"{stack.ROOT}/build/{self.stack.preset}/bin:{os.environ['PATH']}")
        self.running = []
        self.addCleanup(self.end)

    def end(self):
        for process, _, out in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
            out.close()

    def first(self, command):
        """One shell a command; its variables go on in a file."""
        script = f"[ ! -f .vars ] || . ./.vars\n{command}\nstatus=$?\ndeclare -p TRACE > .vars 2>/dev/null\nexit $status"
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.stdout

    def second(self, command, shown):
        out = open(os.path.join(self.folder, f".out{len(self.running)}"), "w+", encoding="utf-8")
        before = self.watchers()
        process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        self.running.append((process, shape(shown), out))
        wait_until(lambda: self.watchers() > before or process.poll() is not None, 20, f"{command} to be there")

    def typed(self, command, shown):
        got = self.first(command)

        def is_so():
            nonlocal got
            got = got if shape(got) == shape(shown) else self.first(command)
            return shape(got) == shape(shown)

        if LOOKS.match(command):  # as a reader would who waits for it
            try:
                wait_until(is_so, 60, command)
            except AssertionError:
                pass  # the comparison says more
        self.assertEqual(shape(got), shape(shown), f"$ {command}\n{got}")

    def watchers(self):
        """Taps and subscriptions of ours that the broker knows of."""
        listed = self.stack.sut("call", "broker.subscriptions", "{}", "--json").stdout
        return listed.count('"peer":"operator"') + len(re.findall(r'"tap":', self.stack.sut("status", "--json").stdout))

    def test_word_for_word(self):
        with open(PAGE, encoding="utf-8") as f:
            tour = list(steps(f.read()))
        self.assertGreater(len(tour), 10)
        for aside, command, shown in tour:
            if aside:
                self.second(command, shown)
                continue
            self.typed(command, shown)
        for process, shown, out in self.running:
            def told(out=out):
                out.seek(0)
                return out.read()
            # a reply and the event that it caused take two ways: whichever is first
            wait_until(lambda told=told, shown=shown: sorted(shape(told())) == sorted(shown), 20, f"{process.args}: {shown}, not {shape(told())}")


if __name__ == "__main__":
    stack.main()
