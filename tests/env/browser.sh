#!/usr/bin/env bash
# Runs a WebDriver server for headless Chromium on loopback until standard input is closed.
# Says "READY URL CHROMIUM AXE": where the server is, the browser's program, and the file with the accessibility rules.
# By hand: run it, end it with Ctrl-D.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" browser)
named() { sed -n "s/^$1=//p" <<<"$found"; }
scratch browser
# Profiles and sockets of the browser go where they are removed.
export TMPDIR=$dir HOME=$dir
port=$(free_port)
"$(named CHROMEDRIVER)" --port="$port" --log-path="$dir/driver.log" >"$dir/said.log" 2>&1 &
driver=$!
for _ in $(seq 200); do
  grep -q 'started successfully' "$dir/said.log" && break
  kill -0 "$driver" 2>/dev/null || { cat "$dir/said.log" >&2; die "chromedriver did not start; its reason is above"; }
  sleep 0.05
done
until_closed &
echo "READY http://127.0.0.1:$port $(named CHROMIUM) $(named AXE)"
wait -n || true
