#!/usr/bin/env bash
# Every check of the project, from a fresh clone: style, lints, tests, documentation, pages.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

step "tools"
command -v cargo >/dev/null || { echo "no cargo: install Rust 1.95 or later, from https://rustup.rs"; exit 1; }
command -v cc >/dev/null || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --locked --release --workspace --all-targets -- -D warnings

step "tests"
cargo test --locked --release --workspace --no-fail-fast

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --release --workspace --no-deps --document-private-items

step "pages"
# The pages are tested in a real browser; without one those tests say that they were skipped. The review
# page is also tested in front of the real programs.
cargo build --locked --release -p insitu-agent -p insitu-coordinator
if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q && apt-get install -qy --no-install-recommends chromium || true
fi
for ui in agent/ui coordinator/ui; do
    if command -v npm >/dev/null; then
        (cd "$ui" && npm ci --ignore-scripts --no-audit --no-fund && npm run check && npm test)
    else
        echo "skipped: no npm, so $ui/dist is neither compared with its sources nor tested"
    fi
done
step "formats"
bash tests/formats.sh
step "Label Studio"
bash tests/label_studio.sh
step "OpenID Connect"
bash tests/oidc.sh
step "MLflow"
bash tests/mlflow.sh
step "done"
