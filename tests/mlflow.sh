#!/usr/bin/env bash
# A real MLflow server (3.17.2), to which the coordinator registers what is published: runs with
# parameters and metrics, versions with cards, aliases, and nothing twice when an answer is lost.
# Skipped, with a line that says so, where there is no server.
#   INSITU_MLFLOW          its program (default: mlflow on the PATH)
#   INSITU_MLFLOW_INSTALL  1: where there is none, it is installed for the test, with pip
set -euo pipefail
cd "$(dirname "$0")/.."

version=3.17.2
server=${INSITU_MLFLOW:-$(command -v mlflow || true)}
if [ -z "$server" ] && [ "${INSITU_MLFLOW_INSTALL:-0}" != 1 ]; then
    echo "skipped: no mlflow (pip install mlflow==$version, or INSITU_MLFLOW_INSTALL=1)"
    exit 0
fi
packages=(-p insitu-coordinator)
source tests/programs.sh
if [ -z "$server" ]; then
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q --disable-pip-version-check "mlflow==$version"
    server=$home/venv/bin/mlflow
fi

INSITU_MLFLOW=$server cargo test --locked --release -p insitu-coordinator --test mlflow -- --nocapture 2>&1 \
    | tee "$home/said"
# The test itself passes where it finds no server.
if grep -q SKIPPED "$home/said"; then
    echo "failed: $server was not used"
    exit 1
fi
echo "MLflow: registered once, with card, metrics and aliases, whatever failed in between"
