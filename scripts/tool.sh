#!/usr/bin/env bash
# Makes one cargo tool available and prints the folder to put on PATH.
#
#   scripts/tool.sh cargo-deny        install if absent, print the folder
#   scripts/tool.sh --have cargo-deny print the folder if it is there, else exit 1; never installs
#
# Tools live outside the checkout, so that a fresh clone finds them again, in a folder named by
# tool and version, so that a new version here is a new install and an interrupted one is resumed.
set -euo pipefail

# Versions are pinned: a tool that changes under us is a build that fails on its own.
declare -A VERSIONS=(
    [cargo-deny]=0.20.2     # licences, bans and sources (deny.toml)
    [cargo-nextest]=0.9.143 # the test runner; one process per test
    [cargo-mutants]=27.1.0  # `make mutants` alone
    [cargo-deb]=3.8.0       # `make packages`
)

fail() {
    echo "tool.sh: $*" >&2
    exit 1
}

install_missing=yes
if [[ ${1:-} == --have ]]; then
    install_missing=no
    shift
fi
tool=${1:-}
[[ -n $tool && -n ${VERSIONS[$tool]:-} ]] ||
    fail "unknown tool '${tool}'; known: ${!VERSIONS[*]}"
version=${VERSIONS[$tool]}

# A copy the machine already has is taken as it is: a base image knows why it brings it.
if found=$(command -v "$tool"); then
    dirname "$found"
    exit 0
fi

root=${XDG_CACHE_HOME:-$HOME/.cache}/h8lio/tools/$tool-$version
if [[ -x $root/bin/$tool ]]; then
    echo "$root/bin"
    exit 0
fi
[[ $install_missing == yes ]] || exit 1

echo "installing $tool $version into $root (once; some minutes)" >&2
mkdir -p "$root"
# Unoptimised on purpose: these tools run for seconds, and an optimised build takes three times as
# long. The build folder is kept beside it until the install succeeded, so a retry goes on.
CARGO_TARGET_DIR=$root/build CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    nice cargo install --locked --debug --root "$root" --version "$version" "$tool" >&2 ||
    fail "cannot install $tool $version; the lines above say why"
rm -rf "$root/build"
echo "$root/bin"
