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
# A coordinator at work, and an agent that has joined it and is to listen at port $api, not yet started.
federation() {
    local link http
    link=$(free) http=$(free)
    export INSITU_COORDINATOR_CONFIG=$home/coordinator/coordinator.toml INSITU_AGENT_CONFIG=$home/agent/agent.toml
    "$bin/insitu-coordinator" init --dir "$home/coordinator" --federation heart \
        --listen "127.0.0.1:$link" --http "127.0.0.1:$http" >/dev/null
    "$bin/insitu-coordinator" serve >"$home/coordinator.log" 2>&1 &
    pids+=($!)
    within 30 "the coordinator" curl -fs "http://127.0.0.1:$http/readyz"
    "$bin/insitu-coordinator" site add cleveland >/dev/null
    "$bin/insitu-coordinator" token --site cleveland --token-file "$home/token" >/dev/null
    "$bin/insitu-agent" init --dir "$home/agent" --site cleveland --listen "127.0.0.1:$api" \
        --coordinator "127.0.0.1:$link" >/dev/null
    "$bin/insitu-agent" enroll --token-file "$home/token" >/dev/null
}
