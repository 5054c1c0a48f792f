#!/usr/bin/env bash
# Starts compose.yaml as it is and cuts the replica off that reads: the other takes its streams over, it comes back, nothing is
# lost or there twice, Prometheus sees both.
#
#   compose-test.sh         with the images that compose.yaml names, or POSTGRES_IMAGE, PROMETHEUS_IMAGE, FUELSYNC_IMAGE, SANDBOX_IMAGE
#
#   COMPOSE                 the command (`docker compose`, or `docker-compose` where there is only that)
#   LIMIT                   seconds for all of it (600)
#
# What it started it removes, volumes too. Without an engine or compose it says SKIPPED and why, and ends with 0.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
skip() { printf 'SKIPPED: compose.yaml: %s\n' "$*"; exit 0; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

command -v docker >/dev/null || skip "there is no docker"
timeout 20 docker version >/dev/null 2>&1 || skip "no Docker engine answers"
if [ -z "${COMPOSE:-}" ]; then
  if docker compose version >/dev/null 2>&1; then COMPOSE="docker compose"; else COMPOSE=docker-compose; fi
fi
command -v "${COMPOSE%% *}" >/dev/null || skip "there is no docker compose"
command -v curl >/dev/null || skip "there is no curl"
# The file names its containers, network and ports: whoever has it up keeps it.
for name in fuelsync-replica-1 fuelsync-replica-2; do
  docker container inspect "$name" >/dev/null 2>&1 && fail "$name is there already: docker compose -f deploy/docker/compose.yaml down"
done
docker network inspect fuelsync >/dev/null 2>&1 && fail "the network fuelsync is there already: docker network rm fuelsync"
if [ -z "${FUELSYNC_COMPOSE_TEST:-}" ]; then
  export FUELSYNC_COMPOSE_TEST=1
  exec timeout --kill-after=60 "${LIMIT:-600}" "${BASH_SOURCE[0]}" "$@"
fi
read -ra compose <<<"$COMPOSE"
work=$(mktemp -d)
compose+=(--project-name fuelsync-test --file "$here/compose.yaml" --file "$work/slow.yaml")
# Slowly, so that the first load is still going on when one is cut off.
slow='{environment: {FUELSYNC__HECONE__NORTH__REQUESTS_PER_SECOND: "10"}}'
printf 'services:\n  replica-1: %s\n  replica-2: %s\n' "$slow" "$slow" >"$work/slow.yaml"

cleanup() {
  local status=$?
  trap - EXIT
  [ "$status" = 0 ] || "${compose[@]}" logs --tail 5 2>&1 | cut -c1-300 >&2 || true
  "${compose[@]}" down --volumes --timeout 10 >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

began=$SECONDS
step() { printf '\n=== %s (at %d s)\n' "$*" $((SECONDS - began)); }
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"
    sleep 0.5
  done
}

step "up"
"${compose[@]}" up --detach >"$work/up" 2>&1 || { tail -n 20 "$work/up" >&2; fail "compose up"; }
sql() { "${compose[@]}" exec -T -e PGPASSWORD=owner-sandbox database psql -h 127.0.0.1 -U owner -d fleet -XAqt -v ON_ERROR_STOP=1 -c "$1"; }
answers() { curl --silent --fail --max-time 5 --output /dev/null "$1"; }
lease="FROM fuel.checkpoint WHERE source = 'hecone' AND lease_expires_at > clock_timestamp()"
owner() { sql "SELECT split_part(lease_owner, ':', 1) $lease"; }

step "both replicas are ready, one reads"
for port in 9464 9466; do wait_for 90 "port $port is ready" answers "http://127.0.0.1:$port/readyz"; done
reads() { [ -n "$(owner)" ]; }
wait_for 60 "a replica reads hecone" reads
# The lease's owner is a host's name, and that of a container is the start of its id.
holder=$(owner)
for name in fuelsync-replica-1 fuelsync-replica-2; do
  case $(docker inspect --format '{{.Config.Hostname}}' "$name") in "$holder") victim=$name ;; *) other=$name ;; esac
done
[ -n "${victim:-}" ] || fail "the lease is of $holder, none of the replicas"
echo "$victim reads"

step "$victim is cut off"
docker network disconnect fuelsync "$victim"
cut=$(date +%s%N)
taken() { [ "$(owner)" = "$(docker inspect --format '{{.Config.Hostname}}' "$other")" ]; }
wait_for 60 "$other takes the stream over" taken
took=$((($(date +%s%N) - cut) / 1000000))
printf '%s took the stream over %d ms after the cut\n' "$other" "$took"
# The lease of 15 s, and 2 s; asking takes a moment, too.
[ "$took" -le 20000 ] || fail "that is longer than sync.lease and some seconds"

step "$victim comes back"
docker network connect --alias "${victim#fuelsync-}" fuelsync "$victim"
port=9464
[ "$victim" = fuelsync-replica-1 ] || port=9466
wait_for 60 "$victim is ready again" answers "http://127.0.0.1:$port/readyz"
read_all() {
  # The sandbox has six streams.
  [ "$(sql "SELECT count(*) FROM fuel.checkpoint WHERE last_outcome = 'ok' AND (source, partition) <> ('alexela_card', '-')")" = 6 ] &&
    [ "$(sql "SELECT count(*) FROM fuel.checkpoint WHERE last_outcome IS DISTINCT FROM 'ok' OR watermark < now() - interval '30 minutes'")" = 0 ] &&
    [ "$(sql "SELECT count(*) FROM fuel.sync_window WHERE state = 'failing'")" = 0 ]
}
wait_for 240 "every stream is read" read_all
printf '%s lines\n' "$(sql 'SELECT count(*) FROM fuel.transaction')"
faulty=$(sql "SELECT count(*) FROM fuel.sync_window WHERE fetched <> inserted + updated + unchanged + quarantined + outside + duplicate OR missing > 0")
[ "$faulty" = 0 ] || fail "$faulty windows whose counts do not add up"

step "Prometheus sees both"
up() { [ "$(curl --silent --max-time 5 'http://127.0.0.1:9090/api/v1/query?query=up' | grep -o '"1"' | wc -l)" = 2 ]; }
wait_for 60 "both replicas are up in Prometheus" up
echo "2 of 2"

step "verify: what is there is what the vendors have"
# All but the last hours, in which sales still come.
verify() { "${compose[@]}" exec -T replica-1 /usr/local/bin/fuelsync verify --from "$(date -u -d '20 days ago' +%F)T00:00:00Z" \
  --to "$(date -u -d yesterday +%F)T00:00:00Z" >"$work/verify" 2>&1; }
# A sale may be corrected between the two reads, as sales are: then the next pass brings it.
verify || { sleep 90 && verify; } || { tail -n 20 "$work/verify" >&2; fail "verify"; }
tail -n 4 "$work/verify" | cut -c1-200
[ "$(docker inspect --format '{{.RestartCount}}' fuelsync-replica-1 fuelsync-replica-2 | sort -u)" = 0 ] || fail "a replica was restarted"

step "all of it held"
