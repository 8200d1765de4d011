# Private PostgreSQL and Redis of one run directory: files, users, databases. Sourced after common.sh.
# shellcheck shell=bash

PG_BIN=/usr/lib/postgresql/15/bin
PG_SOCKET=$SUT_SOCKETS/pg
REDIS_SOCKET=$SUT_SOCKETS/redis.sock

# The user that PostgreSQL runs as (it refuses root), and how to become that user without a process in between.
if [ "$(id -u)" = 0 ]; then
    PG_USER=postgres
    PG_AS=(setpriv --reuid=postgres --regid=postgres --init-groups)
else
    PG_USER=$(id -un)
    PG_AS=(env)
fi

# Under a home that others may not pass, PostgreSQL's user cannot reach run/: the data then goes elsewhere.
pg_place() {
    local dir=$SUT_RUN_DIR
    if [ "$PG_USER" = "$(id -un)" ] || "${PG_AS[@]}" test -x "$dir" 2>/dev/null; then
        PG_DATA=$SUT_RUN_DIR/pg
    else
        PG_DATA=/var/lib/shareuptime-$(printf %s "$SUT_RUN_DIR" | sha256sum | cut -c1-12)/pg
        echo "user $PG_USER cannot pass to $SUT_RUN_DIR: PostgreSQL's data is in $PG_DATA"
    fi
}

secret() { # secret NAME: makes run/secrets/NAME once, 32 random bytes in hex
    local path=$SUT_SECRETS/$1
    [ -s "$path" ] || head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n' | write_file 600 "$path"
    cat "$path"
}

make_postgres() {
    local password_file
    pg_place
    mkdir -p "$SUT_SOCKETS" "$PG_SOCKET" "$PG_DATA"
    chmod 711 "$SUT_SOCKETS"
    if [ "$(id -u)" = 0 ]; then
        chown "$PG_USER:" "$PG_SOCKET" "$PG_DATA"
    fi
    chmod 700 "$PG_DATA"
    if [ ! -e "$PG_DATA/ready" ]; then
        find "$PG_DATA" -mindepth 1 -delete # an initdb that was cut off
        password_file=$(mktemp)
        secret pg-admin >"$password_file"
        [ "$(id -u)" != 0 ] || chown "$PG_USER:" "$password_file"
        "${PG_AS[@]}" "$PG_BIN/initdb" -D "$PG_DATA" -U sut_admin --pwfile="$password_file" --auth=scram-sha-256 \
            --encoding=UTF8 --locale=C.UTF-8 --data-checksums
        rm -f "$password_file"
        "${PG_AS[@]}" tee "$PG_DATA/pg_hba.conf" >/dev/null <<<'local all all scram-sha-256'
        "${PG_AS[@]}" tee -a "$PG_DATA/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$PG_SOCKET'
max_connections = 200
shared_buffers = 128MB
logging_collector = off
log_min_messages = warning
CONF
        "${PG_AS[@]}" touch "$PG_DATA/ready"
    fi
}

make_redis() {
    local password
    password=$(secret redis)
    mkdir -p "$SUT_RUN_DIR/redis"
    chmod 700 "$SUT_RUN_DIR/redis"
    write_file 600 "$SUT_RUN_DIR/redis.conf" <<CONF
port 0
unixsocket $REDIS_SOCKET
unixsocketperm 700
dir $SUT_RUN_DIR/redis
requirepass $password
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
daemonize no
CONF
}

psql_admin() {
    PGPASSWORD=$(secret pg-admin) psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -U sut_admin "$@"
}

# One role and one database an actor; a role reaches no other's database.
make_database() {
    local role=$1 database=$2 password
    password=$(secret "pg-$role")
    if [ -z "$(psql_admin -d postgres -Atc "SELECT 1 FROM pg_roles WHERE rolname = '$role'")" ]; then
        psql_admin -d postgres <<<"CREATE ROLE $role LOGIN PASSWORD '$password'"
    fi
    if [ -z "$(psql_admin -d postgres -Atc "SELECT 1 FROM pg_database WHERE datname = '$database'")" ]; then
        psql_admin -d postgres -c "CREATE DATABASE $database OWNER $role"
        psql_admin -d postgres -c "REVOKE ALL ON DATABASE $database FROM PUBLIC"
    fi
}

database_url() { # database_url ROLE DATABASE
    printf 'postgresql://%s:%s@/%s?host=%s' "$1" "$(secret "pg-$1")" "$2" "$(printf %s "$PG_SOCKET" | jq -sRr @uri)"
}
