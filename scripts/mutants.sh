#!/usr/bin/env bash
# Changes the guards of identity, session and audit one at a time and looks whether a test notices.
# Hours, not minutes; no part of CI. What survives is listed in target/mutants.out.
#
#   scripts/mutants.sh                              the guards: the files listed here
#   scripts/mutants.sh -f 'coordinator/src/pki/**'  these and no others
#   scripts/mutants.sh --shard 0/8                  an eighth of the guards
#   scripts/mutants.sh --in-place -f FILE           without a copy: nothing else may touch the files
set -euo pipefail
cd "$(dirname "$0")/.."

guards=(
    'agent/src/identity/**'
    'agent/src/session/**'
    'coordinator/src/audit.rs'
    'coordinator/src/audit/**'
    'coordinator/src/operators.rs'
    'coordinator/src/outage.rs'
    'coordinator/src/pki/**'
    'coordinator/src/registry/**'
    'coordinator/src/rpc/authz.rs'
    'coordinator/src/session/**'
    'proto/model/src/audit.rs'
    'proto/model/src/availability.rs'
    'proto/model/src/section.rs'
    'proto/model/src/token.rs'
    'proto/tls/src/**'
)
files=()
if [[ " $* " != *" -f "* && " $* " != *" --file"* ]]; then
    for glob in "${guards[@]}"; do
        files+=(-f "$glob")
    done
fi
# A copy of the checkout takes along what is built already; without one there is nothing to copy.
copy=(--copy-target true)
[[ " $* " != *" --in-place "* ]] || copy=()

bin=$(scripts/tool.sh cargo-mutants)
runner=(--test-tool cargo)
# One process per test: a change that breaks one test does not take its neighbours along.
if nextest=$(scripts/tool.sh --have cargo-nextest); then
    bin=$bin:$nextest
    runner=(--test-tool nextest)
fi
mkdir -p target
PATH=$bin:$PATH cargo mutants --output target "${runner[@]}" "${copy[@]}" "${files[@]}" "$@"
