#!/usr/bin/env bash
# Installs the Debian packages that a task needs and this machine lacks.
#
#   scripts/setup.sh GROUP...     groups: build demo lint test bench packages lab
#
# As root on a machine with apt it installs them; no daemon among them is started. Elsewhere it
# says what is missing and what for, and fails only when the task cannot do without.
set -euo pipefail

# group | package | program or file that shows it is there | needed or wanted | what for
# A package marked @backports comes from Debian's backports where the release's own is too old.
PACKAGES='
build|gcc|cc|needed|links Rust programs; compiles SQLite and aws-lc
build|libc6-dev|/usr/include/stdio.h|needed|the C headers of the same
build|make|make|needed|the commands of this repository
build|git|git|wanted|lists the files that the repository rules look at
demo|jq|jq|needed|checks what the demo shows
demo|smartmontools|smartctl|wanted|health of this server'"'"'s disks
lint|shellcheck|shellcheck|needed|checks the scripts
lint|python3|python3|needed|runs ansible-lint
lint|python3-venv|/usr/lib/python3.*/ensurepip|needed|keeps it apart from the machine'"'"'s Python
test|python3|python3|needed|the Ansible collection is tested too
test|python3-venv|/usr/lib/python3.*/ensurepip|needed|keeps its Ansible apart from the machine'"'"'s Python
test|systemd|systemd-analyze|needed|judges the units
test|jq|jq|needed|the demo script is tested too
test|strace|strace|needed|plays a failing disk below the store
test|iproute2|ip|needed|namespaces of the lab are tested too
test|nftables|nft|needed|cuts in their networks
test|gdisk|sgdisk|needed|partitions of the lab'"'"'s disks
packages|dpkg-dev|dpkg-shlibdeps|needed|finds the libraries that the packages depend on
packages|lintian|lintian|needed|judges the packages
packages|man-db|man|needed|lintian reads the manual pages with it
bench|jq|jq|needed|reads figures
bench|etcd-server|etcd|needed|what the coordinator is measured beside
bench|prometheus-node-exporter|prometheus-node-exporter|needed|what the agent is measured beside
lab|qemu-system-x86@backports|qemu-system-x86_64|needed|the servers of the lab are emulated
lab|qemu-utils@backports|qemu-img|needed|their disks
lab|ovmf|/usr/share/OVMF/OVMF_CODE_4M.fd|needed|firmware of servers that boot by UEFI
lab|mmdebstrap|mmdebstrap|needed|makes their Debian
lab|gdisk|sgdisk|needed|partitions of their disks
lab|dosfstools|mkfs.fat|needed|the partition that UEFI boots from
lab|e2fsprogs|mke2fs|needed|their root file system
lab|openssh-client|ssh|needed|reaches them
lab|iproute2|ip|needed|the networks of the lab
lab|nftables|nft|needed|cuts in those networks
lab|iputils-ping|ping|needed|whether a server answers
lab|python3|python3|needed|Ansible, for the roll-out
lab|python3-venv|/usr/lib/python3.*/ensurepip|needed|keeps its Ansible apart from the machine'"'"'s Python
lab|ipmitool|ipmitool|needed|asks the BMCs over IPMI
lab|openipmi|ipmi_sim|needed|speaks IPMI for them
lab|fence-agents|fence_redfish|needed|fences through them, as operators do
lab|redfishtool|redfishtool|needed|asks them over Redfish
lab|curl|curl|needed|the same
lab|socat|socat|wanted|talking on a serial line
lab|ceph-mon|ceph-mon|needed|the monitor of the lab'"'"'s Ceph
lab|ceph-mgr|ceph-mgr|needed|its manager
lab|ceph-osd|ceph-osd|needed|OSDs of the quick cluster without servers
lab|ceph-common|ceph|needed|asks Ceph
lab|etcd-server|etcd|needed|what Kubernetes keeps its objects in
lab|busybox-static|/usr/share/doc/busybox-static|needed|what the pods of the lab run
lab|golang-1.19-go|/usr/lib/go-1.19/bin/go|wanted|builds Kubernetes, once
lab|dpkg-dev|dpkg-source|wanted|unpacks its source
'

POLICY=${SETUP_POLICY:-/usr/sbin/policy-rc.d}

say() {
    echo "setup: $*"
}

# Whether a program or file (with * for what differs) is there; an unprivileged PATH often lacks the
# sbin folders.
there() {
    case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

missing() {
    local group package shown need reason
    while IFS='|' read -r group package shown need reason; do
        [[ -n $group && " ${GROUPS_WANTED[*]} " == *" $group "* ]] || continue
        there "$shown" || echo "$package|$need|$reason"
    done <<<"$PACKAGES" | sort -u
}

# Installing a daemon's package must not start the daemon: Debian asks this file, and 101 is "no".
# A file that is there already is somebody's decision and stays.
forbid_daemons() {
    [[ ! -e $POLICY ]] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
    trap 'rm -f "$POLICY"' EXIT
}

apt() {
    # needrestart must list, never restart: this machine's services are not ours.
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C \
        apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# install FROM PACKAGE...: FROM is a release, or empty for whatever apt prefers.
install() {
    local from=$1 target=()
    shift
    [[ -z $from ]] || target=(-t "$from")
    say "installing $*${from:+ from $from}"
    forbid_daemons
    if ! apt install -y --no-install-recommends "${target[@]}" "$@"; then
        say "trying again with fresh package lists"
        apt update && apt install -y --no-install-recommends "${target[@]}" "$@"
    fi
}

BACKPORTS_LIST=${SETUP_BACKPORTS_LIST:-/etc/apt/sources.list.d/h8lio-lab-backports.list}
OS_RELEASE=${SETUP_OS_RELEASE:-/etc/os-release}

# Name of the backports that a marked package comes from: on Debian 12 alone, later ones are new
# enough. Its source is this machine's own for the release, with another suite.
backports() {
    local codename uri
    # shellcheck source=/dev/null
    codename=$(. "$OS_RELEASE" && echo "${VERSION_CODENAME:-}")
    [[ $codename == bookworm ]] || return 0
    echo "$codename-backports"
    [[ -z $(targets_of "$codename-backports") ]] || return 0
    uri=$(targets_of "$codename" | head -n 1)
    [[ -n $uri ]] || return 1
    echo "deb $uri $codename-backports main" >"$BACKPORTS_LIST"
    apt update >&2
}

# Where apt gets a suite's packages from.
targets_of() {
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v codename="$1" '$2 == codename { print $1 }'
}

GROUPS_WANTED=("$@")
[[ $# -gt 0 ]] || GROUPS_WANTED=(build)

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is not on PATH; install the Rust toolchain that Cargo.toml's rust-version asks for" >&2
    exit 1
fi

packages=$(missing)
if [[ -n $packages && $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    mapfile -t marked < <(cut -d'|' -f1 <<<"$packages")
    ordinary=() newer=()
    for name in "${marked[@]}"; do
        case $name in
        *@backports) newer+=("${name%@backports}") ;;
        *) ordinary+=("$name") ;;
        esac
    done
    # What could not be installed is listed below with its reason. The release's own packages go
    # first: a library that came from backports for the others would stand in their way.
    if [[ ${#ordinary[@]} -gt 0 ]]; then
        install "" "${ordinary[@]}" || say "apt could not install all of them"
    fi
    if [[ ${#newer[@]} -gt 0 ]]; then
        from=$(backports) || say "no source of backports could be made from this machine's own"
        install "$from" "${newer[@]}" || say "apt could not install all of them"
    fi
    packages=$(missing)
fi

status=0
while IFS='|' read -r package need reason; do
    [[ -n $package ]] || continue
    say "$need, but not here: ${package%@backports} ($reason)"
    [[ $need != needed ]] || status=1
done <<<"$packages"
if [[ $status -ne 0 ]]; then
    echo "setup: install what is marked as needed (as root: apt-get install), then run this again" >&2
fi
exit $status
