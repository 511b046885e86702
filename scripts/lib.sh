# shellcheck shell=bash
# What the scripts share; sourced, never run. It starts nothing by itself.
set -euo pipefail

# --- saying what happens -------------------------------------------------------------------------

# Seconds since the script started, with one decimal.
elapsed() {
    local now=${EPOCHREALTIME/[.,]/}
    local ms=$(((now - STARTED_AT) / 1000))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}
STARTED_AT=${EPOCHREALTIME/[.,]/}

# One step of the work, with the time it began.
step() {
    printf '[%6s s] %s\n' "$(elapsed)" "$*"
}

# The cause, on stderr, and out.
fail() {
    printf '\n%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# --- waiting -------------------------------------------------------------------------------------

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails when the time is up.
# What is waited for is a state and not an event, so nothing can be missed.
wait_until() {
    local seconds=$1
    shift
    local end=$((SECONDS + seconds))
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# --- ports ---------------------------------------------------------------------------------------

# Whether no TCP socket of this network namespace listens on a port, from the kernel's own table.
port_is_free() {
    local port_hex files=(/proc/net/tcp)
    printf -v port_hex '%04X' "$1"
    [[ ! -r /proc/net/tcp6 ]] || files+=(/proc/net/tcp6)
    # Columns: number, local address:port, remote, state; 0A is LISTEN.
    ! awk -v port=":$port_hex" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
        "${files[@]}"
}

# A port on which nothing listens now, below the range that outgoing connections are given. Another
# program may take it before we do, so whoever uses it tries again with the next.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 12000))
        if port_is_free "$port"; then
            echo "$port"
            return 0
        fi
    done
    return 1
}

# --- children ------------------------------------------------------------------------------------

# Name to process id of everything that start_child started and stop_child did not end.
declare -A CHILDREN=()

# start_child NAME LOG COMMAND...: in a session of its own, so that Ctrl-C on the terminal reaches
# this script alone and the order of stopping is ours.
start_child() {
    local name=$1 log=$2
    shift 2
    setsid "$@" </dev/null >>"$log" 2>&1 &
    CHILDREN[$name]=$!
}

# Whether a child of ours still runs.
child_runs() {
    local pid=${CHILDREN[$1]:-}
    [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

child_is_gone() {
    ! child_runs "$1"
}

# stop_children NAME...: asks all of them to stop, then ends those that have not within 5 s.
# Returns 1 when one had to be killed.
stop_children() {
    local name killed=0 deadline=$((SECONDS + 5))
    for name in "$@"; do
        child_is_gone "$name" || kill -TERM "${CHILDREN[$name]}" 2>/dev/null || true
    done
    for name in "$@"; do
        [[ -n ${CHILDREN[$name]:-} ]] || continue
        if ! wait_until $((deadline > SECONDS ? deadline - SECONDS : 0)) child_is_gone "$name"; then
            echo "$name (pid ${CHILDREN[$name]}) did not stop within 5 s and is killed" >&2
            kill -KILL "${CHILDREN[$name]}" 2>/dev/null || true
            killed=1
        fi
        wait "${CHILDREN[$name]}" 2>/dev/null || true
        unset "CHILDREN[$name]"
    done
    return $killed
}

# processes_naming TEXT...: ids of processes, other than this script, whose arguments contain every
# TEXT.
processes_naming() {
    local entry pid arguments text
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        [[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
        # A process may end while we look.
        arguments=$({ tr '\0' ' ' <"$entry/cmdline"; } 2>/dev/null) || continue
        for text in "$@"; do
            [[ $arguments == *"$text"* ]] || continue 2
        done
        echo "$pid"
    done
}

# --- the machine ---------------------------------------------------------------------------------

# count_disks FOLDER: disks that the kernel shows there (/sys/block) and that are not made of memory, files or other disks.
count_disks() {
    local entry count=0
    for entry in "$1"/*; do
        case ${entry##*/} in
        '*' | loop* | ram* | zram* | dm-* | md* | sr* | fd* | nbd* | drbd* | rbd*) ;;
        *) count=$((count + 1)) ;;
        esac
    done
    echo "$count"
}

# header FILE KEY DEFAULT: the value of a line `# key: value` in a commented file.
header() {
    local value
    value=$(sed -n "s/^# *$2: *//p" "$1" | head -n 1)
    echo "${value:-$3}"
}

# --- what is shipped -----------------------------------------------------------------------------

# dist_flags: from here on cargo builds as what is shipped is built (with --profile dist): no path of
# the machine stays in it, so that two machines with one toolchain build the same bytes. Whoever
# builds that profile calls this; other flags would be another build, and one is minutes.
dist_flags() {
    local separator=$'\x1f' cargo_home=${CARGO_HOME:-$HOME/.cargo}
    export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$cargo_home=/cargo${separator}--remap-path-prefix=$PWD=/h8lio"
}

# build_dist PROGRAM...: into target/dist. Each by itself: built together, each would get the features
# that the others want of a library, and the agent would grow by what only the coordinator uses.
build_dist() {
    local program
    dist_flags
    for program in "$@"; do
        cargo build --locked --profile dist --package "$program"
    done
}
