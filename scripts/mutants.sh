#!/usr/bin/env bash
# Changes the guards of identity, session and audit one at a time and looks whether a test notices.
# Hours, not minutes; no part of CI. What survives is listed in target/mutants.out.
#
#   scripts/mutants.sh                              the files of .cargo/mutants.toml
#   scripts/mutants.sh -f 'coordinator/src/pki/**'  others
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(scripts/tool.sh cargo-mutants)
runner=(--test-tool cargo)
# One process per test: a change that breaks one test does not take its neighbours along.
if nextest=$(scripts/tool.sh --have cargo-nextest); then
    bin=$bin:$nextest
    runner=(--test-tool nextest)
fi
mkdir -p target
PATH=$bin:$PATH cargo mutants --output target "${runner[@]}" "$@"
