#!/usr/bin/env bash
# Builds from Debian's packages the images that Dockerfile and compose.yaml otherwise take from a registry, for a machine
# that reaches a Debian mirror and no registry. Nothing that exists is replaced unless --force says so.
#
#   base-image.sh [--force] [debian] [postgres] [prometheus]      default: debian
#
#   debian      $BASE (debian:bookworm-slim)               what Dockerfile, Dockerfile.demo and Dockerfile.sandbox build on
#   postgres    $POSTGRES (fuelsync-local/postgres:15)     understands POSTGRES_USER, _PASSWORD, _DB and
#                                                          /docker-entrypoint-initdb.d, as the official image does
#   prometheus  $PROMETHEUS (fuelsync-local/prometheus)    takes the official image's arguments
#
# SUITE names another release than bookworm, MIRROR another mirror than debootstrap's own.
#
# Needs root (debootstrap makes device nodes and changes its root), debootstrap and a Docker engine.
set -euo pipefail
cd "$(dirname "$0")"

suite=${SUITE:-bookworm}
base=${BASE:-debian:$suite-slim}
postgres=${POSTGRES:-fuelsync-local/postgres:15}
prometheus=${PROMETHEUS:-fuelsync-local/prometheus}

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

force=
wanted=()
for argument; do
  case $argument in
    --force) force=yes ;;
    debian | postgres | prometheus) wanted+=("$argument") ;;
    *) fail "unknown argument: $argument" ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=(debian)

docker version >/dev/null 2>&1 || fail "no Docker engine answers"

work=
trap '[ -z "$work" ] || rm -rf --one-file-system "$work"' EXIT

there() { [ -z "$force" ] && docker image inspect "$1" >/dev/null 2>&1; }

build_debian() {
  if there "$base"; then echo "$base is there"; return; fi
  [ "$(id -u)" = 0 ] || fail "debootstrap needs root"
  command -v debootstrap >/dev/null || fail "debootstrap is not installed (apt-get install debootstrap)"
  work=$(mktemp -d)
  # The certificates are what Dockerfile gathers; openssl and socat are for the sandbox's TLS.
  debootstrap --variant=minbase --include=ca-certificates,openssl,socat "$suite" "$work/root" ${MIRROR:+"$MIRROR"}
  # What no container needs, as Debian's own slim images leave it out.
  rm -rf "$work"/root/var/cache/apt/*.bin "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* \
    "$work"/root/usr/share/doc/* "$work"/root/usr/share/man/* "$work"/root/usr/share/info/* \
    "$work"/root/usr/share/locale/* "$work"/root/var/log/*
  tar --numeric-owner --xattrs -C "$work/root" -c . |
    docker import --change 'CMD ["bash"]' --message "debootstrap --variant=minbase $suite" - "$base" >/dev/null
  rm -rf --one-file-system "$work"
  work=
  echo "$base is built"
}

# The machine's own network: a mirror that it reaches by its own resolver or routes may be out of a bridge's reach.
build_on_base() {
  local image=$1 file=$2
  if there "$image"; then echo "$image is there"; return; fi
  build_debian
  docker build --network host --build-arg "BASE=$base" --tag "$image" --file "$file" local
  echo "$image is built"
}

for image in "${wanted[@]}"; do
  case $image in
    debian) build_debian ;;
    postgres) build_on_base "$postgres" local/postgres.Dockerfile ;;
    prometheus) build_on_base "$prometheus" local/prometheus.Dockerfile ;;
  esac
done
