#!/bin/sh
# Fetches ONNX Runtime's shared library, for sites that want its speed. Without it the programs use
# the engine that is built in.
#
#     deploy/fetch-onnxruntime.sh DIR [VERSION]
#
# Takes the library out of the Python package `onnxruntime` (MIT licence) with pip, which checks the
# package's hash; nothing is installed. Version 1.24 is the oldest that works.
set -eu

usage="usage: $0 DIR [VERSION]"
dir=${1:?$usage}
version=${2:-1.31.1}

command -v python3 >/dev/null || { echo "$0: python3 is needed" >&2; exit 70; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" \
    "onnxruntime==$version"
python3 -m zipfile -e "$work"/onnxruntime-*.whl "$work/out"
package=$work/out/onnxruntime

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# The library is named by its version, which `status` shows; the programs look for the plain name.
library=$(basename "$package"/capi/libonnxruntime.so.*)
mv "$package/capi/$library" "$dir/$library"
ln -sf "$library" "$dir/libonnxruntime.so"
mv "$package/LICENSE" "$dir/LICENSE.onnxruntime"
mv "$package/ThirdPartyNotices.txt" "$dir/ThirdPartyNotices.onnxruntime.txt"

cat <<EOF
$dir/libonnxruntime.so -> $library

The programs find it when both names lie beside them. Elsewhere, set
    export ORT_DYLIB_PATH=$dir/libonnxruntime.so
\`insitu-agent status\` says which engine runs.
EOF
