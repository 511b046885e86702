#!/usr/bin/env bash
# Stands in for h8lio-coordinator, h8lio-agent and h8lctl, whichever name it is called by, so that
# the demo script is tested without them. STAND_IN_FAULT makes one thing go wrong.
set -euo pipefail

fault=${STAND_IN_FAULT:-none}
fleet=${H8LIO_CONTEXT_FILE%/*}/fleet

# Works until it is asked to stop.
work() {
    trap 'exit 0' TERM
    [[ $fault != stubborn ]] || trap '' TERM
    while true; do sleep 0.05; done
}

option() {
    local name=$1
    shift
    while [[ $# -gt 1 ]]; do
        if [[ $1 == "$name" ]]; then
            echo "$2"
            return 0
        fi
        shift
    done
}

list() {
    local node name rack state
    for node in "$fleet"/*; do
        name=${node##*/} rack=$(<"$node") state=Online
        [[ $fault != suspect || $name != r2-* ]] || state=Suspect
        [[ $fault != one-rack ]] || rack=r1
        printf '{"name":"%s","availability":"%s","topology":{"rack":"%s"}}\n' "$name" "$state" "$rack"
    done | jq -s .
}

inventory() {
    local boot_id
    boot_id=$(</proc/sys/kernel/random/boot_id)
    [[ $fault != boot-id ]] || boot_id=another
    printf '{"inventory":{"os":{"bootId":"%s","kernel":"%s"},"disks":[{}],"packages":{}}}\n' "$boot_id" "$(uname -r)"
}

case "${0##*/} ${1:-} ${2:-}" in
"h8lio-coordinator init "*)
    mkdir -p "$(option --dir "$@")" "$fleet"
    touch "$(option --context-out "$@")"
    ;;
"h8lio-coordinator run "*)
    if [[ $fault == port && ! -e $fleet/../tried ]]; then
        touch "$fleet/../tried"
        echo "cannot listen: the port is in use" >&2
        exit 1
    fi
    [[ $fault != bad-config ]] || { echo "unknown key 'x'" >&2; exit 78; }
    touch "$fleet/../ready"
    work
    ;;
"h8lio-agent enroll "*)
    [[ $(stat -c %a "$(option --token-file "$@")") == 600 ]] || { echo "token is readable" >&2; exit 1; }
    [[ $fault != enroll ]] || { echo "the CA's pin differs" >&2; exit 1; }
    ;;
"h8lio-agent run "*)
    [[ $fault != dies || $(option --config "$@") != *r3-a* ]] || { echo "out of luck" >&2; exit 1; }
    work
    ;;
"h8lctl status "*) [[ -e $fleet/../ready ]] ;;
"h8lctl token create")
    topology=$(option --topology "$@")
    echo "${topology##*/}" >"$fleet/$(option --name "$@")"
    echo '{"token":"secret"}'
    ;;
"h8lctl node list") if [[ ${3:-} == -o ]]; then list; else list | jq -r '.[].name'; fi ;;
"h8lctl node show") inventory ;;
*)
    echo "unexpected: ${0##*/} $*" >&2
    exit 2
    ;;
esac
