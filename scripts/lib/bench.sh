# shellcheck shell=bash
# Functions of the benchmarks in shell: nodes that end with the script, and one line for each measurement. Source it from
# the project's folder.
bin=target/release
pids=()

# numbers WORD…: ends the script, before anything is built, if one is no whole number above 0
numbers() {
  local word
  for word in "$@"; do
    [[ $word =~ ^[1-9][0-9]{0,17}$ ]] || {
      echo "'$word' is no whole number above 0; the head of $0 tells its arguments" >&2
      exit 2
    }
  done
}

stop() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  pids=()
}
trap stop EXIT

# start PROGRAM [FLAG…]
start() {
  local program=$1
  shift
  "$bin/$program" --log warn "$@" & pids+=($!)
}

# ready PORT…: waits until all nodes with these HTTP ports are ready
ready() {
  local port
  for port in "$@"; do
    for _ in $(seq 100); do
      "$bin/acklog" status --ready --url "http://127.0.0.1:$port" >/dev/null 2>&1 && continue 2
      sleep 0.1
    done
    echo "the node on port $port is not ready" >&2
    exit 1
  done
}

# bench LABEL PORT [FLAG…]: makes one measurement of $seconds, which the script sets
# shellcheck disable=SC2154
bench() {
  local label=$1 port=$2
  shift 2
  printf '  %-24s' "$label"
  "$bin/acklog" bench --url "http://127.0.0.1:$port" --duration "${seconds}s" --warm-up 500ms "$@" |
    awk '/^messages\/s/ { rate = $2 } /^failed/ { failed = $2 }
      /^latency/ { printf "%9d messages/s   p50 %6d %s   p99 %6d %s   %d failed\n", rate, $4, $5, $8, $9, failed }'
}
