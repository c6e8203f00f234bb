#!/usr/bin/env bash
# Finds or builds what the integration tests run against, and prints where it is, one NAME=path a line.
#   prepare.sh [cluster] [postgres] [backstage] [smtp] [nats] [chart] [schemathesis] [browser]     default: all
# Repeating it costs nothing; several at once wait for each other. Results live in
# ${XDG_CACHE_HOME:-~/.cache}/gatepost, under a key made of everything they are built from.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# An existing cluster, someone's API server binaries, our own binary, or Go to build it: in this order.
cluster() {
  if [ -n "${TEST_KUBECONFIG:-}" ]; then
    [ -r "$TEST_KUBECONFIG" ] || die "TEST_KUBECONFIG names $TEST_KUBECONFIG, which cannot be read"
    say "cluster: the one of TEST_KUBECONFIG"
    echo "TEST_KUBECONFIG=$TEST_KUBECONFIG"
    return
  fi
  local assets=${KUBEBUILDER_ASSETS:-}
  if [ -z "$assets" ] && have setup-envtest; then assets=$(setup-envtest use -i -p path 2>/dev/null || true); fi
  if [ -n "$assets" ]; then
    [ -x "$assets/kube-apiserver" ] && [ -x "$assets/etcd" ] ||
      die "KUBEBUILDER_ASSETS names $assets, which has no kube-apiserver and etcd"
    say "cluster: kube-apiserver and etcd of $assets"
    echo "KUBEBUILDER_ASSETS=$assets"
    return
  fi
  if [ -n "${TESTCLUSTER_BIN:-}" ]; then
    [ -x "$TESTCLUSTER_BIN" ] || die "TESTCLUSTER_BIN names $TESTCLUSTER_BIN, which is not a program"
    echo "TESTCLUSTER_BIN=$TESTCLUSTER_BIN"
    return
  fi
  build_cluster
}

build_cluster() {
  local missing="no Kubernetes API server to test against: install Go 1.26 or newer (https://go.dev/dl) so that it can \
be built, or set TEST_KUBECONFIG, KUBEBUILDER_ASSETS or TESTCLUSTER_BIN (tests/env/README.md)"
  have go || die "$missing"
  local version bin
  # Asked in the folder, so that a Go which can fetch the newer toolchain that go.mod names does.
  version=$(cd "$here/testcluster" && go env GOVERSION 2>/dev/null) || die "$missing"
  at_least 1.26 "${version#go}" || die "$missing; found $version"
  bin=$cache/testcluster/$({ cat "$here"/testcluster/{go.mod,go.sum,*.go,build.sh} && echo "$version"; } | key)/testcluster
  mkdir -p "$(dirname "$bin")"
  (
    flock 9
    if [ ! -x "$bin" ]; then
      say "cluster: building kube-apiserver with $version, once; 4 to 12 minutes on 2 cores"
      local started=$SECONDS
      "$here/testcluster/build.sh" "$bin.new" >&2 9>&- || die "kube-apiserver did not build; Go's reason is above"
      mv "$bin.new" "$bin"
      say "cluster: built in $((SECONDS - started)) s"
    fi
  ) 9>"$cache/testcluster/lock"
  say "cluster: $bin"
  echo "TESTCLUSTER_BIN=$bin"
}

postgres() {
  local bin=${POSTGRES_BIN:-}
  if [ -z "$bin" ]; then bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true); fi
  if [ -z "$bin" ] && have initdb; then bin=$(dirname "$(readlink -f "$(command -v initdb)")"); fi
  [ -n "$bin" ] && [ -x "$bin/initdb" ] && [ -x "$bin/pg_ctl" ] ||
    die "PostgreSQL's initdb and pg_ctl are missing: apt-get install postgresql, or set POSTGRES_BIN to their folder"
  have psql || [ -x "$bin/psql" ] || die "PostgreSQL's psql is missing: apt-get install postgresql-client"
  if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || die "PostgreSQL does not run as root, and there is no user postgres to run it as"
    have runuser || die "runuser is missing: apt-get install util-linux"
  fi
  say "postgres: $bin"
  echo "POSTGRES_BIN=$bin"
}

backstage() {
  have node && have npm || die "node and npm are missing, Backstage needs them: install Node.js 20 or newer with npm"
  local version to
  version=$(node --version)
  at_least 20 "${version#v}" || die "Backstage needs Node.js 20 or newer: found $version"
  to=$cache/backstage/$({ cat "$here"/backstage/{package.json,package-lock.json} && echo "${version%%.*}"; } | key)
  mkdir -p "$to"
  (
    flock 9
    if [ ! -e "$to/complete" ]; then
      say "backstage: npm ci, 425 packages, 104 MB, once; half a minute"
      cp "$here"/backstage/{package.json,package-lock.json} "$to"
      (cd "$to" && npm ci --omit=optional --ignore-scripts --no-audit --no-fund >&2 9>&-) ||
        die "npm ci failed; its reason is above"
      touch "$to/complete"
    fi
  ) 9>"$cache/backstage/lock"
  say "backstage: $to"
  echo "BACKSTAGE_MODULES=$to/node_modules"
}

# Python's own or the system's: Debian's packages are for the latter.
smtp() {
  have openssl || die "openssl is missing, the SMTP servers need certificates: apt-get install openssl"
  local python
  for python in ${SMTP_PYTHON:-python3 /usr/bin/python3}; do
    if have "$python" && "$python" -c 'import aiosmtpd' 2>/dev/null; then
      say "smtp: aiosmtpd of $python"
      echo "SMTP_PYTHON=$python"
      return
    fi
  done
  die "aiosmtpd is missing, an SMTP server for the tests: apt-get install python3-aiosmtpd, or set SMTP_PYTHON to a Python that has it"
}

nats() {
  have openssl || die "openssl is missing, the NATS server needs a certificate: apt-get install openssl"
  local bin=${NATS_SERVER:-}
  if [ -z "$bin" ]; then bin=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nats-server || true); fi
  [ -n "$bin" ] && [ -x "$bin" ] ||
    die "nats-server is missing: apt-get install nats-server, or set NATS_SERVER to the program"
  say "nats: $bin"
  echo "NATS_SERVER=$bin"
}

# In an environment of its own; Debian's Python brings the module for that in a package of its own.
schemathesis() {
  local python version to
  for python in ${SCHEMATHESIS_PYTHON:-python3 /usr/bin/python3}; do
    if have "$python" && "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then break; fi
    python=
  done
  [ -n "$python" ] ||
    die "Python 3.10 or newer with venv is missing, for Schemathesis: apt-get install python3-venv, or set SCHEMATHESIS_PYTHON to a Python that has it"
  version=$("$python" -c 'import sys; print(sys.version, sys.prefix)')
  to=$cache/schemathesis/$({ cat "$here/schemathesis/requirements.txt" && echo "$version"; } | key)
  mkdir -p "$cache/schemathesis"
  (
    flock 9
    if [ ! -e "$to/complete" ]; then
      say "schemathesis: pip install, 25 packages, 90 MB, once; half a minute"
      rm -rf "$to"
      { "$python" -m venv "$to" && "$to/bin/pip" install --quiet --disable-pip-version-check -r "$here/schemathesis/requirements.txt"; } >&2 9>&- ||
        die "pip install failed; its reason is above"
      touch "$to/complete"
    fi
  ) 9>"$cache/schemathesis/lock"
  say "schemathesis: $to"
  echo "SCHEMATHESIS=$to/bin/schemathesis"
}

# The browser and its driver are one version's; the accessibility rules come from npm.
browser() {
  local chromium=${CHROMIUM:-} driver=${CHROMEDRIVER:-} to
  [ -n "$chromium" ] || chromium=$(command -v chromium || command -v google-chrome || true)
  [ -n "$driver" ] || driver=$(command -v chromedriver || true)
  [ -n "$chromium" ] || die "Chromium is missing, the dashboard is tested in it: apt-get install chromium, or set CHROMIUM to the program"
  [ -n "$driver" ] || die "chromedriver is missing, it drives Chromium: apt-get install chromium-driver, or set CHROMEDRIVER to the program"
  have npm || die "npm is missing, the accessibility rules come from there: install Node.js 20 or newer with npm"
  to=$cache/browser/$(cat "$here"/browser/{package.json,package-lock.json} | key)
  mkdir -p "$to"
  (
    flock 9
    if [ ! -e "$to/complete" ]; then
      say "browser: npm ci, one package, 3 MB, once"
      cp "$here"/browser/{package.json,package-lock.json} "$to"
      (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund >&2 9>&-) || die "npm ci failed; its reason is above"
      touch "$to/complete"
    fi
  ) 9>"$cache/browser/lock"
  say "browser: $chromium"
  printf 'CHROMIUM=%s\nCHROMEDRIVER=%s\nAXE=%s\n' "$chromium" "$driver" "$to/node_modules/axe-core/axe.min.js"
}

# go_tool NAME MODULE VERSION: a program of a Go module, built once.
go_tool() {
  local bin=$cache/tools/$1-$3/$1
  mkdir -p "$cache/tools"
  (
    flock 9
    if [ ! -x "$bin" ]; then
      have go || die "$1 is missing: install Go 1.26 or newer (https://go.dev/dl) so that it can be built, or set ${1^^} to the program"
      say "chart: building $1 $3, once; 1 to 3 minutes"
      (cd "$cache/tools" && GOFLAGS=-mod=mod GOBIN=$(dirname "$bin") go install "$2@$3" >&2 9>&-) || die "$1 did not build; Go's reason is above"
    fi
  ) 9>"$cache/tools/lock"
  echo "$bin"
}

# What the chart and its rules are tested with.
chart() {
  local helm=${HELM:-} kustomize=${KUSTOMIZE:-} promtool=${PROMTOOL:-}
  [ -n "$helm" ] || helm=$(go_tool helm helm.sh/helm/v3/cmd/helm v3.22.0)
  [ -n "$kustomize" ] || kustomize=$(go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.7.1)
  [ -n "$promtool" ] || promtool=$(command -v promtool || true)
  [ -n "$promtool" ] || die "promtool is missing: apt-get install prometheus, or set PROMTOOL to the program"
  say "chart: $helm, $kustomize, $promtool"
  printf 'HELM=%s\nKUSTOMIZE=%s\nPROMTOOL=%s\n' "$helm" "$kustomize" "$promtool"
}

if [ $# = 0 ]; then set -- cluster postgres backstage smtp nats chart schemathesis browser; fi
for part in "$@"; do
  case $part in
    cluster | postgres | backstage | smtp | nats | chart | schemathesis | browser) "$part" ;;
    *) die "prepare.sh does not know $part: cluster, postgres, backstage, smtp, nats, chart, schemathesis or browser" ;;
  esac
done
