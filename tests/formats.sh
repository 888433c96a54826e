#!/usr/bin/env bash
# Every format against the libraries that define it: pycocotools, supervision (YOLO, Pascal VOC), spaCy (its
# own JSON, CoNLL), pyarrow, pandas, Label Studio's SDK with its converter, mlcroissant. What they write is
# imported into a real agent and compared with what was written; what the agent exports is read by them and
# compared with what it was given, value by value. Prodigy, doccano, Labelbox and Ground Truth have no
# library that reads their files: those are compared by the layout that each one's manual gives.
# Skipped, with a line that says so, where there are no such libraries.
#   INSITU_FORMATS          folder of their virtual environment (default: ~/.cache/insitu-formats-DIGEST)
#   INSITU_FORMATS_INSTALL  1: where it is not there, it is made, with pip: 1.3 GB, kept for the next run
#   INSITU_BIN              folder of insitu-agent and insitu-coordinator (default: they are built)
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v python3 >/dev/null || ! command -v curl >/dev/null; then
    echo "skipped: no python3 or no curl"
    exit 0
fi
list=tests/formats.txt
libraries=${INSITU_FORMATS:-${XDG_CACHE_HOME:-$HOME/.cache}/insitu-formats-$(sha256sum $list | cut -c1-12)}
# An installation that was cut short is never taken for whole.
if [ ! -e "$libraries/complete" ]; then
    if [ "${INSITU_FORMATS_INSTALL:-0}" != 1 ]; then
        echo "skipped: none of the formats' own libraries (INSITU_FORMATS_INSTALL=1 installs them)"
        exit 0
    fi
    python3 -m venv --clear "$libraries"
    "$libraries/bin/pip" install -q --disable-pip-version-check -r $list
    touch "$libraries/complete"
fi
packages=(-p insitu-agent -p insitu-coordinator)
source tests/programs.sh

api=$(free)
federation

formats() { "$libraries/bin/python" tests/formats.py "$1" "$home" "$bin/insitu-agent"; }
for name in $(formats projects); do
    "$bin/insitu-coordinator" project create "$home/$name.toml" >/dev/null
    printf '\n[[project]]\nname = "%s"\nid = "id"\nimages = "as they are"\n' "$name" >>"$home/agent/agent.toml"
done
# Nothing waits for a machine that has other things to do, and orders come at once.
sed -i -e '/^\[polite\]/,/^$/s/^enabled = true/enabled = false/' -e '/^\[uplink\]/,/^$/s/= "[0-9]*s"/= "1s"/' \
    "$home/agent/agent.toml"
"$bin/insitu-agent" --log error person add ann --role annotator --token-file "$home/ann.token" >/dev/null
"$bin/insitu-agent" run >"$home/agent.log" 2>&1 &
pids+=($!)
within 60 "the agent" curl -fs "http://127.0.0.1:$api/readyz"
formats all || { tail -n 20 "$home/agent.log"; exit 1; }
