#!/bin/sh
# The sandbox on loopback, and TLS for the name `sandbox` before it. Ends when either ends.
#
# /sandbox gets what a reader needs: authority.crt, to trust, and fuelsync.toml, with the sandbox's accounts.
set -eu
shared=/sandbox
umask 022

# New at each start: the keys are in nobody's volume.
keys=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=fuelsync sandbox authority' \
  -keyout "$keys/authority.key" -out "$keys/authority.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=sandbox' \
  -keyout "$keys/server.key" -out "$keys/server.csr" 2>/dev/null
printf 'subjectAltName=DNS:sandbox\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' >"$keys/server.ext"
openssl x509 -req -in "$keys/server.csr" -CA "$keys/authority.crt" -CAkey "$keys/authority.key" -CAcreateserial \
  -days 30 -extfile "$keys/server.ext" -out "$keys/server.crt" 2>/dev/null
cat "$keys/server.crt" "$keys/server.key" >"$keys/server.pem"
rm -f "$keys/authority.key" "$keys/server.key"

fuelsync sandbox --port 9465 "$@" >"$keys/said" &
sandbox=$!
socat "OPENSSL-LISTEN:9443,reuseaddr,fork,cert=$keys/server.pem,verify=0,openssl-min-proto-version=TLS1.2" \
  TCP:127.0.0.1:9465 &
socat=$!
trap 'kill "$sandbox" "$socat" 2>/dev/null || true' EXIT
trap 'exit 0' TERM INT

ready=
while kill -0 "$sandbox" 2>/dev/null && kill -0 "$socat" 2>/dev/null; do
  if [ -z "$ready" ] && grep -q '^psk = ' "$keys/said"; then
    sed 's|http://127.0.0.1:9465|https://sandbox:9443|' "$keys/said" >"$shared/fuelsync.toml.new"
    cp "$keys/authority.crt" "$shared/authority.crt.new"
    # The configuration last: who waits for it has both.
    mv "$shared/authority.crt.new" "$shared/authority.crt"
    mv "$shared/fuelsync.toml.new" "$shared/fuelsync.toml"
    ready=yes
  fi
  # In the background: a shell runs its traps only between commands.
  sleep 1 &
  wait $!
done
echo "the sandbox, or the TLS before it, has ended" >&2
exit 1
