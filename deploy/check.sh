#!/usr/bin/env bash
# Checks the deployment files, without a cluster, a service manager or a network to run them in: alert rules and their tests,
# the dashboard, units, manifests, scripts, and that names agree with docs/METRICS.md and docs/RUNBOOK.md.
#
# What is missing of the tools is unpacked from Debian's packages and PyPI into the cache; installed is only python3-venv, as
# root, where Python has none. What cannot be had is said as NOT CHECKED; what is wrong ends with 1.
#
#   FUELSYNC_CI_CACHE   as for .ci/run (default ~/.cache/fuelsync-ci)
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${FUELSYNC_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fuelsync-ci}
tools=$cache/deploy
validate_version=1.37.0
mkdir -p "$tools"
export PATH=$PATH:$tools/usr/bin:$tools/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

faults=0
say() { printf -- '--- %s\n' "$*"; }
wrong() { printf 'WRONG: %s\n' "$*"; faults=$((faults + 1)); }
unchecked() { printf 'NOT CHECKED: %s\n' "$*"; }

# --- tools -----------------------------------------------------------------------------------------------------------

updated=
# One program out of a Debian package, unpacked beside the others: no service comes with it, and no root is needed.
from_debian() {
  local program=$1 package=$2
  command -v "$program" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 1
  local to=$work/$package
  mkdir -p "$to"
  # Readable by apt's own user, which downloads.
  chmod 755 "$work" "$to"
  if ! (cd "$to" && apt-get download -q "$package" >/dev/null 2>&1); then
    [ -z "$updated" ] && [ "$(id -u)" = 0 ] || return 1
    updated=yes
    apt-get update -q >/dev/null 2>&1 || true
    (cd "$to" && apt-get download -q "$package" >/dev/null 2>&1) || return 1
  fi
  dpkg-deb --fsys-tarfile "$to"/*.deb | tar -x -C "$tools" --wildcards './usr/bin/*'
  rm -rf "$to"
  command -v "$program" >/dev/null 2>&1
}

python=
with_yaml() {
  command -v python3 >/dev/null 2>&1 || return 1
  if [ ! -x "$tools/venv-$validate_version/bin/kubernetes-validate" ]; then
    rm -rf "$tools/venv-$validate_version"
    if ! python3 -m venv "$tools/venv-$validate_version" >/dev/null 2>&1; then
      [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
      DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv >/dev/null 2>&1 || return 1
      python3 -m venv "$tools/venv-$validate_version" >/dev/null 2>&1 || return 1
    fi
    "$tools/venv-$validate_version/bin/pip" install -q --disable-pip-version-check "kubernetes-validate==$validate_version" \
      >/dev/null || return 1
  fi
  python=$tools/venv-$validate_version/bin/python
}

with_yaml || unchecked "manifests, names and dashboard: no Python with kubernetes-validate $validate_version"

# --- Prometheus and Grafana ------------------------------------------------------------------------------------------

if [ -n "$python" ]; then
  say "metrics, alerts, runbook and dashboard agree"
  "$python" deploy/check.py names "$work" || wrong "names"
fi

if from_debian promtool prometheus; then
  say "promtool: rules, their tests, configurations, names of metrics"
  promtool check rules deploy/prometheus/*.rules.yml || wrong "alert rules"
  (cd deploy/prometheus && promtool test rules ./*.test.yml) || wrong "tests of the alert rules"
  promtool check config deploy/prometheus/scrape.yml || wrong "deploy/prometheus/scrape.yml"
  promtool check config --syntax-only deploy/docker/prometheus.yml || wrong "deploy/docker/prometheus.yml"
  if [ -n "$python" ]; then
    promtool check metrics <"$work/metrics.txt" || wrong "docs/METRICS.md: names against the conventions"
    promtool check rules "$work/dashboard.rules.yml" || wrong "queries of the dashboard"
  fi
else
  unchecked "alert rules: no promtool (Debian's package prometheus)"
fi

# --- systemd ---------------------------------------------------------------------------------------------------------

if command -v systemd-analyze >/dev/null 2>&1; then
  say "systemd: $(systemd-analyze --version | head -n 1)"
  mkdir "$work/units"
  cp deploy/systemd/*.{service,timer} "$work/units"
  for unit in deploy/systemd/*.service; do
    # The threshold is in tenths.
    systemd-analyze security --offline=true --no-pager --threshold=10 "$unit" >"$work/security" 2>&1 ||
      { grep '✗' "$work/security" || cat "$work/security"; wrong "$unit: an exposure of more than 1.0"; }
    grep 'Overall exposure' "$work/security" || true
  done
  # Programs that this machine does not have are not the units' fault.
  sed -i 's|^ExecStart=/usr/local/bin/fuelsync|ExecStart=/bin/true|' "$work"/units/*.service
  systemd-analyze verify --man=no "$work"/units/*.{service,timer} || wrong "systemd-analyze verify"
else
  unchecked "units: no systemd-analyze"
fi
hardening() { sed -n '/^# It speaks TCP/,$p' "$1" | grep '=' | grep -v '^WantedBy='; }
diff <(hardening deploy/systemd/fuelsync.service) <(hardening deploy/systemd/fuelsync-sync.service) ||
  wrong "the two units are not hardened alike"
[ "$(hardening deploy/systemd/fuelsync.service | wc -l)" -gt 20 ] || wrong "the units' hardening was not found"

# --- Kubernetes ------------------------------------------------------------------------------------------------------

if [ -n "$python" ]; then
  say "Kubernetes"
  render=
  # Since 1.24 kubectl has a kustomize that reads these files.
  if kubectl kustomize deploy/kubernetes/base >/dev/null 2>&1; then
    render="kubectl kustomize"
  elif command -v kustomize >/dev/null 2>&1; then
    render="kustomize build"
  else
    echo "rendered by deploy/check.py: no kubectl of 1.24 or later and no kustomize"
    render="$python deploy/check.py render"
  fi
  manifests=()
  for overlay in deploy/kubernetes/overlays/*/; do
    out=$work/$(basename "$overlay").yaml
    if $render "$overlay" >"$out"; then manifests+=("$out"); else wrong "$overlay cannot be rendered"; fi
  done
  manifests+=(deploy/kubernetes/namespace.yaml)
  "$tools/venv-$validate_version/bin/kubernetes-validate" --strict --no-warn "${manifests[@]}" | sed "s|$work/||" ||
    wrong "manifests against Kubernetes' schemas"
  "$python" deploy/check.py policy "${manifests[@]}" || wrong "manifests against Pod Security restricted"
fi

# --- Docker, scripts, versions ---------------------------------------------------------------------------------------

say "Docker"
compose=
if command -v docker-compose >/dev/null 2>&1; then
  compose=docker-compose
elif docker compose version >/dev/null 2>&1; then
  compose="docker compose"
fi
if [ -z "$compose" ]; then
  unchecked "compose.yaml: no docker-compose"
elif $compose -f deploy/docker/compose.yaml config >/dev/null; then
  echo "compose.yaml is valid"
else
  wrong "deploy/docker/compose.yaml"
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
others=$(grep -rnoE '(fuelsync|fuelsync-demo|fuelsync-sandbox):[0-9]+\.[0-9]+\.[0-9]+|newTag: "[^"]*"|^ARG VERSION=.*' deploy \
  --include='*.yaml' --include='Dockerfile*' | grep -v "[:=]$version\$" | grep -v "newTag: \"$version\"" || true)
[ -z "$others" ] || { echo "$others"; wrong "images of another version than Cargo.toml's $version"; }

if from_debian shellcheck shellcheck; then
  say "shellcheck"
  mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run fuzz/run)
  if shellcheck "${scripts[@]}"; then echo "${#scripts[@]} scripts"; else wrong "scripts"; fi
else
  unchecked "scripts: no shellcheck"
fi

[ "$faults" = 0 ] || { printf 'FAILED: %s of the deployment files'\'' checks\n' "$faults" >&2; exit 1; }
say "the deployment files are in order"
