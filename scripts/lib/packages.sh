# Debian packages, by what needs them, and how they are installed. Sourced after common.sh.
# shellcheck shell=bash

PACKAGES_BUILD=(gcc clang cmake ninja-build pkg-config libzmq3-dev libczmq-dev libmsgpack-dev libjansson-dev
    libpcre2-dev libyaml-dev libhiredis-dev libpq-dev libcivetweb-dev libjwt-dev libssl-dev libcrypt-dev
    libcriterion-dev liblmdb-dev libcurl4-openssl-dev libzxcvbn-dev libutf8proc-dev)
PACKAGES_RUN=(postgresql-15 redis-tools runit curl jq procps util-linux)
PACKAGES_TEST=(git faketime python3 python3-venv python3-zmq python3-msgpack python3-yaml python3-jsonschema python3-aiosmtpd
    netcat-openbsd)
# What judges asyncapi.json runs on whatever Node the machine has.
command -v npm >/dev/null || PACKAGES_TEST+=(nodejs npm)
PACKAGES_CI=(clang-format clang-tidy cppcheck shellcheck libclang-rt-14-dev llvm)
PACKAGES_BENCH=(wrk libnats-dev nats-server)

missing_packages() {
    local p
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' || printf '%s\n' "$p"
    done
}

# install_packages NAME…: only what is missing. PostgreSQL's package must not make and start a cluster of its own.
install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ -r /etc/debian_version ] || die "these packages are missing, and this is no Debian: ${missing[*]}"
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

build_preset() { # build_preset PRESET [TARGET]
    cd "$SUT_ROOT"
    cmake --preset "$1"
    cmake --build --preset "$1" -j2 --target "${2:-all}"
}
