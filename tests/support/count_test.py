"""How scripts/test adds up: what scripts/lib/count.awk makes of a log in which each kind of suite ends well and badly."""

import os
import subprocess
import unittest

import stack

COUNT = os.path.join(stack.ROOT, "scripts", "lib", "count.awk")
ENDED = "{0}/9 Test  #{0}: some_test ........{1}    0.10 sec\n"


def count(*suites):
    """A suite is (lines, how it ended); returns (passed, failed, left out)."""
    log = ""
    for number, (lines, ended) in enumerate(suites, 1):
        log += "".join(f"{number}: {line}\n" for line in lines) + ENDED.format(number, ended)
    done = subprocess.run(["awk", "-f", COUNT], input=log, text=True, capture_output=True, check=True)
    return tuple(int(n) for n in done.stdout.split())


def synthesis(tested, passing, failing, crashing):
    return f"[====] Synthesis: Tested: {tested} | Passing: {passing} | Failing: {failing} | Crashing: {crashing}"


class Count(unittest.TestCase):
    def test_a_silent_suite_is_one_test(self):
        self.assertEqual((1, 0, 0), count(([], "   Passed")))
        self.assertEqual((0, 1, 0), count((["hello"], "***Failed")))
        self.assertEqual((0, 1, 0), count(([], "***Timeout")))
        self.assertEqual((0, 1, 0), count(([], "***Exception: SegFault")))

    def test_criterion(self):
        self.assertEqual((7, 0, 0), count(([synthesis(7, 7, 0, 0)], "   Passed")))
        self.assertEqual((4, 3, 0), count(([synthesis(7, 4, 1, 2)], "***Failed")))
        coloured = "\x1b[0;34m====\x1b[0m] Synthesis: Tested: \x1b[0;34m12\x1b[0m | Passing: \x1b[0;32m11\x1b[0m | Failing:"
        self.assertEqual((11, 1, 0), count(([coloured], "***Failed")))

    def test_closing_lines(self):
        self.assertEqual((3, 0, 0), count((["Ran 3 tests in 0.1s", "3 passed, 0 failed"], "   Passed")))
        self.assertEqual((3, 2, 0), count((["sim: 3 passed, 2 failed, 1 skipped"], "***Failed")))

    def test_a_bad_end_after_good_words_is_a_failure(self):
        self.assertEqual((7, 1, 0), count(([synthesis(7, 7, 0, 0), "SUMMARY: LeakSanitizer"], "***Failed")))
        self.assertEqual((3, 1, 0), count((["3 passed, 0 failed"], "***Timeout")))

    def test_what_was_left_out(self):
        self.assertEqual((2, 0, 2), count((["[SKIP] fiber::blind: no sanitizer"], "   Passed"),
                                          (["LEFT OUT: neo4j is not here"], "   Passed")))
        self.assertEqual((1, 0, 1), count((["test_x (__main__.T.test_x) ... skipped 'no root'", "1 passed, 0 failed, 1 skipped"],
                                           "   Passed")))

    def test_suites_side_by_side(self):
        lines = ["1: " + synthesis(5, 5, 0, 0), "2: 3 passed, 0 failed", ENDED.format(2, "   Passed").rstrip(),
                 ENDED.format(1, "   Passed").rstrip()]
        done = subprocess.run(["awk", "-f", COUNT], input="\n".join(lines) + "\n", text=True, capture_output=True, check=True)
        self.assertEqual("8 0 0\n", done.stdout)


if __name__ == "__main__":
    stack.main()
