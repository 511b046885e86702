#!/usr/bin/env bash
# Changes the guards of identity, session and audit one at a time and looks whether a test notices.
# Hours, not minutes; no part of CI. What survives is listed in target/mutants.out.
#
#   scripts/mutants.sh                              the files of .cargo/mutants.toml
#   scripts/mutants.sh -f 'coordinator/src/pki/**'  others
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(scripts/tool.sh cargo-mutants)
mkdir -p target
PATH=$bin:$PATH exec cargo mutants --output target --no-shuffle "$@"
