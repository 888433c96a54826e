#!/usr/bin/env bash
# Makes the tagger's lexicon and weights again: bash train.sh [MEDDOCAN.jsonl]
#
# MEDDOCAN.jsonl is the training part of SPACCC_MEDDOCAN (CC BY 4.0) as lines of {"text", "spans"}; without
# it, Spanish is learned from generated texts alone. Needs Python with venv, the network for three
# packages, and some five minutes of one core. Seeded: the same packages give the same files.
set -euo pipefail
export PYTHONHASHSEED=0 # the order of sets is a choice too
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet "faker==40.54.0" "pyspellchecker==0.9.1" "django==5.2.19"
"$work/python/bin/python" lexicon.py lexicon.bin
"$work/python/bin/python" corpus.py 11 20000 > "$work/one.jsonl"
"$work/python/bin/python" corpus.py 1 40000 > "$work/two.jsonl"
"$work/python/bin/python" authored.py 21 8 > "$work/authored.jsonl"
cargo run --release -p insitu-agent --example train_tagger -- \
    weights.bin "$work/one.jsonl" "$work/two.jsonl" "$work/authored.jsonl" ${1:+"$(realpath "$1"):2"}
echo "trained; score it with: cargo run --release -p insitu-agent --example try_tagger -- $PWD/weights.bin < TEXTS"
