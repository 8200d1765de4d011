# Adds up what the suites of a verbose ctest log say, and prints: PASSED FAILED LEFT_OUT. A suite says it by Criterion's
# synthesis or by a closing line `N passed, N failed`; one that says neither counts as one test. A suite that says that
# nothing failed, and ends badly all the same (a leak at exit, a time limit), counts as one failure more.
{ gsub(/\033\[[0-9;]*m/, "") }
/^[0-9]+: / { id = substr($1, 1, length($1) - 1) }
/^[0-9]+: .*Synthesis: Tested:/ {
    tested = passing = $0
    sub(/.*Tested: */, "", tested)
    sub(/.*Passing: */, "", passing)
    said[id] = 1
    passed[id] += passing + 0
    failed[id] += tested - passing
}
/^[0-9]+: ([A-Za-z]+: )?[0-9]+ passed, [0-9]+ failed/ {
    said[id] = 1
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/)
            passed[id] += $(i - 1)
        if ($i ~ /^failed/)
            failed[id] += $(i - 1)
    }
}
# What ran, but left something out: a note of ours, Criterion's, unittest's.
/^[0-9]+: .*(LEFT OUT|\[SKIP\]|\.\.\. skipped )/ { left_out++ }
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ {
    match($0, /#[0-9]+/)
    id = substr($0, RSTART + 1, RLENGTH - 1)
    good = $0 ~ / Passed /
    if (!said[id])
        passed[id] = good
    if (!good && !failed[id])
        failed[id] = 1
    ended[id] = 1
}
END {
    for (id in ended) {
        all_passed += passed[id]
        all_failed += failed[id]
    }
    print all_passed + 0, all_failed + 0, left_out + 0
}
