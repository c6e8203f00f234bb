#!/usr/bin/env bash
# Runs a real Backstage backend (catalog and notifications) on loopback until standard input is closed.
#   backstage.sh [POSTGRES_URL]     default: a PostgreSQL of its own
# Says "READY URL TOKEN" on standard output once the catalog holds what entities.yaml describes; TOKEN is what an
# external caller presents. By hand: run it, end it with Ctrl-D.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" backstage)
postgres=${1:-}
if [ -z "$postgres" ]; then
  coproc POSTGRES { "$here/postgres.sh"; } # stops when this script, and so the pipe, is gone
  read -r _ postgres <&"${POSTGRES[0]}" || die "Backstage has no PostgreSQL; the reason is above"
fi

node=
# A backend that is still starting does not heed SIGTERM.
stop_part() { if [ -n "$node" ]; then { kill -KILL "$node" && wait "$node"; } 2>/dev/null; fi; }
scratch backstage
cp "$here"/backstage/{package.json,index.js,app-config.yaml,entities.yaml} "$dir"
ln -s "${found#*=}" "$dir/node_modules"
cd "$dir"

export RECEIVER_PORT RECEIVER_PG_PORT RECEIVER_PG_PASSWORD RECEIVER_TOKEN
RECEIVER_PORT=$(free_port)
RECEIVER_PG_PORT=${postgres##*:}
RECEIVER_PG_PASSWORD=${postgres#*://*:} RECEIVER_PG_PASSWORD=${RECEIVER_PG_PASSWORD%@*}
RECEIVER_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
node index.js --config app-config.yaml >backstage.log 2>&1 &
node=$!
until_closed &
harness=$!

deadline=$((SECONDS + 180))
until grep -q '^receiver ready' backstage.log; do
  if ! kill -0 "$node" 2>/dev/null; then
    tail -n 20 backstage.log >&2
    die "Backstage stopped while it started; its reason is above"
  fi
  kill -0 "$harness" 2>/dev/null || exit 0
  [ "$SECONDS" -lt "$deadline" ] || die "Backstage was not ready after 3 minutes"
  sleep 0.1
done
echo "READY http://127.0.0.1:$RECEIVER_PORT $RECEIVER_TOKEN"
wait -n || true
