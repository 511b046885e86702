#!/usr/bin/env bash
# The lab's commands, with what they need built and installed first (docs/lab.md).
#
#   scripts/lab.sh up | status | ssh s1 | power s1 off | test --stage lab | down | ...
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
up | test)
    scripts/setup.sh build lab
    cargo build --locked --quiet -p h8lio-lab
    # What is rolled out is what is shipped. Only the lab's own checks do without.
    if [[ $1 == test && " $* " != *" --stage lab "* ]]; then
        scripts/setup.sh packages
        scripts/packages.sh
    fi
    ;;
ceph | kube)
    # The quick cluster and the programs of Kubernetes need no lab that is up.
    if [[ ! -x ${CARGO_TARGET_DIR:-target}/debug/lab ]]; then
        scripts/setup.sh build lab
        cargo build --locked --quiet -p h8lio-lab
    fi
    ;;
down)
    # Without a lab program there was never a lab.
    [[ -x ${CARGO_TARGET_DIR:-target}/debug/lab ]] || exit 0
    ;;
esac
exec "${CARGO_TARGET_DIR:-target}/debug/lab" "$@"
