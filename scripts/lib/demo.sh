# shellcheck shell=bash
# What all demos share: a story on the screen, requests to nodes, promises that are checked. To be sourced with the
# demo's own arguments: `source …/lib/demo.sh "$@"`. One that has options of its own names them before, in the array
# `demo_options`; whatever else is given is refused, before anything is built.
#
# The nodes come from a backend, lib/local.sh (processes) or lib/compose.sh (containers), which has these functions.
# NODE is master, bonnie or clyde.
#   backend_start NODE [FLAG…]   starts it with --allow-faults, --log debug and the flags given, and with an empty log;
#                                after `on_disk` with the log that it left on its disk; returns when HTTP answers
#   backend_refuses VARIABLE NODE [FLAG…]   starts it likewise, and it ends by itself: the exit status
#   backend_tool NODE WORD…      runs `acklog WORD…` on its log on disk; the node is down
#   backend_kill NODE…           SIGKILL, all at once; they stay down
#   backend_fetch NODE FOLDER    copies the files of its log on disk into this folder; the node is down
#   backend_put NODE FILE        puts such a file back in its place
#   backend_cut NODE             parts this secondary from the master, both ways, and tells nobody
#   backend_mend NODE            heals that; if the node was killed meanwhile, the master still has not been told
#   backend_get NODE PATH        the body of a GET, also while the node is cut off
#   backend_url NODE, backend_log NODE, backend_cleanup
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
backend=local
demo_args=() # what is left for the demo itself
for argument in "$@"; do
  case $argument in
    --compose) backend=compose ;;
    --help)
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
      echo "Option --compose: containers instead of processes of this machine."
      exit 0
      ;;
    *)
      [[ " ${demo_options[*]:-} " == *" $argument "* ]] || {
        echo "unknown argument: $argument; see --help" >&2
        exit 2
      }
      demo_args+=("$argument")
      ;;
  esac
done

work=$(mktemp -d)
has_failed=
finish() {
  local status=$? pids
  # Ending it once more does not leave half of it behind.
  trap '' INT TERM
  # A command failed that nobody checked, or somebody ended the demo.
  [ "$status" = 0 ] || [ -n "$has_failed" ] || report "the demo itself ended, with status $status"
  pids=$(jobs -pr)
  # Senders that still wait, before the nodes: nobody is left who would hear of their end.
  # shellcheck disable=SC2086 # one word a process
  [ -z "$pids" ] || kill $pids 2>/dev/null || true
  exec 2>/dev/null # the shell's own words about processes that were killed
  backend_cleanup || true
  wait || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'has_failed=yes && echo interrupted && exit 130' INT # by hand: no promise is broken

# From here on nodes have their logs on disk.
is_on_disk=
on_disk() { is_on_disk=yes; }

# --- the story ---

steps=0
promise="the story can be told at all"
story() { printf '== %s\n' "$@"; }
step() {
  steps=$((steps + 1))
  printf '%2d. %s\n' "$steps" "$*"
}
# A promise, and what became of it. A demo that ends between the two breaks this promise.
expect() {
  promise=$*
  printf '      expected  %s\n' "$promise"
}
saw() { printf '      saw       %s\n' "${*//"$work/"/}"; }
# What is worth reading, with no promise about it.
show() { printf '      %s\n' "${@//"$work/"/}"; }
show_all() { sed "s|$work/||g; s/^/      /"; } # what standard input has
done_with() { printf '== as promised: %s\n' "$*"; }

# fail SEEN: the promise that was last expected is broken
fail() {
  has_failed=yes
  report "$@"
  exit 1
}
report() {
  saw "$*"
  local node
  for node in master bonnie clyde; do
    printf -- '--- the end of the log of %s\n' "$node"
    { backend_log "$node" 2>/dev/null || true; } | tail -n 15
  done
  printf 'BROKEN (%s)\n  expected: %s\n  saw:      %s\n' "$(basename "$0")" "$promise" "$*"
}

# --- promises ---

# equal WHAT EXPECTED SEEN
equal() {
  expect "$1: $2"
  [ "$3" = "$2" ] || fail "$3"
  saw "$3"
}

# matches WHAT PATTERN SEEN: as in `case`
matches() {
  expect "$1: ${2//\\/}"
  # shellcheck disable=SC2053 # a pattern
  [[ $3 == $2 ]] || fail "$3"
  saw "$3"
}

# between WHAT MIN MAX SEEN: milliseconds
between() {
  expect "$1: $2 to $3 ms"
  [ "$4" -ge "$2" ] && [ "$4" -le "$3" ] || fail "$4 ms"
  saw "$4 ms"
}

# holds WHAT COMMAND…
holds() {
  expect "$1"
  shift
  "$@" >"$work/holds" || fail "it does not hold: $(head -c 600 "$work/holds")"
  saw "so it is"
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds; what it prints is shown when it never does
wait_for() {
  local seconds=$1 start
  expect "within $1 s: $2"
  shift 2
  start=$(now_ms)
  until "$@" >"$work/wait" 2>/dev/null; do
    [ $(($(now_ms) - start)) -lt $((seconds * 1000)) ] || fail "not within $seconds s: $(head -c 600 "$work/wait")"
    sleep 0.05
  done
  saw "after $(($(now_ms) - start)) ms"
}

# stays SECONDS WHAT COMMAND…: the command succeeds again and again for that long
stays() {
  local seconds=$1 end
  expect "for $1 s: $2"
  shift 2
  end=$(($(now_ms) + seconds * 1000))
  while [ "$(now_ms)" -lt "$end" ]; do
    "$@" >"$work/stays" || fail "no longer: $(head -c 600 "$work/stays")"
    sleep 0.05
  done
  saw "so it was"
}

# logged SECONDS NODE PATTERN: a line of its log that matches comes, and is shown
logged() {
  wait_for "$1" "$2 logs: $3" has_logged "$2" "$3"
  show_log "$2" "$3" 1
}
has_logged() { backend_log "$1" | grep -e "$2" >/dev/null; }
show_log() { # NODE PATTERN LINES
  backend_log "$1" | { grep -e "$2" || true; } | tail -n "$3" | sed "s|$work/||g" | cut -c 1-190 | sed 's/^/      log       /'
}

# --- time and JSON ---

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# field NAME JSON: the first field of that name, a text without its quotes
field() {
  local found="\"$1\":(\"[^\"]*\"|[^],}]*)"
  [[ $2 =~ $found ]] || return 1
  found=${BASH_REMATCH[1]#\"}
  echo "${found%\"}"
}

# field_is JSON NAME VALUE: says what it is
field_is() {
  local seen
  seen=$(field "$2" "$1") || true
  echo "$2 is $seen"
  [ "$seen" = "$3" ]
}

# quoted TEXT: as JSON; for the texts that demos use
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# --- requests ---

# request METHOD NODE PATH [BODY]: the status and the body, as `201 {"id":0}`; status 000 means no answer
request_options=() # more of curl's
request() {
  local method=$1 url answer body
  url=$(backend_url "$2")$3
  shift 3
  answer=$(curl -s --max-time 60 -X "$method" -w '\n%{http_code}' "${request_options[@]}" ${1+-d "$1"} "$url") || true
  body=${answer%$'\n'*}
  echo "${answer##*$'\n'} ${body%$'\n'}"
}

# post TEXT W [TIMEOUT_MS]: the answer, as `201 {"id":0,…}`
post() {
  request POST master /newMessage \
    "{\"message\":$(quoted "$1"),\"writeConcern\":$2${3+,\"timeoutMs\":$3}}"
}

# post_keyed KEY TEXT W [TIMEOUT_MS]: as `post`, with an idempotency key
post_keyed() {
  local request_options=(-H "Idempotency-Key: $1")
  post "${@:2}"
}

# post_in_background TEXT W [TIMEOUT_MS]: a sender of its own; the text is how the functions below know it
post_in_background() {
  {
    local start answer
    start=$(now_ms)
    answer=$(post "$@") || answer="no answer"
    echo "$answer" >"$work/$1.new"
    echo $(($(now_ms) - start)) >"$work/$1.took"
    mv "$work/$1.new" "$work/$1.answer"
  } &
}
is_answered() { [ -e "$work/$1.answer" ] || { echo "no answer" && false; }; }
is_waiting() { [ ! -e "$work/$1.answer" ] || { cat "$work/$1.answer" && false; }; }
answer() { cat "$work/$1.answer"; }
took() { cat "$work/$1.took"; }
waiting_senders() { field_is "$(health master)" waitingSenders "$1"; }

# A body as quoted by curl -d; every answer but 200 breaks the story.
set_faults() { # NODE JSON
  show "PUT /faults to $1: $2"
  put_faults "$@"
}
put_faults() {
  local seen
  seen=$(request PUT "$1" /faults "$2")
  [ "${seen%% *}" = 200 ] || { promise="$1 takes the faults" && fail "$seen"; }
}
clear_faults() { # NODE…
  local node seen
  for node in "$@"; do
    show "DELETE /faults of $node"
    seen=$(request DELETE "$node" /faults)
    [ "${seen%% *}" = 200 ] || { promise="$node clears its faults" && fail "$seen"; }
  done
}
disconnect() { # NODE
  local seen
  seen=$(request POST "$1" /faults/disconnect)
  [ "${seen%% *}" = 200 ] || { promise="$1 drops its connections" && fail "$seen"; }
}

# --- what nodes show ---

list() { backend_get "$1" /messages; }
health() { backend_get "$1" /health; }
ready() { request GET "$1" /ready; }

# member NODE: its row in the master's health
member() { health master | grep -o "{\"name\":\"$1\"[^}]*}"; }
member_is() { field_is "$(member "$1")" "$2" "$3"; } # NODE FIELD VALUE
is_ready() { member_is "$1" phase ready && member_is "$1" status healthy; }
log_end() { field logEnd "$(health "$1")"; }
has_end() { field_is "$(health "$1")" logEnd "$2"; }

# join NODE [FLAG…]: starts a secondary and waits until the master counts on it
join() {
  backend_start "$@"
  wait_for 20 "$1 is ready" is_ready "$1"
}

# lines LIST: a line for each message, as `0 text`
lines() { sed 's/^\[//; s/\]$//; s/},{/}\n{/g' <<<"$1" | sed -n 's/^{"id":\([0-9]*\),"message":"\(.*\)"}$/\1 \2/p'; }
texts() { lines "$1" | sed 's/^[0-9]* //' | paste -s -d ' '; }

# dense LIST: ids 0, 1, 2, … without a gap or a repetition
dense() {
  local ids
  ids=$(lines "$1" | cut -d ' ' -f 1)
  [ "$ids" = "$(seq 0 $(($(wc -w <<<"$ids") - 1)))" ]
}

# prefix_of SHORT LONG: a node's list that is dense and the beginning of another one's
prefix_of() {
  dense "$1" && [[ $1 == "[]" || $2 == "${1%]}]" || $2 == "${1%]}",* ]]
}

# same_logs NODE…: they all show the same bytes
same_logs() {
  local first node
  first=$(list "$1")
  for node in "${@:2}"; do [ "$(list "$node")" = "$first" ] || return 1; done
}

# Each text exactly once in every node's list; says which one is not.
exactly_once() { # NODE… -- TEXT…
  local nodes=() node text times shown
  while [ "$1" != -- ]; do nodes+=("$1") && shift; done
  shift
  for node in "${nodes[@]}"; do
    shown=$(lines "$(list "$node")" | sed 's/^[0-9]* //')
    for text in "$@"; do
      times=$(grep -cxF -e "$text" <<<"$shown") || true
      [ "$times" = 1 ] || { echo "$node shows '$text' $times times" && return 1; }
    done
  done
}

# shellcheck source=scripts/lib/local.sh
source "$repository/scripts/lib/$backend.sh"
