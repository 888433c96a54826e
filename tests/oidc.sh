#!/usr/bin/env bash
# A real OpenID Connect provider (oidc-provider-mock 0.4.8) with this agent as its client: who comes in,
# in which role, who does not, and what happens without the provider.
# Skipped, with a line that says so, where the provider is not installed.
#   OIDC_PROVIDER  its program (default: oidc-provider-mock on the PATH; pip install oidc-provider-mock==0.4.8)
#   INSITU_BIN     folder of insitu-agent (default: it is built)
set -euo pipefail
cd "$(dirname "$0")/.."

provider=${OIDC_PROVIDER:-$(command -v oidc-provider-mock || true)}
if [ -z "$provider" ] || ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
    echo "skipped: no oidc-provider-mock (pip install oidc-provider-mock==0.4.8), no curl or no python3"
    exit 0
fi
packages=(-p insitu-agent)
source tests/programs.sh
fail() { echo "failed: $*"; tail -n 20 "$home"/*.log; exit 1; }
have() { [[ "$2" == *"$3"* ]] || fail "$1: wanted $3, got $2"; }

port=$(free) api=$(free)
issuer=http://127.0.0.1:$port page=http://127.0.0.1:$api
"$provider" --port "$port" --require-nonce true \
    --user-claims '{"sub": "s-1", "preferred_username": "ada", "groups": ["staff", "labelers"]}' \
    --user-claims '{"sub": "s-2", "preferred_username": "lea", "groups": ["leaders", "labelers"]}' \
    --user-claims '{"sub": "s-3", "preferred_username": "eva", "groups": ["visitors"]}' \
    --user-claims '{"sub": "s-4", "preferred_username": "ian", "groups": ["labelers"]}' \
    >"$home/provider.log" 2>&1 &
pids+=($!)
within 60 "the provider" curl -fs "$issuer/.well-known/openid-configuration"

export INSITU_AGENT_CONFIG=$home/agent/agent.toml
"$bin/insitu-agent" init --dir "$home/agent" --site cleveland --listen "127.0.0.1:$api" >/dev/null
(umask 077; printf 'a-shared-secret\n' >"$home/agent/oidc.secret"; printf 'correct horse battery\n' >"$home/password")
cat >>"$home/agent/agent.toml" <<TOML

[api.oidc]
title = "Hospital account"
issuer = "$issuer"
client_id = "insitu"
client_secret_file = "oidc.secret"
page = "$page"
roles = [{ group = "leaders", role = "lead" }, { group = "labelers", role = "annotator" }]
TOML
"$bin/insitu-agent" --log error person add ian --role annotator --password-file "$home/password" >/dev/null
"$bin/insitu-agent" run >>"$home/agent.log" 2>&1 &
pids+=($!)
within 60 "the agent" curl -fs "$page/readyz"
have "ways" "$(curl -fs "$page/api/ways")" "Hospital account"

enter() { # enter SUBJECT: goes to the provider and back with a browser's cookies; says where it ends
    local jar=$home/$1.jar to
    to=$(curl -fsS -c "$jar" -o /dev/null -w '%{redirect_url}' "$page/api/oidc/start")
    to=$(curl -fsS -o /dev/null -w '%{redirect_url}' --data-urlencode "sub=$1" "$to")
    echo "$to" >"$home/$1.back"
    curl -fsS -b "$jar" -c "$jar" -o /dev/null -w '%{redirect_url}' "$to"
}
session() { curl -fsS -b "$home/$1.jar" "$page/api/session"; }

have "ada comes in" "$(enter s-1)" "/sign-in.html#entered"
have "ada" "$(session s-1)" '"name":"ada"'
have "ada's role" "$(session s-1)" '"role":"annotator"'
have "lea comes in" "$(enter s-2)" "/sign-in.html#entered"
have "lea's role" "$(session s-2)" '"role":"lead"'
have "eva has no role" "$(enter s-3)" "refused=role"
have "ian's name is taken" "$(enter s-4)" "refused=name"
again() { curl -fsS "$@" -o /dev/null -w '%{redirect_url}' "$(cat "$home/s-1.back")"; }
have "the same answer in another browser" "$(again)" "refused=again"
# Unlike a browser, curl keeps a cookie that is taken away in a file that it also reads.
have "the same answer again" "$(again -b "$home/s-1.jar")" "refused=denied"
enter s-1 >/dev/null
people=$("$bin/insitu-agent" --log error person list --json)
[ "$(grep -c '"name": "ada"' <<<"$people")" = 1 ] || fail "ada is one person: $people"
have "no new people" "$(grep -c '"name"' <<<"$people")" 3

kill "${pids[0]}"
wait "${pids[0]}" 2>/dev/null || true
have "without the provider" "$(enter s-1 2>/dev/null || true)$(curl -sS -o /dev/null -w '%{redirect_url}' "$page/api/oidc/callback?error=access_denied")" "refused="
body='{"name": "ian", "password": "correct horse battery"}'
answer=$(curl -fsS -H "Origin: $page" -H 'Content-Type: application/json' -d "$body" "$page/api/sign-in")
have "a password still does" "$answer" '"name":"ian"'
echo "oidc: ada and lea came in, eva and ian did not, and a password does without the provider"
