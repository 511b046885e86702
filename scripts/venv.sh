#!/usr/bin/env bash
# Makes a Python environment with what one of ansible/requirements/*.txt names, and prints the folder
# of its programs.
#
#   scripts/venv.sh newest
#
# Like tools (scripts/tool.sh) it lives outside the checkout, named by what it is made from. One that
# was not finished is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "venv.sh: $*" >&2
    exit 1
}

wanted=ansible/requirements/${1:-}.txt
[[ -n ${1:-} && -f $wanted ]] ||
    fail "unknown environment '${1:-}'; known: $(basename -s .txt ansible/requirements/*.txt | tr '\n' ' ')"
python=$(python3 -c 'import sys; print(sys.executable, sys.version)') ||
    fail "python3 is missing; scripts/setup.sh lint installs it"
key=$({ echo "$python"; cat "$wanted"; } | sha256sum | cut -c1-16)
root=${XDG_CACHE_HOME:-$HOME/.cache}/h8lio/venvs
place=$root/$1-$key

# Whoever asks for the same one meanwhile waits.
mkdir -p "$root"
exec 9>"$root/.$1-$key.lock"
flock 9
if [[ ! -e $place/complete ]]; then
    echo "making the Python environment '$1' (once; about a minute)" >&2
    # Its programs name it by its path, so it is made where it stays; the mark at its end says that
    # it is whole.
    rm -rf "$place"
    python3 -m venv "$place" >&2 || fail "python3 has no venv; install Debian's package python3-venv"
    "$place/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted" >&2 ||
        fail "pip could not install what $wanted names; the lines above say why"
    touch "$place/complete"
fi
exec 9>&-
echo "$place/bin"
