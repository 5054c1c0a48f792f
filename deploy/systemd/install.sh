#!/usr/bin/env bash
# Installs the program and its systemd units. Starts, stops and enables nothing, and never touches a file of /etc that is there.
#
#   install.sh [--uninstall] [BINARY]        default: target/release/fuelsync of this source
#
#   PREFIX=/usr/local    programs, manual pages, completions, units
#   SYSCONFDIR=/etc      configuration; fuelsync.service reads /etc/fuelsync, so change it together with the unit
#   DESTDIR=             put before all of them, to build a package
#
# Running it again, with a newer binary, is the upgrade; then `fuelsync migrate`, deploy/postgres/role.sql once more, and
# `systemctl restart fuelsync`.
# --uninstall takes away what it installed and leaves /etc/fuelsync, drop-ins and the database alone.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

prefix=${PREFIX:-/usr/local}
sysconfdir=${SYSCONFDIR:-/etc}
dest=${DESTDIR:-}
# systemd searches the unit folders of these two prefixes and no other.
case $prefix in
  /usr | /usr/local) units=$prefix/lib/systemd/system users=$prefix/lib/sysusers.d ;;
  *) units=$sysconfdir/systemd/system users=$sysconfdir/sysusers.d ;;
esac

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

uninstall=
binary=
for argument; do
  case $argument in
    --uninstall) uninstall=yes ;;
    -*) fail "unknown option $argument" ;;
    *) [ -z "$binary" ] || fail "one binary, not several"; binary=$argument ;;
  esac
done
[[ $prefix == /* && $sysconfdir == /* ]] || fail "PREFIX and SYSCONFDIR must begin with /"

reload() {
  if [ -z "$dest" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

if [ -n "$uninstall" ]; then
  rm -f "$dest$prefix/bin/fuelsync" "$dest$units"/fuelsync{.service,-sync.service,-sync.timer} \
    "$dest$users/fuelsync.conf" \
    "$dest$prefix/share/bash-completion/completions/fuelsync" "$dest$prefix/share/zsh/site-functions/_fuelsync" \
    "$dest$prefix/share/fish/vendor_completions.d/fuelsync.fish"
  for page in "$dest$prefix"/share/man/man1/fuelsync{,-*}.1; do rm -f "$page"; done
  reload
  echo "uninstalled; $sysconfdir/fuelsync, $sysconfdir/systemd/system/fuelsync*.d and the database are as they were"
  exit 0
fi

binary=${binary:-$here/../../target/release/fuelsync}
[[ -f $binary && -x $binary ]] || fail "$binary is no program; build it with: cargo build --release --locked"
"$binary" --version >/dev/null || fail "$binary does not run on this machine"

install -D -m 0755 "$binary" "$dest$prefix/bin/fuelsync.new"
# In one step: a unit that starts meanwhile finds the old one or the new one.
mv -f "$dest$prefix/bin/fuelsync.new" "$dest$prefix/bin/fuelsync"

install -d -m 0755 "$dest$units"
for unit in fuelsync.service fuelsync-sync.service fuelsync-sync.timer; do
  sed -e "s|^ExecStart=/usr/local/bin/|ExecStart=$prefix/bin/|" \
    -e "s|:/etc/fuelsync/|:$sysconfdir/fuelsync/|" "$here/$unit" >"$dest$units/$unit.new"
  chmod 0644 "$dest$units/$unit.new"
  mv -f "$dest$units/$unit.new" "$dest$units/$unit"
done

install -D -m 0644 "$here/fuelsync.sysusers" "$dest$users/fuelsync.conf"

install -d -m 0755 "$dest$prefix/share/man/man1"
"$binary" man --dir "$dest$prefix/share/man/man1" >/dev/null
[ -f "$dest$prefix/share/man/man1/fuelsync.1" ] || fail "the program wrote no manual page"
install -d -m 0755 "$dest$prefix"/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
"$binary" completions bash >"$dest$prefix/share/bash-completion/completions/fuelsync"
"$binary" completions zsh >"$dest$prefix/share/zsh/site-functions/_fuelsync"
"$binary" completions fish >"$dest$prefix/share/fish/vendor_completions.d/fuelsync.fish"

# From here on only what is missing. The folder and what is in it is root's: the service is shown it as credentials.
[ -d "$dest$sysconfdir/fuelsync" ] || install -d -m 0700 "$dest$sysconfdir/fuelsync"
[ -e "$dest$sysconfdir/fuelsync/fuelsync.toml" ] ||
  install -m 0600 "$here/fuelsync.toml" "$dest$sysconfdir/fuelsync/fuelsync.toml"
for unit in fuelsync fuelsync-sync; do
  install -d -m 0755 "$dest$sysconfdir/systemd/system/$unit.service.d"
done
secrets=systemd/system/fuelsync.service.d/secrets.conf
[ -e "$dest$sysconfdir/$secrets" ] || install -m 0644 "$here/secrets.conf" "$dest$sysconfdir/$secrets"
# The same secrets for both units, written down once.
also=$dest$sysconfdir/systemd/system/fuelsync-sync.service.d/secrets.conf
[ -e "$also" ] || [ -L "$also" ] || ln -s ../fuelsync.service.d/secrets.conf "$also"

reload
cat <<NEXT
fuelsync is installed. What is left to do, as root:
  1. write $sysconfdir/fuelsync/fuelsync.toml, each secret into a file beside it, and name the files in
     $sysconfdir/$secrets
  2. fuelsync migrate, with a role that may create the schema; deploy/postgres/role.sql makes the daemon's
  3. fuelsync check
  4. systemctl daemon-reload && systemctl enable --now fuelsync            (or fuelsync-sync.timer)
NEXT
