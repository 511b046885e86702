#!/usr/bin/env bash
# All tests: doc tests first, then unit, integration, repository rules and units, then the Ansible
# collection.
# Arguments go to the runner: scripts/test.sh -p h8lio-agent
set -euo pipefail
cd "$(dirname "$0")/.."

scope=(--workspace)
[[ $# -eq 0 ]] || scope=("$@")

cargo test --locked --quiet --doc "${scope[@]}"
if bin=$(scripts/tool.sh --have cargo-nextest); then
    PATH=$bin:$PATH cargo nextest run --locked --no-fail-fast "${scope[@]}"
else
    echo "cargo-nextest is not installed (scripts/tool.sh cargo-nextest does that); using cargo test"
    cargo test --locked --no-fail-fast --lib --bins --tests "${scope[@]}"
fi
# Somebody who names crates wants their tests alone.
[[ $# -gt 0 ]] || scripts/ansible.sh test
