# Sourced by the tests that run the programs, from the repository's folder, after their reasons to skip:
# where the programs are, and a folder and processes that end with the test.
#   packages    what is built, an array (-p insitu-agent)
#   INSITU_BIN  folder of the programs (default: they are built)
bin=${INSITU_BIN:-}
if [ -z "$bin" ]; then
    cargo build --locked --release "${packages[@]}"
    bin=${CARGO_TARGET_DIR:-target}/release
fi
bin=$(cd "$bin" && pwd)

home=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$home"
}
trap stop EXIT
free() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
within() { # within SECONDS WHAT COMMAND…: until it succeeds
    local end=$((SECONDS + $1)) what=$2; shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "$what: not in time"; tail -n 20 "$home"/*.log; exit 1; }
        sleep 1
    done
}
