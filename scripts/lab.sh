#!/usr/bin/env bash
# The lab's commands, with what they need built and installed first (docs/lab.md).
#
#   scripts/lab.sh up | status | ssh s1 | power s1 off | test --stage lab | down | ...
set -euo pipefail
cd "$(dirname "$0")/.."

lab=${CARGO_TARGET_DIR:-target}/debug/lab
build() {
    scripts/setup.sh "$@"
    cargo build --locked --quiet -p h8lio-lab
}

case ${1:-} in
up)
    build build lab
    ;;
test)
    build build lab
    # What is rolled out is what is shipped; a stage that rolls nothing out needs no packages.
    needed=$("$lab" "$@" --packages)
    if [[ $needed == needed ]]; then
        scripts/setup.sh packages
        scripts/packages.sh
    fi
    ;;
ceph | kube)
    # The quick cluster and the programs of Kubernetes need no lab that is up.
    [[ -x $lab ]] || build build lab
    ;;
down)
    if [[ ! -x $lab ]]; then
        # Without a record nothing was ever started; with one its program is needed to end it.
        compgen -G '.lab/*/run/*.json' >/dev/null || exit 0
        build build
    fi
    ;;
esac
exec "$lab" "$@"
