#!/usr/bin/env bash
# Builds the Debian packages of agent, coordinator and h8lctl into target/packages, and looks into
# each of them.
#
#   scripts/packages.sh                     the version of the workspace
#   DEB_VERSION=0.1.0+2 scripts/packages.sh another one, with the same programs
#   scripts/packages.sh h8lctl              only this one
#
# The same commit and toolchain make the same bytes: what has a time gets the commit's
# (SOURCE_DATE_EPOCH, when it is not set).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

packages=("$@")
[[ $# -gt 0 ]] || packages=(h8lio-agent h8lio-coordinator h8lctl)
# The packages' definitions name files below target/, so another build folder would not be seen.
unset CARGO_TARGET_DIR
made=target/packaging
out=target/packages

# The programs first: cargo builds anew what a changed environment might change.
build_dist "${packages[@]}"

# C locale, no umask of whoever builds: both would be seen in the packages.
export LC_ALL=C
umask 022
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
version=${DEB_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}

# What the programs write about themselves.
describe() {
    local program=$1 shell
    "target/dist/$program" man --out "$made/man"
    for shell in bash zsh fish; do
        "target/dist/$program" completion "$shell" >"$made/completions/$program.$shell"
    done
}

changelog() {
    gzip -9n >"$made/changelog/$1.gz" <<TEXT
$1 ($version) unstable; urgency=medium

  * Built from the project's sources; their history is the change log.

 -- h8lio maintainers <h8lio@localhost>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
TEXT
}

cargo_deb=$(scripts/tool.sh cargo-deb)
rm -rf "$made"
mkdir -p "$made/man" "$made/completions" "$made/changelog" "$out"
for package in "${packages[@]}"; do
    describe "$package"
    changelog "$package"
    rm -f "$out/${package}_"*.deb
    PATH=$cargo_deb:$PATH cargo deb --locked --no-build --profile dist --package "$package" \
        --deb-version "$version" --output "$out/" --quiet >/dev/null
done
scripts/check-packages.sh "$out" "${packages[@]}"
ls -l "$out"
