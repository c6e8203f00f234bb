# Shared by the scripts of this folder; sourced, never run.
# Progress and failures go to standard error, one line each, led by "env: ": the harness shows the last one
# when a part does not start. Standard output carries results only.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatepost

say() { printf 'env: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# at_least WANTED FOUND: compares dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# key: the first 16 hex digits of standard input's SHA-256.
key() { sha256sum | cut -c1-16; }

# scratch NAME: makes the part's temporary folder, removed when the script ends, and sets $dir to it.
scratch() {
  dir=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-$1.XXXXXX")
  trap finish EXIT
  trap 'exit 143' TERM INT HUP
}

# finish: stops what the script started (stop_part, if it is defined, then every job) and removes its folder.
finish() {
  local jobs
  if declare -F stop_part >/dev/null; then stop_part || true; fi
  jobs=$(jobs -p)
  if [ -n "$jobs" ]; then
    # shellcheck disable=SC2086 # one word a process
    kill $jobs 2>/dev/null || true
    wait
  fi
  if [ -n "${TEST_ENV_KEEP:-}" ]; then say "kept $dir"; else rm -rf "$dir"; fi
}

# free_port: a loopback TCP port that nobody listens on, below the range that the kernel hands out by itself.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# until_closed: returns when file descriptor 3, the harness's end of the pipe, is closed.
until_closed() { cat <&3 >/dev/null; }
