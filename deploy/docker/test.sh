#!/usr/bin/env bash
# Tests the images with the Docker engine of this machine, without a registry:
#
#   size, user, labels, no shell · `demo --once` ends with 0 · a running container stops within 5 s with 0 · two replicas on a
#   network of their own, the one that reads cut off: the other takes its streams over, it comes back, and the table is what
#   one undisturbed process loads.
#
#   test.sh FILE            FILE is the program; what a release weighs is held against its limit, any other is only measured
#
#   SIZE_LIMIT_MB           largest image of a release (32)
#   LIMIT                   seconds for all of it (1500)
#   BASE, POSTGRES          images to build on, made by base-image.sh where they are not there; they stay
#
# It removes what it made, by id. Without an engine, or not as root, it says SKIPPED and why, and ends with 0.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

skip() { printf 'SKIPPED: the images: %s\n' "$*"; exit 0; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

binary=${1:-}
[ -n "$binary" ] || { echo "usage: test.sh FILE" >&2; exit 2; }
[[ -f $binary && -x $binary ]] || fail "$binary is no program"
command -v docker >/dev/null || skip "there is no docker"
timeout 20 docker version >/dev/null 2>&1 || skip "no Docker engine answers"
[ "$(id -u)" = 0 ] || skip "not root, who alone can make the base image"

# All of it has an end, also where the engine hangs.
if [ -z "${FUELSYNC_DOCKER_TEST:-}" ]; then
  export FUELSYNC_DOCKER_TEST=1
  exec timeout --kill-after=60 "${LIMIT:-1500}" "${BASH_SOURCE[0]}" "$@"
fi

export BASE=${BASE:-debian:bookworm-slim} POSTGRES=${POSTGRES:-fuelsync-local/postgres:15}
export TAG=test-$$
containers=()
network=
volume=
images=()
work=$(mktemp -d)

cleanup() {
  local status=$?
  trap - EXIT
  if [ "$status" != 0 ]; then
    for id in "${containers[@]}"; do
      printf -- '--- %s, its last lines\n' "$(docker inspect --format '{{.Name}}' "$id" 2>/dev/null)" >&2
      docker logs --tail 8 "$id" 2>&1 | cut -c1-300 >&2 || true
    done
  fi
  [ ${#containers[@]} = 0 ] || docker rm --force --volumes "${containers[@]}" >/dev/null 2>&1 || true
  [ -z "$network" ] || docker network rm "$network" >/dev/null 2>&1 || true
  [ -z "$volume" ] || docker volume rm "$volume" >/dev/null 2>&1 || true
  for image in "${images[@]}"; do docker image rm "$image" >/dev/null 2>&1 || true; done
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

began=$SECONDS
step() { printf '\n=== %s (at %d s)\n' "$*" $((SECONDS - began)); }

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"
    sleep 0.5
  done
}

# start NAME ARGUMENTS…: a container of this test; its id is in $id.
start() {
  id=$(docker run --detach --name "$TAG-$1" "${@:2}")
  containers+=("$id")
}

# --- images ----------------------------------------------------------------------------------------------------------

step "images"
"$here/base-image.sh" debian postgres >"$work/base" 2>&1 || { tail -n 20 "$work/base" >&2; fail "base-image.sh"; }
# The demo needs PostgreSQL's programs: taken from the image that has them.
DEMO_BASE=$POSTGRES "$here/image.sh" --binary "$binary" --demo --sandbox >"$work/build" 2>&1 || { tail -n 20 "$work/build" >&2; fail "image.sh"; }
for image in fuelsync-sandbox fuelsync-demo fuelsync; do images+=("$(docker image inspect --format '{{.Id}}' "$image:$TAG")"); done
while read -r layer; do images+=("$layer"); done < <(docker image ls --quiet --no-trunc --filter "label=fuelsync.builder=$TAG")

of() { docker image inspect --format "$1" "fuelsync:$TAG"; }
bytes=$(of '{{.Size}}')
limit=${SIZE_LIMIT_MB:-32}
printf 'size: %d.%d MB\n' $((bytes / 1000000)) $((bytes / 100000 % 10))
case $binary in
  */release/*) [ "$bytes" -le $((limit * 1000000)) ] || fail "the image has more than $limit MB" ;;
  *) echo "size: not held against $limit MB, for this is no release" ;;
esac
[ "$(of '{{.Config.User}}')" = 65532:65532 ] || fail "the image's user is $(of '{{.Config.User}}')"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
label() { of "{{index .Config.Labels \"org.opencontainers.image.$1\"}}"; }
[ "$(label version)" = "$version" ] || fail "label version: $(label version)"
[ "$(label title)" = fuelsync ] || fail "label title: $(label title)"
[ "$(label licenses)" = "MIT OR Apache-2.0" ] || fail "label licenses: $(label licenses)"
[ "$(label revision)" = "$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" ] || fail "label revision: $(label revision)"
docker run --rm "fuelsync:$TAG" --version | grep -qxF "fuelsync $version" || fail "it does not say its version"
if docker run --rm --entrypoint /bin/sh "fuelsync:$TAG" -c true 2>/dev/null; then fail "there is a shell in the image"; fi
echo "user, labels, no shell: as stated"

# stops NAME ID: ended within 5 s of `docker stop`, with 0. What the engine takes to clear up after that is its own.
stops() {
  local before after code took
  before=$(date +%s%N)
  docker stop --time 20 "$2" >/dev/null
  after=$(date -d "$(docker inspect --format '{{.State.FinishedAt}}' "$2")" +%s%N)
  code=$(docker inspect --format '{{.State.ExitCode}}' "$2")
  took=$(((after - before) / 1000000))
  printf '%s ended %d ms after docker stop, with %s\n' "$1" "$took" "$code"
  [ "$code" = 0 ] || fail "$1 ended with $code"
  [ "$took" -le 5000 ] || fail "$1 took longer than 5 s to stop"
}

step "demo --once"
docker run --rm --name "$TAG-once" "fuelsync-demo:$TAG" demo --once >"$work/once" 2>&1 || { tail -n 20 "$work/once" >&2; fail "demo --once"; }
tail -n 3 "$work/once" | cut -c1-200

step "demo, stopped while it reads"
start demo "fuelsync-demo:$TAG"
said() { docker logs "$1" 2>&1 | grep "$2" >/dev/null; }
wait_for 120 "demo prints its page's address" said "$id" 'http://0.0.0.0:9464'
sleep 2
stops demo "$id"

# --- two replicas, one cut off ---------------------------------------------------------------------------------------

step "database, sandbox"
network=$(docker network create "$TAG")
volume=$(docker volume create "$TAG")
start database --network "$network" --network-alias database --env POSTGRES_USER=owner --env POSTGRES_PASSWORD=owner-sandbox \
  --env POSTGRES_DB=fleet "$POSTGRES"
database=$id
start sandbox --network "$network" --network-alias sandbox --volume "$volume:/sandbox" "fuelsync-sandbox:$TAG" --sales 4000
sandbox=$id
wait_for 90 "the database serves" docker exec "$database" pg_isready -q -h 127.0.0.1 -U owner -d fleet
wait_for 90 "the sandbox serves" docker exec "$sandbox" test -s /sandbox/fuelsync.toml

sql() { docker exec --interactive --env PGPASSWORD=owner-sandbox "$database" psql -h 127.0.0.1 -U owner -d "$1" -XAqt -v ON_ERROR_STOP=1 "${@:2}"; }

# What compose.yaml gives every container of fuelsync, for a database and a role of its.
fuelsync() {
  local database=$1 role=$2
  given=(--network "$network" --volume "$volume:/etc/fuelsync:ro" --read-only --tmpfs /tmp --cap-drop ALL
    --security-opt no-new-privileges:true
    --env FUELSYNC_CONFIG=/etc/fuelsync/fuelsync.toml --env FUELSYNC__DATABASE__MIGRATE=false
    --env "FUELSYNC__DATABASE__URL=postgres://$role@database/$database" --env FUELSYNC__SERVER__LISTEN=0.0.0.0:9464
    --env SSL_CERT_FILE=/etc/fuelsync/authority.crt)
}
once() { docker run --rm --name "$TAG-$1" "${given[@]}" "fuelsync:$TAG" "${@:2}"; }

prepared() {
  [ "$1" = fleet ] || sql postgres -c "CREATE DATABASE $1 OWNER owner"
  fuelsync "$1" owner:owner-sandbox
  once migrate migrate >"$work/migrate" 2>&1 || { cat "$work/migrate" >&2; fail "migrate"; }
  sql "$1" -v role=fuelsync -v readers=fuel_readers -f - <"$root/deploy/postgres/role.sql"
  sql "$1" -c "ALTER ROLE fuelsync PASSWORD 'fuelsync-sandbox'"
}

# What a table holds, a line a row: keys, a digest of all columns, the record as it was sent.
table() {
  sql "$1" -c "SELECT t.source, t.account, t.source_transaction_id, t.line_id, encode(t.content_hash, 'hex'), md5(t.raw::text), t.missing_since
                 FROM fuel.transaction_with_raw t" | LC_ALL=C sort
}

# The vendors' sales change as time goes by, so what an undisturbed process loads is known from before and from after.
undisturbed() {
  prepared "$1"
  fuelsync "$1" fuelsync:fuelsync-sandbox
  once "$1" sync >"$work/sync" 2>&1 || { tail -n 20 "$work/sync" >&2; fail "sync of an undisturbed process"; }
  table "$1" >"$work/$1"
  [ -s "$work/$1" ] || fail "an undisturbed process loads nothing"
}

step "one undisturbed process"
undisturbed before
echo "$(wc -l <"$work/before") lines"

step "two replicas"
prepared fleet
fuelsync fleet fuelsync:fuelsync-sandbox
declare -A replica
for name in replica-1 replica-2; do
  # Slowly, so that the first load is still going on when one is cut off.
  start "$name" "${given[@]}" --hostname "$name" --network-alias "$name" --restart on-failure \
    --env FUELSYNC__HECONE__NORTH__REQUESTS_PER_SECOND=10 "fuelsync:$TAG" run
  replica[$name]=$id
done
lease="FROM fuel.checkpoint WHERE source = 'hecone' AND lease_expires_at > clock_timestamp()"
loading() { [ "$(sql fleet -c "SELECT count(*) FROM fuel.transaction WHERE source = 'hecone'")" -gt 50 ] && [ -n "$(sql fleet -c "SELECT lease_owner $lease")" ]; }
wait_for 90 "a replica reads hecone" loading
owner=$(sql fleet -c "SELECT lease_owner $lease")
case $owner in
  *replica-1*) victim=replica-1 other=replica-2 ;;
  *replica-2*) victim=replica-2 other=replica-1 ;;
  *) fail "the lease is of $owner, none of the replicas" ;;
esac
[ "$(docker top "${replica[$victim]}" -eo pid,uid | awk 'END { print $2 }')" = 65532 ] || fail "it does not run as 65532"
had=$(sql fleet -c "SELECT count(*) FROM fuel.transaction")

step "$victim reads and is cut off"
docker network disconnect "$network" "${replica[$victim]}"
cut=$(date +%s%N)
taken() { [[ $(sql fleet -c "SELECT lease_owner $lease") == *$other* ]]; }
wait_for 60 "$other takes the stream over" taken
printf '%s took the stream over %d ms after the cut, with %s lines there\n' "$other" $((($(date +%s%N) - cut) / 1000000)) "$had"
[ "$(docker inspect --format '{{.State.Running}}' "${replica[$victim]}")" = true ] || fail "$victim ended when it was cut off"

step "$victim comes back"
docker network connect --alias "$victim" "$network" "${replica[$victim]}"
# The request stays open until it is answered: a server need not answer whoever has hung up.
ready() {
  docker exec "$sandbox" sh -c "{ printf 'GET /readyz HTTP/1.0\r\n\r\n'; sleep 4; } | socat -t 5 - TCP:$victim:9464" | grep '^HTTP/1.[01] 200' >/dev/null
}
wait_for 60 "$victim is ready again" ready
streams=$(sql before -c "SELECT count(*) FROM fuel.checkpoint")
done_() {
  [ "$(sql fleet -c "SELECT count(*) FROM fuel.checkpoint WHERE last_outcome = 'ok' AND watermark > now() - interval '30 minutes'")" = "$streams" ] &&
    [ "$(sql fleet -c "SELECT count(*) FROM fuel.sync_window WHERE state = 'failing'")" = 0 ]
}
wait_for 240 "every stream is read" done_
for name in replica-1 replica-2; do
  [ "$(docker inspect --format '{{.RestartCount}}' "${replica[$name]}")" = 0 ] || fail "$name was restarted"
  stops "$name" "${replica[$name]}"
done

step "what is there"
table fleet >"$work/fleet"
undisturbed after
# A line of the table is one that an undisturbed process loads; and each that it loads both before and after is there.
LC_ALL=C sort -u "$work/before" "$work/after" >"$work/either"
LC_ALL=C comm -12 "$work/before" "$work/after" >"$work/both"
strange=$(LC_ALL=C comm -23 "$work/fleet" "$work/either" | wc -l)
lost=$(LC_ALL=C comm -13 "$work/fleet" "$work/both" | wc -l)
twice=$(cut -d'|' -f1-4 "$work/fleet" | uniq -d | wc -l)
printf '%d lines with two replicas, %d and %d with one; %d that none of those has, %d lost, %d twice\n' \
  "$(wc -l <"$work/fleet")" "$(wc -l <"$work/before")" "$(wc -l <"$work/after")" "$strange" "$lost" "$twice"
[ "$strange$lost$twice" = 000 ] || fail "the table is not what an undisturbed process loads"
faulty=$(sql fleet -c "SELECT count(*) FROM fuel.sync_window WHERE fetched <> inserted + updated + unchanged + quarantined + outside + duplicate OR missing > 0")
[ "$faulty" = 0 ] || fail "$faulty windows whose counts do not add up"

step "all of it held"
