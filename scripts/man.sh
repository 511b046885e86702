#!/usr/bin/env bash
# Writes the man pages that the programs describe themselves with, into target/man.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked -p h8lio-agent -p h8lio-coordinator -p h8lctl
mkdir -p target/man
for program in h8lio-agent h8lio-coordinator h8lctl; do
    target/debug/$program man --out target/man
done
ls target/man
