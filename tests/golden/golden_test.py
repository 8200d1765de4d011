"""The generator as its users see it: what it says of wrong schemas, what it makes of right ones, and what it refuses.

    golden_test.py PROTO_GEN [--update]

--update writes what is found as what is expected: read the difference before committing it.
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

import against_cases

HERE = pathlib.Path(__file__).resolve().parent
FIXTURE = ["common.yaml", "shop.yaml"]
GOLDEN_EMITTERS = "c,service,methods,routes,openapi,asyncapi,markdown,roundtrip"


class Suite:
    def __init__(self, tool, update):
        self.tool, self.update = str(pathlib.Path(tool).resolve()), update
        self.passed = self.failed = 0

    def run(self, *args, cwd):
        return subprocess.run([self.tool, *args], cwd=cwd, capture_output=True, text=True, errors="replace", timeout=60, check=False)

    def check(self, name, problem):
        """`problem` is None or empty if all is well."""
        self.passed += not problem
        self.failed += bool(problem)
        if problem:
            print(f"FAILED {name}: {problem}")


def wrong_schemas(suite):
    folder = HERE / "wrong"
    cases = sorted(folder.glob("*.yaml"))
    suite.check("wrong: enough cases", None if len(cases) >= 30 else f"only {len(cases)}")
    for case in cases:
        expected = case.with_suffix(".expected")
        with tempfile.TemporaryDirectory() as out:
            done = suite.run("--out", out, "../fixture/common.yaml", case.name, cwd=folder)
            written = os.listdir(out)
        if suite.update:
            expected.write_text(done.stderr, encoding="utf-8")
        problem = None
        if done.returncode != 1:
            problem = f"exit {done.returncode}, not 1"
        elif written:
            problem = f"wrote {written} all the same"
        elif not expected.exists() or done.stderr != expected.read_text(encoding="utf-8"):
            problem = f"said\n{done.stderr}"
        suite.check(f"wrong/{case.name}", problem)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def emit(suite, out, *more):
    done = suite.run("--out", str(out), *more, *FIXTURE, cwd=HERE / "fixture")
    return done.stderr if done.returncode else None


def goldens(suite):
    expected = HERE / "expected"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        suite.check("goldens: run", emit(suite, out, "--emit", GOLDEN_EMITTERS))
        if suite.update:
            shutil.rmtree(expected, ignore_errors=True)
            shutil.copytree(out, expected)
        found, wanted = tree(out), tree(expected)
    for name in sorted(found.keys() | wanted.keys()):
        same = found.get(name) == wanted.get(name)
        suite.check(f"expected/{name}", None if same else "differs; see golden_test.py --update")


def determinism(suite):
    with tempfile.TemporaryDirectory() as folder:
        one, two = pathlib.Path(folder) / "one", pathlib.Path(folder) / "two"
        suite.check("determinism: first", emit(suite, one))
        FIXTURE.reverse()
        suite.check("determinism: second", emit(suite, two))
        FIXTURE.reverse()
        first = tree(one)
        suite.check("determinism: the order of the schemas does not matter", None if first == tree(two) else "differs")
        suite.check("determinism: seeds too", None if sum(n.startswith("msgpack/") for n in first) > 20 else "too few")
        text = b"".join(first.values())
        suite.check("determinism: no paths of this machine", str(HERE).encode() in text and "a path is in the output")

        times = {p: p.stat().st_mtime_ns for p in one.rglob("*") if p.is_file()}
        (one / "openapi.json").write_text("old", encoding="utf-8")
        emit(suite, one)
        changed = {p.name for p, t in times.items() if p.stat().st_mtime_ns != t}
        suite.check("unchanged files are left alone", None if changed == {"openapi.json"} else f"touched {changed}")
        suite.check("nothing is left aside", None if not list(one.rglob("*.new")) else "there is a .new file")


def checking(suite):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        emit(suite, out, "--emit", "openapi,markdown")
        args = ("--check", str(out), "--emit", "openapi,markdown", *FIXTURE)
        suite.check("--check: same", suite.run(*args, cwd=HERE / "fixture").returncode and "not 0")
        with open(out / "reference.md", "a", encoding="utf-8") as f:
            f.write("edited by hand\n")
        (out / "openapi.json").unlink()
        done = suite.run(*args, cwd=HERE / "fixture")
        ok = done.returncode == 1 and "reference.md is not what" in done.stderr and "openapi.json is missing" in done.stderr
        suite.check("--check: drift", None if ok else f"exit {done.returncode}: {done.stderr}")


def language_document(suite):
    """The example in docs/schema-language.md is right, and every key of a field is told there."""
    root = HERE.parent.parent
    text = (root / "docs" / "schema-language.md").read_text(encoding="utf-8")
    example = re.search(r"^```yaml\n(.*?)^```", text, re.M | re.S).group(1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "guestbook.yaml"
        path.write_text(example, encoding="utf-8")
        done = suite.run(str(root / "schemas" / "common.yaml"), str(path), cwd=root)
    suite.check("schema-language.md: example", done.stderr if done.returncode else None)
    said = (HERE / "wrong" / "field_unknown_key_list.expected").read_text(encoding="utf-8")
    keys = re.search(r"it may have (.*)$", said, re.M).group(1).split(", ")
    untold = [k for k in keys if f"`{k}`" not in text]
    suite.check("schema-language.md: keys", None if not untold else f"does not tell of {untold}")


def garbage(suite):
    """Schemas with random damage are refused or accepted, but never crash or hang the generator."""
    dice = random.Random(1)
    text = (HERE / "fixture" / "shop.yaml").read_bytes()
    for number in range(250):
        damaged = bytearray(text)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(damaged))
            kind = dice.randrange(4)
            if kind == 0:
                damaged[at] = dice.randrange(256)
            elif kind == 1:
                del damaged[at : at + dice.randint(1, 40)]
            elif kind == 2:
                damaged[at:at] = damaged[dice.randrange(len(damaged)) :][: dice.randint(1, 60)]
            else:
                damaged[at:at] = dice.choice([b"{", b"[", b"]", b": ", b"\n  ", b"&a ", b"*a", b"!!x ", b"'", b'"', b"---\n"])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "shop.yaml"
            path.write_bytes(damaged)
            done = suite.run("--out", folder + "/out", "common.yaml", str(path), cwd=HERE / "fixture")
        said = done.returncode == 0 or ": error: " in done.stderr
        ok = done.returncode in (0, 1) and said and "Sanitizer" not in done.stderr
        suite.check(f"garbage {number}", None if ok else f"exit {done.returncode}: {done.stderr[:400]}")


def usage(suite):
    cases = [
        ("no schemas", [], 64, "no schemas given"),
        ("unknown option", ["--frobnicate", *FIXTURE], 64, "frobnicate"),
        ("unknown emitter", ["--out", "unused", "--emit", "cobol", *FIXTURE], 64, 'no emitter cobol'),
        ("out and check", ["--out", "a", "--check", "b", *FIXTURE], 64, "exclude each other"),
        ("no such file", ["missing.yaml"], 1, "missing.yaml:1:1: error: cannot be read"),
        ("against nothing", ["--against", "missing", *FIXTURE], 64, "cannot read the folder missing"),
        ("unwritable", ["--out", "/proc/none", *FIXTURE], 74, "cannot write /proc/none"),
        ("help", ["--help"], 0, ""),
        ("version", ["--version"], 0, ""),
        ("only checking", FIXTURE, 0, ""),
        ("twice the same domain", [*FIXTURE, "shop.yaml"], 1, 'domain "shop" is already declared in shop.yaml'),
    ]
    for name, args, code, text in cases:
        done = suite.run(*args, cwd=HERE / "fixture")
        ok = done.returncode == code and text in done.stderr
        suite.check(f"usage: {name}", None if ok else f"exit {done.returncode}: {done.stderr}")


def changed_schemas(folder, before, after):
    """Copies the fixture to old/ and, changed, to new/. The change is in whichever file has the text before."""
    for which in ("old", "new"):
        shutil.copytree(HERE / "fixture", folder / which)
    texts = {n: (folder / "new" / n).read_text(encoding="utf-8") for n in FIXTURE}
    holders = [n for n in FIXTURE if texts[n].count(before) == 1]
    assert len(holders) == 1, f"{before!r} must be there once"
    (folder / "new" / holders[0]).write_text(texts[holders[0]].replace(before, after), encoding="utf-8")


def line_of(folder, path, number):
    return (folder / path).read_text(encoding="utf-8").splitlines()[int(number) - 1]


def refusal_problem(done, folder, message, marker):
    if done.returncode != 1:
        return f"exit {done.returncode}: {done.stderr}"
    for line in done.stderr.splitlines():
        path, number, _, text = line.split(":", 3)
        if not text.startswith(f" error: breaks users of the schemas before: {message}"):
            continue
        if marker not in line_of(folder, path, number):
            return f"names the line {line_of(folder, path, number)!r}"
        old = re.search(r"\((old/.*):(\d+)\)$", text)
        gone = re.findall(r'"([^"]*)"', message)[-1].split(".")[-1]
        if old and gone not in line_of(folder, *old.groups()):
            return f"names the old line {line_of(folder, *old.groups())!r}"
        return None
    return f"said\n{done.stderr}"


def against(suite):
    for name, before, after in against_cases.ALLOWED:
        with tempfile.TemporaryDirectory() as text:
            folder = pathlib.Path(text)
            changed_schemas(folder, before, after)
            done = suite.run("--against", "old", "new/common.yaml", "new/shop.yaml", cwd=folder)
        suite.check(f"--against allows: {name}", None if done.returncode == 0 else done.stderr)
    for name, before, after, message, marker in against_cases.REFUSED:
        with tempfile.TemporaryDirectory() as text:
            folder = pathlib.Path(text)
            changed_schemas(folder, before, after)
            done = suite.run("--against", "old", "new/common.yaml", "new/shop.yaml", cwd=folder)
            suite.check(f"--against refuses: {name}", refusal_problem(done, folder, message, marker))


def main():
    suite = Suite(sys.argv[1], "--update" in sys.argv[2:])
    for part in (wrong_schemas, goldens, determinism, checking, language_document, garbage, usage, against):
        part(suite)
    print(f"{suite.passed} passed, {suite.failed} failed")
    return suite.failed > 0


if __name__ == "__main__":
    sys.exit(main())
