#!/usr/bin/env bash
# Real OpenID Connect providers with this agent as their client: who comes in, in which role, who does not, and
# what happens without the provider. Once with oidc-provider-mock 0.4.8 (Python 3.12), once with oidc-provider
# 9.13 (node), which is stricter and has people sign in and consent on its own pages.
# Each part is skipped, with a line that says so, where its provider is not installed.
#   OIDC_PROVIDER        the first one's program (default: oidc-provider-mock on the PATH; pip install oidc-provider-mock==0.4.8)
#   OIDC_MODULES         a folder whose node_modules have the second (npm install oidc-provider@9.13)
#   INSITU_OIDC_INSTALL  1: the second is installed for the test where OIDC_MODULES names none, with npm
#   INSITU_BIN           folder of insitu-agent (default: it is built)
set -euo pipefail
cd "$(dirname "$0")/.."

mock=${OIDC_PROVIDER:-$(command -v oidc-provider-mock || true)}
modules=${OIDC_MODULES:-}
if ! command -v curl >/dev/null || ! command -v python3 >/dev/null; then
    echo "skipped: no curl or no python3"
    exit 0
fi
[ -n "$mock" ] || echo "skipped: no oidc-provider-mock (pip install oidc-provider-mock==0.4.8)"
strict=no
if command -v node >/dev/null && { [ -n "$modules" ] || [ "${INSITU_OIDC_INSTALL:-0}" = 1 ]; }; then
    strict=yes
else
    echo "skipped: no oidc-provider of node (OIDC_MODULES names where it is, INSITU_OIDC_INSTALL=1 installs it)"
fi
[ -n "$mock" ] || [ "$strict" = yes ] || exit 0
packages=(-p insitu-agent)
source tests/programs.sh
fail() { echo "failed: $*"; tail -n 20 "$home"/*/*.log; exit 1; }
have() { [[ "$2" == *"$3"* ]] || fail "$1: wanted $3, got $2"; }

# start_KIND runs the provider; at_KIND SUBJECT ADDRESS signs somebody in there, and says where that leads.
start_mock() {
    "$mock" --port "$port" --require-nonce true \
        --user-claims '{"sub": "s-1", "preferred_username": "ada", "groups": ["staff", "labelers"]}' \
        --user-claims '{"sub": "s-2", "preferred_username": "lea", "groups": ["leaders", "labelers"]}' \
        --user-claims '{"sub": "s-3", "preferred_username": "eva", "groups": ["visitors"]}' \
        --user-claims '{"sub": "s-4", "preferred_username": "ian", "groups": ["labelers"]}' \
        >"$of/provider.log" 2>&1 &
    provider=$!
}
at_mock() { curl -fsS -o /dev/null -w '%{redirect_url}' --data-urlencode "sub=$1" "$2"; }
start_strict() {
    if [ -z "$modules" ]; then
        modules=$home/modules
        npm install --prefix "$modules" --ignore-scripts --no-audit --no-fund --silent oidc-provider@9.13
    fi
    OIDC_MODULES=$modules node tests/oidc_provider.mjs "$port" "$page" >"$of/provider.log" 2>&1 &
    provider=$!
}
at_strict() { # each time as in a new browser, which is asked who it is and whether it consents
    local jar=$of/$1.there to=$2 form
    rm -f "$jar"
    there() { curl -fsS -b "$jar" -c "$jar" -o /dev/null -w '%{redirect_url}' "$@"; }
    for form in "prompt=login&login=$1&password=any" "prompt=consent"; do
        to=$(there "$to")
        to=$(there --data "$form" "$to")
    done
    there "$to"
}

walk() { # walk KIND: a provider, an agent of its own, and everybody who comes
    kind=$1 of=$home/$1 port=$(free) api=$(free)
    issuer=http://127.0.0.1:$port page=http://127.0.0.1:$api
    mkdir "$of"
    "start_$kind"
    pids+=("$provider")
    within 60 "the provider" curl -fs "$issuer/.well-known/openid-configuration"

    export INSITU_AGENT_CONFIG=$of/agent/agent.toml
    "$bin/insitu-agent" init --dir "$of/agent" --site cleveland --listen "127.0.0.1:$api" >/dev/null
    (umask 077; printf 'a-shared-secret\n' >"$of/agent/oidc.secret"; printf 'correct horse battery\n' >"$of/password")
    cat >>"$of/agent/agent.toml" <<TOML

[api.oidc]
title = "Hospital account"
issuer = "$issuer"
client_id = "insitu"
client_secret_file = "oidc.secret"
page = "$page"
roles = [{ group = "leaders", role = "lead" }, { group = "labelers", role = "annotator" }]
TOML
    "$bin/insitu-agent" --log error person add ian --role annotator --password-file "$of/password" >/dev/null
    "$bin/insitu-agent" run >>"$of/agent.log" 2>&1 &
    agent=$!
    pids+=("$agent")
    within 60 "the agent" curl -fs "$page/readyz"
    have "ways" "$(curl -fs "$page/api/ways")" "Hospital account"

    enter() { # enter SUBJECT: goes to the provider and back with a browser's cookies; says where it ends
        local jar=$of/$1.jar to
        to=$(curl -fsS -c "$jar" -o /dev/null -w '%{redirect_url}' "$page/api/oidc/start")
        to=$("at_$kind" "$1" "$to")
        echo "$to" >"$of/$1.back"
        curl -fsS -b "$jar" -c "$jar" -o /dev/null -w '%{redirect_url}' "$to"
    }
    session() { curl -fsS -b "$of/$1.jar" "$page/api/session"; }

    have "ada comes in" "$(enter s-1)" "/sign-in.html#entered"
    have "ada" "$(session s-1)" '"name":"ada"'
    have "ada's role" "$(session s-1)" '"role":"annotator"'
    have "lea comes in" "$(enter s-2)" "/sign-in.html#entered"
    have "lea's role" "$(session s-2)" '"role":"lead"'
    have "eva has no role" "$(enter s-3)" "refused=role"
    have "ian's name is taken" "$(enter s-4)" "refused=name"
    again() { curl -fsS "$@" -o /dev/null -w '%{redirect_url}' "$(cat "$of/s-1.back")"; }
    have "the same answer in another browser" "$(again)" "refused=again"
    # Unlike a browser, curl keeps a cookie that is taken away in a file that it also reads.
    have "the same answer again" "$(again -b "$of/s-1.jar")" "refused=denied"
    enter s-1 >/dev/null
    people=$("$bin/insitu-agent" --log error person list --json)
    [ "$(grep -c '"name": "ada"' <<<"$people")" = 1 ] || fail "ada is one person: $people"
    have "no new people" "$(grep -c '"name"' <<<"$people")" 3

    kill "$provider"
    wait "$provider" 2>/dev/null || true
    have "without the provider" "$(enter s-1 2>/dev/null || true)$(curl -sS -o /dev/null -w '%{redirect_url}' "$page/api/oidc/callback?error=access_denied")" "refused="
    body='{"name": "ian", "password": "correct horse battery"}'
    answer=$(curl -fsS -H "Origin: $page" -H 'Content-Type: application/json' -d "$body" "$page/api/sign-in")
    have "a password still does" "$answer" '"name":"ian"'
    kill "$agent"
    wait "$agent" 2>/dev/null || true
    echo "oidc, $kind: ada and lea came in, eva and ian did not, and a password does without the provider"
}

[ -z "$mock" ] || walk mock
[ "$strict" = no ] || walk strict
