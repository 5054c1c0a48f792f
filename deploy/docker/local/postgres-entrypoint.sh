#!/bin/bash
# One initialization, then the server as process 1. Data, variables and files are where the official image has them.
set -euo pipefail
export PGDATA=${PGDATA:-/var/lib/postgresql/data}
binaries=(/usr/lib/postgresql/*/bin)
export PATH=${binaries[0]}:$PATH

if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -g postgres -m 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
[ "${1:-postgres}" = postgres ] || exec "$@"
shift || true

user=${POSTGRES_USER:-postgres}
db=${POSTGRES_DB:-$user}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # Not yet on the network: who waits for the port waits for all of this.
  pg_ctl -o "-c listen_addresses=''" -w start >/dev/null
  [ "$db" = postgres ] || psql -v ON_ERROR_STOP=1 -qX -U "$user" -d postgres -v db="$db" <<<'CREATE DATABASE :"db"'
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sql) psql -v ON_ERROR_STOP=1 -qX -U "$user" -d "$db" -f "$file" ;;
      *.sh) bash "$file" ;;
    esac
  done
  pg_ctl -m fast -w stop >/dev/null
fi
exec postgres -c listen_addresses='*' "$@"
