# The runit services of one run directory. Sourced after common.sh and stores.sh.
# shellcheck shell=bash

SV_DIR=$SUT_RUN_DIR/sv
BROKER_ENDPOINT=ipc://$SUT_SOCKETS/broker/bus

# service_env SERVICE NAME=VALUE…: an envdir(8) folder for chpst -e. What else the program declares (--settings) and this
# shell's environment holds is passed on: settings come from the environment of scripts/up or from run/settings.
service_env() {
    local dir=$SV_DIR/$1/env pair name program=$SUT_BIN/sut-$1 given=()
    shift
    mkdir -p "$dir"
    chmod 700 "$dir"
    given=("$@")
    if [ -x "$program" ]; then
        # shellcheck disable=SC2016
        for name in $("$program" --settings | sed -n 's/^| `\([A-Z0-9_]*\)`.*/\1/p'); do
            [[ " ${*%%=*} " == *" $name "* ]] || [ -z "${!name:-}" ] || given+=("$name=${!name}")
        done
    fi
    for pair in "${given[@]}"; do
        printf '%s' "${pair#*=}" | write_file 600 "$dir/${pair%%=*}"
    done
    for name in "$dir"/*; do
        [ ! -e "$name" ] || [[ " ${given[*]%%=*} " == *" ${name##*/} "* ]] || rm -f "$name"
    done
}

# service NAME "DEPENDENCY…" CHECK COMMAND…: run, check and log/run scripts. CHECK is a shell command, or empty.
service() {
    local name=$1 dependencies=$2 check=$3 dir=$SV_DIR/$1 dep
    shift 3
    mkdir -p "$dir/log" "$dir/env" "$SUT_LOG_DIR/$name"
    {
        echo '#!/bin/sh'
        echo 'exec 2>&1'
        for dep in $dependencies; do
            printf 'sv -w 20 start %q >/dev/null || exit 1\n' "$SV_DIR/$dep"
        done
        printf 'cd %q || exit 1\n' "$SUT_RUN_DIR"
        printf 'exec chpst -e %q' "$dir/env"
        printf ' %q' "$@"
        echo
    } | write_file 755 "$dir/run"
    if [ -n "$check" ]; then
        printf '#!/bin/sh\nexec chpst -e %q sh -c %q >/dev/null 2>&1\n' "$dir/env" "$check" | write_file 755 "$dir/check"
    fi
    printf '#!/bin/sh\nexec svlogd %q\n' "$SUT_LOG_DIR/$name" | write_file 755 "$dir/log/run"
    printf 's1000000\nn5\n' | write_file 644 "$SUT_LOG_DIR/$name/config"
}

define_services() {
    local keys=$SUT_SECRETS/keys redis_url
    redis_url="unix://:$(secret redis)@$REDIS_SOCKET"
    mkdir -p "$SV_DIR"

    service_env postgres
    service postgres '' "$(printf '%q -q -h %q' "$PG_BIN/pg_isready" "$PG_SOCKET")" \
        "${PG_AS[@]}" "$PG_BIN/postgres" -D "$PG_DATA"
    service_env redis REDISCLI_AUTH="$(secret redis)"
    # Debian's redis-tools holds the server: one program that looks at the name it was called by.
    # shellcheck disable=SC2016
    service redis '' "$(printf 'redis-cli -s %q ping | grep -q PONG' "$REDIS_SOCKET")" \
        bash -c 'exec -a redis-server redis-check-rdb "$1"' redis "$SUT_RUN_DIR/redis.conf"

    service_env broker SUT_BROKER_IPC="$BROKER_ENDPOINT" SUT_ACL_FILE="$SUT_SECRETS/acl" SUT_KEYS_DIR="$keys" \
        SUT_JOURNAL_DIR="$SUT_RUN_DIR/journal" SUT_CAPTURE_DIR="${SUT_CAPTURE_DIR-$SUT_RUN_DIR/capture}" \
        SUT_CAPTURE_KEY_FILE="$SUT_SECRETS/capture.keys" SUT_BROKER="$BROKER_ENDPOINT" SUT_NAME=operator SUT_SECRET_FILE="$keys/operator.secret"
    service broker '' "$(printf '%q ping' "$SUT_BIN/sut")" "$SUT_BIN/sut-broker"

    service_env auth SUT_BROKER="$BROKER_ENDPOINT" SUT_NAME=auth SUT_SECRET_FILE="$keys/auth.secret" \
        AUTH_DATABASE_URL="$(database_url sut_auth auth_db)" REDIS_URL="$redis_url" \
        SUT_JWT_KEYS="$SUT_SECRETS/jwt.keys" MAIL_DIR="$SUT_RUN_DIR/mail" \
        PUBLIC_URL="${PUBLIC_URL:-http://127.0.0.1:$SUT_PORT_BASE}"
    service auth 'postgres redis broker' '' "$SUT_BIN/sut-auth"
    service_env user SUT_BROKER="$BROKER_ENDPOINT" SUT_NAME=user SUT_SECRET_FILE="$keys/user.secret" \
        USER_DATABASE_URL="$(database_url sut_user user_db)"
    service user 'postgres broker' '' "$SUT_BIN/sut-user"
    service_env edge SUT_BROKER="$BROKER_ENDPOINT" SUT_NAME=edge SUT_SECRET_FILE="$keys/edge.secret" \
        PORT="$SUT_PORT_BASE" SUT_JWT_KEYS="$SUT_SECRETS/jwt.keys"
    service edge broker '' "$SUT_BIN/sut-edge"
}

supervisor_pid() { # prints the pid of this run directory's runsvdir, or fails
    local pid
    pid=$(cat "$SUT_RUN_DIR/runsvdir.pid" 2>/dev/null) || return 1
    [ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" = "runsvdir $SV_DIR " ] && echo "$pid"
}

start_supervisor() {
    supervisor_pid >/dev/null && return 0
    setsid runsvdir "$SV_DIR" </dev/null >/dev/null 2>&1 9>&- &
    echo $! | write_file 644 "$SUT_RUN_DIR/runsvdir.pid"
    disown
}

supervised() { # supervised SERVICE: is a runsv listening?
    sv status "$SV_DIR/$1" 2>/dev/null | grep -qE '^(run|down|finish)'
}

health_is_up() {
    curl -fsS -m 2 "http://127.0.0.1:$SUT_PORT_BASE/health" | jq -e '.status == "healthy"'
}
