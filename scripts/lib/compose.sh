# shellcheck shell=bash
# Nodes as containers of docker-compose.yml, reached through their published ports; lib/demo.sh says what each function
# promises. Cutting a secondary off means taking its container off the network.
#
# Addresses, ports and names are the same as those of `docker-compose up`, so that only one of both runs at a time. The
# image is built from source, or as ACKLOG_IMAGE_TARGET says.

# Its own one each time, so that no demo ends the containers of another.
compose_project=acklog-demo-$$
compose_network=acklog_cluster
declare -A published_port=([master]=8000 [bonnie]=8001 [clyde]=8002)

if docker compose version >/dev/null 2>&1; then
  compose_command=(docker compose)
else
  compose_command=(docker-compose)
fi
# The file's settings for people are emptied: a demo says itself what it wants.
compose() {
  ACKLOG_SEND_DELAY='' ACKLOG_REQUEST_TIMEOUT='' ACKLOG_STORE_DELAY='' ACKLOG_QUORUM='' ACKLOG_CLUSTER_SIZE='' \
    ACKLOG_DATA_DIR="${is_on_disk:+/data}" ACKLOG_FSYNC='' ACKLOG_ALLOW_FAULTS=true ACKLOG_LOG=debug "${compose_command[@]}" -p "$compose_project" \
    -f "$repository/docker-compose.yml" "$@"
}

# Before anything is started: there is no story to tell, and nothing to clean up.
give_up() {
  trap - EXIT
  rm -rf "$work"
  echo "$*" >&2
  exit 3
}
for program in docker "${compose_command[0]}" curl; do
  command -v "$program" >/dev/null || give_up "$program is missing; demos with containers need it"
done
docker info >/dev/null 2>&1 || give_up "no docker engine answers; start it (as root: systemctl start docker, or dockerd)"
# The compose project that a container belongs to; fails where there is no such container.
project_of() {
  docker inspect --type container --format '{{index .Config.Labels "com.docker.compose.project"}}' "$1" 2>/dev/null
}
for node in "${!published_port[@]}"; do
  project=$(project_of "$node") || continue
  if [ -n "$project" ]; then
    give_up "a container named $node is there already; if it is not in use: ${compose_command[*]} -p $project down"
  else
    give_up "a container named $node is there already, of something else; a demo needs that name"
  fi
done
for port in "${published_port[@]}"; do
  ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null ||
    give_up "port $port is in use by another program; containers are published on 8000, 8001 and 8002"
done
compose build -q master >"$work/build.log" 2>&1 || give_up "the image cannot be built:
$(tail -n 20 "$work/build.log")
Without a Rust image: scripts/static-binaries target/docker, and export ACKLOG_IMAGE_TARGET=prebuilt"

# override NODE [FLAG…]: what a demo's node has other than a user's. Flags win over the file's environment.
override() {
  local node=$1 program=secondary-node words
  shift
  [ "$node" != master ] || program=master-node
  words=$(printf ', "%s"' "$program" "$@")
  cat <<END
services:
  $node:
    command: [${words#, }]
    restart: "no"
    healthcheck: {interval: 1h}
END
}

backend_start() {
  local node=$1
  launch "$@"
  for _ in $(seq 200); do
    ! curl -sf --max-time 1 "$(backend_url "$node")/health" >/dev/null || return 0
    is_running "$node" || fail "it is not running: $(docker inspect --format '{{json .State}}' "$node" 2>&1)"
    sleep 0.05
  done
  fail "it serves no HTTP"
}

backend_refuses() {
  local -n status_of=$1
  launch "${@:2}"
  status_of=$(docker wait "$2")
}

# launch NODE [FLAG…]: its container
launch() {
  local node=$1
  # What an earlier container of that name had to say goes with it.
  if is_ours "$node"; then
    docker logs "$node" >>"$work/$node.log.old" 2>&1
    docker rm -f "$node" >/dev/null
  fi
  rm -f "$work/$node.cut"
  override "$@" >"$work/$node.yml"
  promise="$node starts with: ${*:2}"
  compose -f "$work/$node.yml" up -d --no-deps --no-build "$node" >"$work/up.log" 2>&1 ||
    fail "$(cat "$work/up.log"); is another cluster or demo running, or its addresses in use (docker network ls)?"
}
is_ours() { [ "$(project_of "$1")" = "$compose_project" ]; }
is_running() { [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

backend_kill() {
  docker kill "$@" >/dev/null
  docker wait "$@" >/dev/null
}

backend_tool() { compose run --rm --no-deps -T "$1" acklog "${@:2}" /data 2>"$work/tool.log"; }

# The engine reaches a volume through its container. A file must belong to the image's user again.
backend_fetch() { docker cp "$1:/data/." "$2" >/dev/null; }
backend_put() {
  tar -C "$(dirname "$2")" -c --owner=:65532 --group=:65532 "$(basename "$2")" | docker cp - "$1:/data/" >/dev/null
}

# Its address, and with it all that is on the way, is gone at once: neither side gets the end of a connection to see.
backend_cut() {
  docker network disconnect "$compose_network" "$1"
  : >"$work/$1.cut"
}
backend_mend() {
  rm -f "$work/$1.cut"
  ! is_running "$1" || docker network connect --ip "$(address_of "$1")" "$compose_network" "$1"
}
address_of() { sed -n "/^  $1:/,/ipv4_address/s/.*ipv4_address: \([0-9.]*\).*/\1/p" "$repository/docker-compose.yml"; }

# Without its network a container's published port leads nowhere; the program inside it can still be asked.
backend_get() {
  if [ ! -e "$work/$1.cut" ]; then
    curl -s --max-time 10 "$(backend_url "$1")$2"
    return
  fi
  local messages
  case $2 in
    /health) docker exec "$1" acklog status --json ;;
    /messages)
      messages=$(docker exec "$1" acklog messages --json) || return
      printf '[%s]\n' "${messages//$'\n'/,}"
      ;;
    *) echo "compose.sh: while $1 is cut off it can be asked for /health and /messages only" >&2 && return 1 ;;
  esac
}
backend_url() { echo "http://127.0.0.1:${published_port[$1]}"; }
backend_log() {
  cat "$work/$1.log.old" 2>/dev/null || true
  ! is_ours "$1" || docker logs "$1" 2>&1
}

backend_cleanup() {
  # Not compose's own kill: it heeds a Ctrl-C that the demo has stopped to heed.
  docker ps -aq --filter "label=com.docker.compose.project=$compose_project" | xargs -r docker rm -f >/dev/null 2>&1
  setsid --wait "${compose_command[@]}" -p "$compose_project" -f "$repository/docker-compose.yml" down -v \
    >/dev/null 2>&1
}
