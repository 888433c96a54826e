#!/usr/bin/env bash
# A real Label Studio 1.23.2 with this agent as its backend: drafts, an annotation, its update, a skip
# and a deletion by webhook, and what was missed while the agent was down, by comparing. The same without
# a model for several classes, spans, boxes and polygons of images, and segments of series: a label config
# that does not fit is refused, the files of tasks are fetched, and places end up where they were meant.
# Skipped, with a line that says so, where there is no Label Studio.
#   LABEL_STUDIO  its program (default: label-studio on the PATH; pip install label-studio==1.23.2)
#   INSITU_BIN    folder of insitu-agent and insitu-coordinator (default: they are built)
set -euo pipefail
cd "$(dirname "$0")/.."

studio=${LABEL_STUDIO:-$(command -v label-studio || true)}
if [ -z "$studio" ] || ! command -v python3 >/dev/null; then
    echo "skipped: no label-studio (pip install label-studio==1.23.2) or no python3"
    exit 0
fi
packages=(-p insitu-agent -p insitu-coordinator)
source tests/programs.sh

api=$(free) web=$(free)
backend=http://127.0.0.1:$api
legacy=0123456789abcdef0123456789abcdef01234567
kinds=(classes spans boxes segments)

# Without the first line Label Studio refuses a backend on this machine.
env USE_DEFAULT_BANNED_SUBNETS=false COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false SENTRY_DSN= \
    "$studio" start -b --port "$web" --data-dir "$home/studio" --enable-legacy-api-token \
    --username admin@site.local --password a-password-of-a-test --user-token "$legacy" \
    >"$home/studio.log" 2>&1 &
pids+=($!)

federation
"$bin/insitu-coordinator" project create models/bundles/heart-disease/project.toml >/dev/null
for kind in "${kinds[@]}"; do
    python3 tests/label_studio_kinds.py project "$kind" >"$home/$kind.toml"
    "$bin/insitu-coordinator" project create "$home/$kind.toml" >/dev/null
done
"$bin/insitu-coordinator" model publish models/bundles/heart-disease --project heart-disease >/dev/null

(umask 077; head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$home/agent/label-studio.secret")
# Its first start makes some three hundred changes to an empty database.
within 600 "Label Studio" curl -fs "http://127.0.0.1:$web/health"
project=$(python3 tests/label_studio.py project "http://127.0.0.1:$web" "$legacy" "$home/agent/label-studio.token")
# In the table of the configuration that comes last, so that nothing after it becomes part of it.
cat >>"$home/agent/agent.toml" <<TOML

[[project]]
name = "heart-disease"
id = "id"
[project.label_studio]
url = "http://127.0.0.1:$web"
project = $project
token_file = "label-studio.token"
secret_file = "label-studio.secret"
compare = "1h"
TOML
declare -A numbers
for kind in "${kinds[@]}"; do
    numbers[$kind]=$(python3 tests/label_studio_kinds.py make "$kind" "http://127.0.0.1:$web" "$legacy")
    cat >>"$home/agent/agent.toml" <<TOML

[[project]]
name = "$kind"
id = "id"
images = "as they are"
[project.label_studio]
url = "http://127.0.0.1:$web"
project = ${numbers[$kind]}
token_file = "label-studio.token"
secret_file = "label-studio.secret"
compare = "1h"
TOML
done

# Drafts would wait for a machine that has other things to do.
sed -i '/^\[polite\]/,/^$/s/^enabled = true/enabled = false/' "$home/agent/agent.toml"
agent() { "$bin/insitu-agent" run >>"$home/agent.log" 2>&1 & agent=$!; pids+=("$agent"); }
agent
within 60 "the agent" curl -fs "http://127.0.0.1:$api/readyz"
status() { "$bin/insitu-agent" --log error status --json; }
within 60 "the project" "$bin/insitu-agent" --log error models list
digest() { "$bin/insitu-agent" --log error models list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["bundle"])'; }
within 60 "the model" digest
"$bin/insitu-agent" --log error models approve "$(digest)" >/dev/null

if [ -n "${INSITU_RECORD:-}" ]; then
    tap=$(free)
    mkdir -p "$INSITU_RECORD"
    python3 tests/label_studio_record.py "$tap" "$backend" "$INSITU_RECORD" >"$home/record.log" 2>&1 &
    pids+=($!)
    backend=http://127.0.0.1:$tap
    within 30 "the recorder" curl -fs "$backend/healthz"
fi
drive() { python3 tests/label_studio.py "$1" "http://127.0.0.1:$web" "$legacy" "$project" "$backend" \
    "$home/agent/label-studio.secret" models/bundles/heart-disease/patients.csv; }
kind() { python3 tests/label_studio_kinds.py "$1" "$2" "http://127.0.0.1:$web" "$legacy" "${numbers[$2]}" "${@:3}"; }
routed() { status | python3 -c '
import json, sys
of = next(one for one in json.load(sys.stdin)["projects"] if one["name"] == sys.argv[1])
sys.exit(of["auto_accepted"] + sum(of["queued"].values()) < int(sys.argv[2]))' "$@"; }
drive connect
within 120 "the drafts" routed heart-disease 12
drive label
"$bin/insitu-agent" --log error label-studio check --project heart-disease
for kind in "${kinds[@]}"; do
    kind connect "$kind" "$backend" "$home/agent/label-studio.secret"
    within 120 "the tasks of $kind" routed "$kind" 5
    kind label "$kind"
    "$bin/insitu-agent" --log error label-studio check --project "$kind"
done
kill "$agent" && wait "$agent" 2>/dev/null || true
drive unheard
for kind in "${kinds[@]}"; do kind unheard "$kind"; done
agent
within 60 "the agent" curl -fs "http://127.0.0.1:$api/readyz"
for name in heart-disease "${kinds[@]}"; do
    "$bin/insitu-agent" --log error label-studio sync --project "$name"
done
heard() { "$bin/insitu-agent" --log error label-studio check --project "$1" --json \
    | python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["waiting"] > 0)'; }
for name in heart-disease "${kinds[@]}"; do within 60 "what was missed of $name" heard "$name"; done
"$bin/insitu-agent" --log error export --project heart-disease --format jsonl --out "$home/labels" --people-only >/dev/null
drive brought
python3 tests/label_studio.py labels "$home/labels/records.jsonl"
for kind in "${kinds[@]}"; do
    "$bin/insitu-agent" --log error export --project "$kind" --format jsonl --out "$home/labels-$kind" --people-only >/dev/null
    python3 tests/label_studio_kinds.py labels "$kind" "$home/labels-$kind/records.jsonl"
done
echo "Label Studio: drafts, corrections of each kind, skips, deletions and what was missed: all as they should be"
