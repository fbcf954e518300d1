# shellcheck shell=bash
# Nodes as processes of this machine; lib/demo.sh says what each function promises. Each secondary dials its master
# through a relay of its own (examples/relay.rs), and cutting it off means stopping that relay.
#
# ACKLOG_BIN names a folder with the built programs; without it they are built here.

if [ -z "${ACKLOG_BIN:-}" ]; then
  (cd "$repository" && cargo build --quiet --release --bins)
  ACKLOG_BIN=$repository/target/release
  # By itself: as an example it would have all of it built once more, with what tests need.
  relay_source=$repository/examples/relay.rs
  [ "$ACKLOG_BIN/relay" -nt "$relay_source" ] || rustc --edition 2024 -O -o "$ACKLOG_BIN/relay" "$relay_source"
fi
relay_program=$ACKLOG_BIN/relay
[ -x "$relay_program" ] || relay_program=$ACKLOG_BIN/examples/relay
if [ ! -x "$ACKLOG_BIN/master-node" ] || [ ! -x "$relay_program" ]; then
  has_failed=yes # no promise is broken: nothing has begun
  echo "no master-node, or no relay, in ACKLOG_BIN ($ACKLOG_BIN); unset it to have them built, or build them with" >&2
  echo "cargo build --release --bins, and rustc --edition 2024 -O -o $ACKLOG_BIN/relay examples/relay.rs" >&2
  exit 2
fi

declare -A node_pid=() relay_pid=() relay_port=()
comm_port=
data=$work/data
# Relays of killed nodes that were cut off. They stay as they are: ended, they would tell the master.
old_relays=()

# logged_port NODE WHAT: the port in its log line `WHAT address=…:PORT`; nodes take free ones
logged_port() { sed -n "s/.* $2 address=[^ ]*:\([0-9]*\) .*/\1/p" "$work/$1.log" | tail -n 1; }

# A port that nothing listens on, below those that outgoing connections get: it can be listened on again at any time.
free_port() {
  local port
  while port=$((15000 + RANDOM % 15000)); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

backend_start() {
  local node=$1 port=
  launch "$@"
  for _ in $(seq 200); do
    port=$(logged_port "$node" "serving HTTP")
    [ -z "$port" ] || echo "http://127.0.0.1:$port" >"$work/$node.url"
    [ -n "$port" ] && curl -sf --max-time 1 "$(backend_url "$node")/health" >/dev/null && break
    kill -0 "${node_pid[$node]}" 2>/dev/null || break
    sleep 0.05
  done
  promise="$node starts with: ${*:2}"
  kill -0 "${node_pid[$node]}" 2>/dev/null || fail "it ended at once"
  [ -n "$port" ] || fail "it serves no HTTP"
  [ "$node" != master ] || comm_port=$(logged_port master "listening for secondaries")
}

backend_refuses() {
  local -n status_of=$1
  launch "${@:2}"
  ended "$2"
}

# launch NODE [FLAG…]: its process
launch() {
  local node=$1 program=secondary-node own
  shift
  if [ "$node" = master ]; then
    program=master-node
    # One that starts again is looked for where it was.
    own=(--comm-port "${comm_port:-$(free_port)}")
  else
    start_relay "$node"
    own=(--master-comm-port "${relay_port[$node]}")
  fi
  [ -z "$is_on_disk" ] || own+=(--data-dir "$data/$node")
  # What an earlier process of that name had to say, and a new file for this one, which is searched for its ports.
  [ ! -e "$work/$node.log" ] || cat "$work/$node.log" >>"$work/$node.log.old"
  : >"$work/$node.log"
  rm -f "$work/$node.url"
  "$ACKLOG_BIN/$program" --name "$node" --http-port 0 "${own[@]}" \
    --allow-faults --log debug "$@" </dev/null >/dev/null 2>>"$work/$node.log" &
  node_pid[$node]=$!
}

# A relay that is stopped belongs to a node that was killed while cut off: it keeps the old connection half-open.
start_relay() {
  local node=$1
  [ -z "${relay_pid[$node]:-}" ] || return 0
  : >"$work/$node.relay"
  "$relay_program" 0 "$comm_port" >>"$work/$node.relay" 2>>"$work/relays.log" &
  relay_pid[$node]=$!
  for _ in $(seq 100); do
    relay_port[$node]=$(cat "$work/$node.relay")
    [ -z "${relay_port[$node]}" ] || return 0
    sleep 0.05
  done
  promise="a relay starts" && fail "$(cat "$work/relays.log")"
}
is_cut() { [ -n "${relay_pid[$1]:-}" ] && [ "$(cut -d ' ' -f 3 "/proc/${relay_pid[$1]}/stat")" = T ]; }

backend_kill() {
  local node pids=()
  for node in "$@"; do pids+=("${node_pid[$node]}"); done
  kill -KILL "${pids[@]}"
  { wait "${pids[@]}"; } 2>/dev/null || true
  for node in "$@"; do
    unset "node_pid[$node]"
    if is_cut "$node"; then
      old_relays+=("${relay_pid[$node]}")
      unset "relay_pid[$node]"
    fi
  done
}

# backend_stop NODE STATUS: SIGTERM, and its exit status into the variable STATUS; local processes only
backend_stop() {
  local -n status_of=$2
  kill -TERM "${node_pid[$1]}"
  ended "$1"
}
# ended NODE: waits for its end; the status goes where the caller said
ended() {
  status_of=0
  { wait "${node_pid[$1]}"; } 2>/dev/null || status_of=$?
  unset "node_pid[$1]"
}

backend_tool() { "$ACKLOG_BIN/acklog" "${@:2}" "$data/$1"; }
backend_fetch() { cp -r "$data/$1/." "$2"; }
backend_put() { cp "$2" "$data/$1/"; }

backend_cut() {
  kill -STOP "${relay_pid[$1]}"
  # The signal is on its way until the process is seen stopped.
  until is_cut "$1"; do sleep 0.01; done
}
backend_mend() { [ -z "${relay_pid[$1]:-}" ] || kill -CONT "${relay_pid[$1]}"; }

backend_get() { curl -s --max-time 10 "$(backend_url "$1")$2"; }
# From a file, so that senders in the background find a node that started again.
backend_url() { cat "$work/$1.url" 2>/dev/null || echo "http://127.0.0.1:1"; }
backend_log() { cat "$work/$1.log.old" "$work/$1.log" 2>/dev/null || true; }

backend_cleanup() {
  local pid
  for pid in "${node_pid[@]}" "${relay_pid[@]}" "${old_relays[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
  done
}
