#!/usr/bin/env bash
# Checks the Ansible collection, or builds it.
#
#   scripts/ansible.sh lint          ansible-lint, production profile
#   scripts/ansible.sh test          its tests, with the oldest and the newest ansible-core
#   scripts/ansible.sh build FOLDER  the collection as a file for ansible-galaxy collection install
set -euo pipefail
cd "$(dirname "$0")/.."

TOP=$PWD
# Ansible finds collections by a path that ends so; inside the checkout it is called ansible/.
TREE=$TOP/target/ansible
HERE=$TREE/ansible_collections/h8lio/fleet
mkdir -p "${HERE%/*}"
ln -sfn "$TOP/ansible" "$HERE"

# Nobody's own settings play a part, and nothing is written to the home folder.
touch "$TREE/ansible.cfg"
export ANSIBLE_CONFIG=$TREE/ansible.cfg ANSIBLE_HOME=$TREE/home ANSIBLE_COLLECTIONS_PATH=$TREE ANSIBLE_NOCOLOR=1
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8

case ${1:-} in
lint)
    bin=$(scripts/venv.sh newest)
    cd "$HERE"
    # --offline: what it would fetch are collections that this one does not use.
    PATH=$bin:$PATH NO_COLOR=1 ansible-lint --nocolor --offline --strict --profile production --project-dir .
    ;;
test)
    for version in oldest newest; do
        bin=$(scripts/venv.sh "$version")
        (cd "$HERE" && PATH=$bin:$PATH PYTHONPATH=$TREE python -m pytest -q -p no:cacheprovider tests)
    done
    ;;
build)
    bin=$(scripts/venv.sh newest)
    "$bin/ansible-galaxy" collection build --force --output-path "${2:?a folder}" "$TOP/ansible"
    ;;
*)
    sed -n '2,6p' "$0" >&2
    exit 2
    ;;
esac
