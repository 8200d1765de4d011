# Shared by all scripts: where things are, how progress and errors are shown. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail
umask 022 # whatever the caller's is: what root runs and supervises must not be writable by others

SUT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
SUT_RUN_DIR=${SUT_RUN_DIR:-$SUT_ROOT/run}
SUT_PRESET=${SUT_PRESET:-release}
SUT_BIN=$SUT_ROOT/build/$SUT_PRESET/bin
SUT_LOG_DIR=$SUT_RUN_DIR/log
SUT_SECRETS=$SUT_RUN_DIR/secrets
SUT_SERVICES=(postgres redis broker auth user edge) # in the order in which they start

# The port of the edge. A running checkout keeps the one that it was started with.
if [ -z "${SUT_PORT_BASE:-}" ] && [ -r "$SUT_RUN_DIR/port" ]; then
    SUT_PORT_BASE=$(cat "$SUT_RUN_DIR/port")
fi
SUT_PORT_BASE=${SUT_PORT_BASE:-${PORT:-3000}}

# Sockets live under run/ unless that makes a path too long for sun_path (108 bytes, unix(7)).
SUT_SOCKETS=$SUT_RUN_DIR/s
if [ "${#SUT_SOCKETS}" -gt 80 ]; then
    SUT_SOCKETS=${TMPDIR:-/tmp}/sut-$(printf %s "$SUT_RUN_DIR" | sha256sum | cut -c1-12)
fi

die() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# own_dir PATH: made if missing; refused if somebody else's, since its owner could put sockets and run scripts of theirs there
# (a name under /tmp can be taken before we come).
own_dir() {
    mkdir -p "$1" || die "cannot make $1"
    if [ ! -O "$1" ] || [ -L "$1" ]; then
        die "$1 belongs to somebody else, or is a link: take another SUT_RUN_DIR or TMPDIR, or remove it"
    fi
    chmod go-w "$1"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "'$1' needs root: run as root, or install sudo"
    fi
}

# step NAME WORDS… -- COMMAND…: one line of progress; output in a log; on failure the log's end and its path.
STEP_NUMBER=0
step() {
    local name=$1 log started
    shift
    STEP_NUMBER=$((STEP_NUMBER + 1))
    mkdir -p "$SUT_LOG_DIR/steps"
    log=$SUT_LOG_DIR/steps/$(printf %02d "$STEP_NUMBER")-${name// /-}.log
    started=$SECONDS
    printf '  %-34s' "$name"
    ("$@") >"$log" 2>&1 & # as a job, not as a condition, so that `set -e` holds inside
    if wait $!; then
        printf 'ok  %3d s\n' $((SECONDS - started))
    else
        printf 'FAILED\n\n'
        tail -n 15 "$log" | sed 's/^/    | /' >&2
        printf '\n%s: error: step "%s" failed; its whole log: %s\n' "${0##*/}" "$name" "$log" >&2
        exit 1
    fi
}

# write_file MODE PATH: standard input into PATH, aside and renamed, only if it differs; the mode holds in any case. Status 0.
write_file() {
    local mode=$1 path=$2 new
    new=$(mktemp "$path.XXXXXX")
    cat >"$new"
    chmod "$mode" "$new"
    if [ -e "$path" ] && cmp -s "$new" "$path"; then
        rm -f "$new"
        chmod "$mode" "$path"
    else
        mv -f "$new" "$path"
    fi
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
    local limit=$1 what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "gave up after $limit s waiting for $what"; return 1; }
        sleep 0.1
    done
}
