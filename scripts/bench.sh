#!/usr/bin/env bash
# Measures h8lio beside its peers, in one run, and writes target/bench/report.json.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# The planner and the fleet simulator need neither the programs nor the peers of the rest.
programs=0 simulator=0 parts=0 previous=''
for argument in "$@"; do
    case $previous/$argument in
    --only/planner) simulator=1 parts=1 ;;
    --only/*) programs=1 parts=1 ;;
    esac
    previous=$argument
done
((parts)) || programs=1 simulator=1

# What is measured is what is packaged: size and speed of a debug build mean nothing.
dist_flags
if ((programs)); then
    scripts/setup.sh build bench
    build_dist h8lio-agent h8lio-coordinator h8lctl
else
    scripts/setup.sh build
fi
# The simulator is measured as `make sim` plays it.
((!simulator)) || (unset CARGO_ENCODED_RUSTFLAGS && cargo build --locked --profile sim -p h8lio-fleetsim)
mkdir -p target/bench
exec cargo run --locked --profile dist -p h8lio-tests --bin bench -- \
    --programs target/dist --out target/bench/report.json "$@"
