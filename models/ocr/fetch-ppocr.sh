#!/bin/sh
# Fetches PP-OCRv4's detector and recogniser of text (Apache-2.0; 4.7 and 10.9 MB) from the Python package
# index, for sites whose images have text burned in. Nothing of it is part of this repository.
#
#     models/ocr/fetch-ppocr.sh DIR        DIR/detect.onnx, DIR/recognise.onnx, DIR/LICENSE, DIR/PROVENANCE
#
# `insitu-agent redact --format dicom --ocr DIR` takes the folder; without recognise.onnx text is found
# and not read. The models are taken out of a wheel of 15 MB, which is not installed.
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
models=$work/out/rapidocr_onnxruntime/models
mv "$models/ch_PP-OCRv4_det_infer.onnx" "$folder/detect.onnx"
mv "$models/ch_PP-OCRv4_rec_infer.onnx" "$folder/recognise.onnx"
# The text of the Apache licence, which this repository has too.
cp "$licence" "$folder/LICENSE"
cat > "$folder/PROVENANCE" <<TEXT
detect.onnx is ch_PP-OCRv4_det_infer.onnx of the PyPI package $package, unchanged,
recognise.onnx its ch_PP-OCRv4_rec_infer.onnx.
PP-OCRv4: PaddlePaddle Authors, Apache-2.0. Package: RapidAI, Apache-2.0.
TEXT

# What was measured, and no other: a mirror may have been tampered with.
cd "$folder"
sha256sum --check --quiet - <<'SUMS'
d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9  detect.onnx
48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b  recognise.onnx
SUMS
