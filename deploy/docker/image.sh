#!/usr/bin/env bash
# Builds the images of this source, named by its version (or TAG): fuelsync, and with --demo or --sandbox those on top of it.
#
#   image.sh [--binary FILE] [--demo] [--sandbox]
#
#   --binary FILE   takes a program that is built already, in place of building one in the Rust image
#   BASE            Debian's image (debian:bookworm-slim); base-image.sh makes one where there is no registry
#   RUST            Rust's image (that of Dockerfile); with --binary, BASE takes its place
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
base=${BASE:-debian:bookworm-slim}

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

binary=
demo=
sandbox=
while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -gt 1 ] || fail "--binary wants a file"; binary=$2; shift ;;
    --demo) demo=yes ;;
    --sandbox) sandbox=yes ;;
    *) fail "unknown argument: $1" ;;
  esac
  shift
done

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$source/Cargo.toml" | head -n 1)
[ -n "$version" ] || fail "Cargo.toml names no version"
revision=$(git -C "$source" rev-parse HEAD 2>/dev/null || echo unknown)
tag=${TAG:-$version}
labels=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "BUILDER=$tag")

if [ -n "$binary" ]; then
  [[ -f $binary && -x $binary ]] || fail "$binary is no program"
  # A context of that one file: nothing of the source is sent.
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  install -D -m 0755 "$binary" "$context/dist/fuelsync"
  # As Dockerfile does where the builder has strip, which Debian's slim image has not.
  if command -v strip >/dev/null; then strip --strip-debug "$context/dist/fuelsync"; fi
  docker build "${labels[@]}" --build-arg "RUST=$base" --tag "fuelsync:$tag" --file "$here/Dockerfile" "$context"
else
  docker build "${labels[@]}" ${RUST:+--build-arg "RUST=$RUST"} --tag "fuelsync:$tag" --file "$here/Dockerfile" "$source"
fi

on_top() {
  docker build --build-arg "BASE=$1" --build-arg "FUELSYNC=fuelsync:$tag" --tag "$2:$tag" --file "$here/$3" "$here"
}
[ -z "$demo" ] || on_top "${DEMO_BASE:-$base}" fuelsync-demo Dockerfile.demo
[ -z "$sandbox" ] || on_top "$base" fuelsync-sandbox Dockerfile.sandbox
docker image ls --filter "reference=fuelsync*:$tag"
