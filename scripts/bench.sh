#!/usr/bin/env bash
# Measures h8lio beside its peers, in one run, and writes target/bench/report.json.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/setup.sh build bench
# What is measured is what is packaged: size and speed of a debug build mean nothing.
build_dist h8lio-agent h8lio-coordinator h8lctl
mkdir -p target/bench
exec cargo run --locked --profile dist -p h8lio-tests --bin bench -- \
    --programs target/dist --out target/bench/report.json "$@"
