#!/usr/bin/env bash
# A real MLflow server (3.17.2), to which the coordinator registers what is published: runs with
# parameters and metrics, versions with cards, aliases, and nothing twice when an answer is lost.
# Skipped, with a line that says so, where there is neither a server nor a way to install one.
#   INSITU_MLFLOW  its program (default: mlflow on the PATH; else it is installed for the test, with pip)
set -euo pipefail
cd "$(dirname "$0")/.."

version=3.17.2
server=${INSITU_MLFLOW:-$(command -v mlflow || true)}
if [ -z "$server" ] && ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "skipped: no mlflow (pip install mlflow==$version), and no python3 with venv and pip to install it"
    exit 0
fi
packages=(-p insitu-coordinator)
source tests/programs.sh
if [ -z "$server" ]; then
    python3 -m venv "$home/venv"
    if ! "$home/venv/bin/pip" install -q --disable-pip-version-check "mlflow==$version"; then
        echo "skipped: no mlflow, and pip cannot install mlflow==$version here"
        exit 0
    fi
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
