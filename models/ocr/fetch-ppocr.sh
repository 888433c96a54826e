#!/bin/sh
# Fetches PP-OCRv4's detector of text (Apache-2.0) from the Python package index, for sites whose
# images have text burned in. Nothing of it is part of this repository.
#
#     models/ocr/fetch-ppocr.sh DIR        DIR/detect.onnx, DIR/LICENSE, DIR/PROVENANCE
#
# `insitu-agent redact --format dicom --ocr DIR` takes the folder. The model is taken out of a wheel,
# which is not installed.
set -eu

if [ $# -ne 1 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1
licence=$(cd "$(dirname "$0")/../.." && pwd)/LICENSE
package=rapidocr-onnxruntime==1.4.4

command -v python3 >/dev/null || { echo "$0: python3 is needed" >&2; exit 70; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$package"
python3 -m zipfile -e "$work"/*.whl "$work/out"

mkdir -p "$folder"
mv "$work/out/rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx" "$folder/detect.onnx"
# The text of the Apache licence, which this repository has too.
cp "$licence" "$folder/LICENSE"
cat > "$folder/PROVENANCE" <<TEXT
detect.onnx is ch_PP-OCRv4_det_infer.onnx of the PyPI package $package, unchanged.
PP-OCRv4: PaddlePaddle Authors, Apache-2.0. Package: RapidAI, Apache-2.0.
TEXT

# What was measured, and no other: a mirror may have been tampered with.
cd "$folder"
sha256sum --check --quiet - <<'SUMS'
d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9  detect.onnx
SUMS
