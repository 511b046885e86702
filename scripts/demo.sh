#!/usr/bin/env bash
# Shows h8lio at work: a coordinator, this server as a real node (observed, never acted upon), and
# twelve simulated servers in three racks.
#
#   scripts/demo.sh             stays up until Ctrl-C
#   DEMO=once scripts/demo.sh   checks what it shows, stops everything, exits 0
#   scripts/demo.sh clean       stops what a killed demo left running, removes .demo
#
# Everything it makes is below .demo: `. .demo/env` lets h8lctl talk to it from another terminal.
# Each run makes a new fleet: an old .demo is removed, since enrollment is what is to be seen.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

TOP=$PWD
DEMO_DIR=${DEMO_DIR:-$TOP/.demo}
# Programs from elsewhere may be shown too (a package, a test's stand-ins); then nothing is built.
PROGRAMS=${DEMO_PROGRAMS:-${CARGO_TARGET_DIR:-$TOP/target}/debug}
SERVERS=${DEMO_SERVERS:-$TOP/tests/sim/demo}
RACKS=3
# How long a fleet of this size may take to be seen whole; machines differ by a factor of three.
PATIENCE=${DEMO_PATIENCE:-90}

export H8LIO_CONTEXT_FILE=$DEMO_DIR/admin.context.toml

ctl() {
    "$PROGRAMS/h8lctl" "$@"
}

# --- before and after ----------------------------------------------------------------------------

# Ids of processes that work below .demo, ours or of an earlier run.
demo_processes() {
    processes_naming h8lio- "$DEMO_DIR/"
}

refuse_a_second_demo() {
    local running
    running=$(demo_processes | tr '\n' ' ')
    [[ -z $running ]] ||
        fail "a demo is running already (pid $running); stop it with Ctrl-C, or with: make clean-demo"
}

nothing_runs() {
    [[ -z $(demo_processes) ]]
}

clean() {
    local pid
    for pid in $(demo_processes); do
        kill -TERM "$pid" 2>/dev/null || true
    done
    if ! wait_until 5 nothing_runs; then
        for pid in $(demo_processes); do
            kill -KILL "$pid" 2>/dev/null || true
        done
    fi
    wait_until 5 nothing_runs || fail "these do not end: $(demo_processes | tr '\n' ' ')"
    rm -rf "$DEMO_DIR"
}

# Agents before their coordinator, so that each of them can say goodbye.
stop_everything() {
    local agents=() name
    for name in "${!CHILDREN[@]}"; do
        [[ $name == coordinator ]] || agents+=("$name")
    done
    local clean_stop=0
    [[ ${#agents[@]} -eq 0 ]] || stop_children "${agents[@]}" || clean_stop=1
    stop_children coordinator || clean_stop=1
    return $clean_stop
}

# Runs however the script ends; keeps the status with which it did.
on_exit() {
    local status=$?
    trap - EXIT
    trap '' INT TERM
    stop_everything || true
    if [[ $status -ne 0 && -d $DEMO_DIR/log ]]; then
        echo "the logs are in $DEMO_DIR/log" >&2
    fi
    exit "$status"
}

# The last lines of a child's log, for a person who asks why.
why() {
    tail -n 5 "$DEMO_DIR/log/$1.log" 2>/dev/null | sed 's/^/    /' >&2
}

# --- the coordinator -----------------------------------------------------------------------------

coordinator_answers_or_died() {
    child_is_gone coordinator || ctl status -o json >/dev/null 2>>"$DEMO_DIR/log/status.log"
}

# One attempt on one port: 0 when it answers, 1 when the port was taken meanwhile.
try_coordinator() {
    local port=$1 log=$DEMO_DIR/log/coordinator.log
    rm -rf "$DEMO_DIR/coordinator" "$H8LIO_CONTEXT_FILE"
    : >"$log"
    "$PROGRAMS/h8lio-coordinator" init --dir "$DEMO_DIR/coordinator" --fleet demo \
        --listen "127.0.0.1:$port" --operator admin --metrics off --context-out "$H8LIO_CONTEXT_FILE" \
        >>"$log" 2>&1 || { why coordinator; fail "the coordinator's init failed"; }
    start_child coordinator "$log" \
        "$PROGRAMS/h8lio-coordinator" run --config "$DEMO_DIR/coordinator/coordinator.toml"
    wait_until 30 coordinator_answers_or_died ||
        fail "the coordinator does not answer on port $port: $(tail -n 1 "$DEMO_DIR/log/status.log")"
    child_runs coordinator && return 0
    grep -qi 'in use' "$log" && return 1
    why coordinator
    fail "the coordinator ended at once"
}

start_coordinator() {
    local port
    for _ in {1..5}; do
        port=$(free_port) || fail "no free port between 20000 and 32000"
        if try_coordinator "$port"; then
            step "the coordinator answers on 127.0.0.1:$port"
            return 0
        fi
        step "port $port was taken meanwhile; trying another"
    done
    fail "five ports in a row were taken before the coordinator could listen"
}

# --- agents --------------------------------------------------------------------------------------

# Everything an agent must be told: where its state is. Its domains stay at their default, observe.
write_agent_config() {
    printf 'state_dir = "%s"\n' "$1/state" >"$1/agent.toml"
    mkdir -p "$1/state"
}

# enroll_and_run NAME TOPOLOGY ROLE [ARGUMENT...]: a token for one node, its enrollment, its agent.
# Further arguments go to the agent (--sim FILE).
enroll_and_run() {
    local name=$1 topology=$2 role=$3 dir=$DEMO_DIR/nodes/$1 log=$DEMO_DIR/log/$1.log
    shift 3
    mkdir -p "$dir"
    write_agent_config "$dir"
    ctl token create --reason "demo: enroll $name" --ttl 1h --uses 1 --name "$name" \
        --topology "$topology" --roles "$role" --auto-approve --yes -o json >"$dir/token.json" 2>>"$log" ||
        { why "$name"; fail "no token for $name"; }
    jq -er .token "$dir/token.json" >"$dir/token" || fail "the token for $name has no .token"
    "$PROGRAMS/h8lio-agent" enroll --config "$dir/agent.toml" --token-file "$dir/token" "$@" \
        >>"$log" 2>&1 || { why "$name"; fail "$name was not enrolled"; }
    start_child "$name" "$log" "$PROGRAMS/h8lio-agent" run --config "$dir/agent.toml" "$@"
}

# This server's own name, as far as a node may be called so.
real_name() {
    local name
    name=$(tr 'A-Z_' 'a-z-' </proc/sys/kernel/hostname)
    name=${name%%.*}
    name=${name//[^a-z0-9-]/}
    echo "${name:-this-server}"
}

enroll_simulated() {
    local file name count=0
    for file in "$SERVERS"/*.toml; do
        [[ -e $file ]] || fail "no simulated servers in ${SERVERS#"$TOP"/}"
        name=$(basename "$file" .toml)
        # `# topology:` and `# role:` in the file, or what its name says: RACK-NAME.toml.
        enroll_and_run "$name" "$(header "$file" topology "eu/demo/z1/${name%%-*}")" \
            "$(header "$file" role cloud)" --sim "$file"
        count=$((count + 1))
        [[ ! -t 1 ]] || printf '\r           %d enrolled ' "$count"
    done
    [[ ! -t 1 ]] || printf '\r'
    SIMULATED=$count
}

# --- what is to be seen --------------------------------------------------------------------------

# Names of nodes that are not online, one a line. Fails when the coordinator does not answer.
not_online() {
    ctl node list -o json 2>>"$DEMO_DIR/log/status.log" |
        jq -r '.[] | select(.availability | ascii_downcase != "online") | "\(.name) (\(.availability))"'
}

everyone_is_online() {
    local absent count
    check_children
    count=$(ctl node list -o json 2>>"$DEMO_DIR/log/status.log" | jq length) || return 1
    absent=$(not_online) || return 1
    [[ -z $absent && $count -eq $((SIMULATED + 1)) ]]
}

# A process of ours that ended by itself is a failure, whatever else looks well.
check_children() {
    local name
    for name in "${!CHILDREN[@]}"; do
        if child_is_gone "$name"; then
            why "$name"
            fail "$name ended by itself"
        fi
    done
}

real_is_inventoried() {
    ctl node show "$REAL" -o json 2>>"$DEMO_DIR/log/status.log" >"$DEMO_DIR/real.json" || return 1
    # Packages are the slowest to read: when they are there, all is.
    jq -e '.inventory | (.os.bootId // "" | length > 0) and .packages != null' \
        "$DEMO_DIR/real.json" >/dev/null
}

# expect WHAT FOUND WANTED
expect() {
    [[ $2 == "$3" ]] || fail "$1: found '$2', expected '$3'"
    step "checked: $1 is $2"
}

check_what_is_shown() {
    local nodes=$DEMO_DIR/nodes.json real=$DEMO_DIR/real.json disks present
    ctl node list -o json >"$nodes"
    expect "the number of nodes" "$(jq length "$nodes")" $((SIMULATED + 1))
    expect "the number of nodes online" \
        "$(jq '[.[] | select(.availability | ascii_downcase == "online")] | length' "$nodes")" \
        $((SIMULATED + 1))
    expect "the number of racks" "$(jq '[.[].topology.rack] | unique | length' "$nodes")" "$RACKS"
    expect "the boot id of $REAL" "$(jq -r .inventory.os.bootId "$real")" \
        "$(</proc/sys/kernel/random/boot_id)"
    expect "the kernel of $REAL" "$(jq -r .inventory.os.kernel "$real")" "$(uname -r)"
    disks=$(jq '.inventory.disks | length' "$real")
    present=$(count_disks /sys/block)
    [[ $disks -gt 0 || $present -eq 0 ]] ||
        fail "$REAL shows no disks, but the kernel has $present"
    step "checked: $REAL shows $disks disks"
}

show() {
    echo
    ctl node list
    echo
    ctl node show "$REAL"
    echo
}

say_what_needs_root() {
    [[ $EUID -ne 0 ]] || return 0
    cat <<'TEXT'
           Without root some facts of this server cannot be read, and show as such:
           serial numbers and UUID (DMI), SMART and NVMe health, signatures on disks,
           the container runtime's socket, other users' processes. All else is real.
TEXT
}

# Everything ended, nothing left: the second half of the promise of DEMO=once.
check_the_end() {
    local left
    # Once more: an agent may have died after it was seen online.
    check_children
    stop_everything || fail "something had to be killed"
    left=$(demo_processes | tr '\n' ' ')
    [[ -z $left ]] || fail "left running: $left"
    step "checked: nothing is left running"
}

# Says once of each agent that ended that it did: the fleet goes on without it, and shows it as
# unreachable. Nothing goes on without the coordinator.
watch_children() {
    local name
    if child_is_gone coordinator; then
        why coordinator
        fail "coordinator ended by itself"
    fi
    for name in "${!CHILDREN[@]}"; do
        child_is_gone "$name" || continue
        step "$name ended by itself: $(tail -n 1 "$DEMO_DIR/log/$name.log" 2>/dev/null)"
        wait "${CHILDREN[$name]}" 2>/dev/null || true
        unset "CHILDREN[$name]"
    done
}

# The first simulated server, to show with.
first_simulated() {
    local files=("$SERVERS"/*.toml)
    basename "${files[0]}" .toml
}

stay_up() {
    local nap=
    step "up. In another terminal:  . .demo/env && h8lctl node list"
    step "to queue a fault:  echo 'beat.stop 20s' >>${DEMO_DIR#"$TOP"/}/nodes/$(first_simulated)/state/faults"
    step "Ctrl-C stops it"
    trap 'echo; step "stopping"; kill $nap 2>/dev/null; exit 0' INT TERM
    while true; do
        watch_children
        # Waited for in the background, so that Ctrl-C is answered at once.
        sleep 1 &
        nap=$!
        wait "$nap" || true
    done
}

# --- the run -------------------------------------------------------------------------------------

build() {
    [[ -z ${DEMO_PROGRAMS:-} ]] || return 0
    scripts/setup.sh build demo
    step "building (the first time takes some minutes)"
    cargo build --locked -p h8lio-agent -p h8lio-coordinator -p h8lctl
}

write_env() {
    cat >"$DEMO_DIR/env" <<TEXT
# Source this: . .demo/env
export H8LIO_CONTEXT_FILE='$H8LIO_CONTEXT_FILE'
export PATH='$PROGRAMS':"\$PATH"
TEXT
}

main() {
    refuse_a_second_demo
    build
    # Keys and tokens are made from here on.
    umask 077
    rm -rf "$DEMO_DIR"
    mkdir -p "$DEMO_DIR/log" "$DEMO_DIR/nodes"
    write_env
    trap on_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    step "starting a coordinator on SQLite"
    start_coordinator

    REAL=$(real_name)
    step "enrolling this server as $REAL (it is observed; nothing on it is changed)"
    say_what_needs_root
    enroll_and_run "$REAL" eu/demo/z1/r1 cloud

    step "enrolling the simulated servers"
    enroll_simulated
    step "$SIMULATED simulated servers are enrolled; waiting until all are online"

    wait_until "$PATIENCE" everyone_is_online ||
        fail "after $PATIENCE s these are not online: $(not_online | tr '\n' ' ')"
    wait_until "$PATIENCE" real_is_inventoried ||
        fail "after $PATIENCE s $REAL has reported no inventory"

    show
    if [[ ${DEMO:-} == once ]]; then
        check_what_is_shown
        check_the_end
        step "done"
    else
        stay_up
    fi
}

case ${1:-} in
clean) clean ;;
'') main ;;
*) fail "unknown argument '$1'; see the head of this file" ;;
esac
