#!/usr/bin/env bash
# Looks into built packages, without installing them: what they hold, how it is owned, what dpkg asks
# about and what its scripts do. Names every difference, then fails.
#
#   scripts/check-packages.sh FOLDER PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
: "${SOURCE_DATE_EPOCH:?the time that everything in the packages has, as for scripts/packages.sh}"

folder=${1:?a folder}
shift
faults=0

# complain PACKAGE WHAT: one difference; all are told.
complain() {
    echo "  $1: $2" >&2
    faults=$((faults + 1))
}

# What each package must hold, by path; every other file in it is a complaint.
expected() {
    case $1 in
    h8lio-agent)
        daemon "$1"
        echo 'etc/h8lio/agent.toml'
        ;;
    h8lio-coordinator)
        daemon "$1"
        echo 'usr/lib/sysusers.d/h8lio-coordinator.conf'
        echo 'usr/share/doc/h8lio-coordinator/examples/coordinator.toml'
        ;;
    h8lctl) program "$1" 1 ;;
    *)
        echo "check-packages.sh: no such package: $1" >&2
        exit 2
        ;;
    esac
}

daemon() {
    program "$1" 8
    echo "usr/lib/systemd/system/$1.service"
    echo "usr/lib/tmpfiles.d/$1.conf"
}

program() {
    echo "usr/bin/$1"
    (cd target/packaging/man && printf "usr/share/man/man$2/%s.gz\n" "$1"*."$2")
    echo "usr/share/bash-completion/completions/$1"
    echo "usr/share/zsh/vendor-completions/_$1"
    echo "usr/share/fish/vendor_completions.d/$1.fish"
    echo "usr/share/doc/$1/changelog.gz"
    echo "usr/share/doc/$1/copyright"
}

# Times are the commit's: the clock of whoever builds would be in the bytes.
check_times() {
    local name=$1 part times
    for part in --ctrl-tarfile --fsys-tarfile; do
        times=$(dpkg-deb "$part" "$deb" | TZ=UTC tar --list --verbose --full-time | awk '{ print $4, $5 }' | sort -u)
        [[ $times == "$(date -u -d "@$SOURCE_DATE_EPOCH" '+%F %T')" ]] ||
            complain "$name" "has times of its own: $times"
    done
}

field() {
    dpkg-deb --field "$deb" "$1"
}

check_contents() {
    local name=$1 difference
    # Mode, owner, ..., ./path; units may lie below /lib, which is the same folder on Debian.
    difference=$(diff <(expected "$name" | sort) \
        <(dpkg-deb --contents "$deb" | awk '$1 !~ /^d/ { sub(/^\.\//, "", $6); print $6 }' |
            sed 's#^lib/#usr/lib/#' | sort)) || complain "$name" "holds other files (>) or lacks some (<):
$difference"
    difference=$(dpkg-deb --contents "$deb" | awk '($2 != "root/root" && $2 != "0/0") || $1 ~ /^.....w|^........w|[sS]/ { print $1, $2, $6 }')
    [[ -z $difference ]] || complain "$name" "foreign owners, or more than the owner may write: $difference"
}

check_fields() {
    local name=$1 text
    [[ $(field Package) == "$name" ]] || complain "$name" "is called $(field Package)"
    [[ $(field Version) == "$version" ]] || complain "$name" "has version $(field Version), not $version"
    [[ $(field Architecture) == "$(dpkg --print-architecture)" ]] || complain "$name" "is for $(field Architecture)"
    for text in Depends Maintainer Section Priority Description; do
        [[ -n $(field "$text") ]] || complain "$name" "does not say its $text"
    done
    [[ $(field Depends) == *libc6* ]] || complain "$name" "does not depend on the C library that it needs"
}

check_conffiles() {
    local name=$1 wanted='' found
    [[ $name != h8lio-agent ]] || wanted=/etc/h8lio/agent.toml
    found=$(cat "$work/control/conffiles" 2>/dev/null || true)
    [[ $found == "$wanted" ]] || complain "$name" "asks about '$found' at an upgrade, not about '$wanted'"
}

# script NAME SCRIPT TEXT...: the maintainer script holds each text and is a shell's.
script() {
    local name=$1 script=$2 text
    shift 2
    sh -n "$work/control/$script" || complain "$name" "$script is no shell script"
    for text in "$@"; do
        grep -qF -- "$text" "$work/control/$script" || complain "$name" "$script does not say: $text"
    done
}

check_scripts() {
    local name=$1 unit=$1.service
    if [[ $name == h8lctl ]]; then
        ! compgen -G "$work/control/p*" >/dev/null || complain "$name" "has maintainer scripts"
        return
    fi
    script "$name" postinst "deb-systemd-helper enable $unit" "daemon-reload" "systemd-tmpfiles --create $name.conf" \
        "deb-systemd-invoke \$_dh_action $unit"
    script "$name" prerm "= remove" "deb-systemd-invoke stop $unit"
    script "$name" postrm "deb-systemd-helper purge $unit" "daemon-reload"
    [[ $name != h8lio-coordinator ]] || script "$name" postinst "systemd-sysusers"
}

# Nothing of the machine that built it, and no debugging left.
check_program() {
    local name=$1 program=$work/files/usr/bin/$1 place
    for place in "$HOME" "$PWD"; do
        ! grep -qaF "$place/" "$program" || complain "$name" "the program names $place, where it was built"
    done
    "$program" --version >/dev/null || complain "$name" "the program does not start"
}

check() {
    local name=$1
    deb=$(compgen -G "$folder/${name}_*.deb") || {
        complain "$name" "there is no package in $folder"
        return
    }
    rm -rf "$work/control" "$work/files"
    dpkg-deb --control "$deb" "$work/control"
    dpkg-deb --extract "$deb" "$work/files"
    check_contents "$name"
    check_times "$name"
    check_fields "$name"
    check_conffiles "$name"
    check_scripts "$name"
    check_program "$name"
}

# lintian's opinion, without:
# - bogus-mail-host: who maintains a package is whoever builds it, and has no address here;
# - uses-dpkg-database-directly: whether dpkg was cut off in its work stands nowhere else, and the agent
#   only looks.
judge() {
    local suppressed=bogus-mail-host,bogus-mail-host-in-debian-changelog,uses-dpkg-database-directly
    lintian --fail-on error,warning --suppress-tags "$suppressed" --allow-root "$@"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=${DEB_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
debs=()
for package in "$@"; do
    check "$package"
    debs+=("$deb")
done
if [[ $faults -gt 0 ]]; then
    echo "check-packages.sh: $faults faults in the packages" >&2
    exit 1
fi
judge "${debs[@]}"
echo "the packages hold what they shall: $*"
