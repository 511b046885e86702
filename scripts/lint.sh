#!/usr/bin/env bash
# Formatting, clippy without a warning, scripts, what may be linked (deny.toml), the Ansible collection.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard | while read -r file; do
    [[ -f $file ]] || continue
    case $file in
    *.sh) echo "$file" ;;
    *) head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh$' && echo "$file" ;;
    esac || true
done)
[[ ${#scripts[@]} -gt 0 ]] || {
    echo "lint: no scripts found; is this a git checkout?" >&2
    exit 1
}
shellcheck -x "${scripts[@]}"

bin=$(scripts/tool.sh cargo-deny)
# Advisories are left out on purpose; deny.toml says why.
PATH=$bin:$PATH cargo deny --locked check bans licenses sources

scripts/ansible.sh lint
