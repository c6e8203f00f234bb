#!/usr/bin/env bash
# Runs a throwaway PostgreSQL on loopback until standard input is closed.
#   postgres.sh [CERTIFICATE KEY]    with these it speaks TLS, and refuses who does not
# Says "READY postgres://USER:PASSWORD@127.0.0.1:PORT" on standard output. By hand: run it, end it with Ctrl-D.
# POSTGRES_OPTIONS are further options of the server.
# A line "restart" on standard input kills the server as a crash does and starts it again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" postgres)
bin=${found#*=}
stop_part() { as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop; }
scratch postgres
cd "$dir"
# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
  as_owner() { runuser -u postgres -- "$@"; }
  chown postgres "$dir"
else
  as_owner() { "$@"; }
fi

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
as_owner sh -c "umask 077; echo $password >password"
as_owner "$bin/initdb" -D "$dir/data" -U postgres -A scram-sha-256 --pwfile=password -E UTF8 --no-locale --no-sync \
  >initdb.log 2>&1 || { cat initdb.log >&2; die "PostgreSQL's initdb failed; its reason is above"; }

tls=""
if [ $# = 2 ]; then
  # The key has to be the server's own.
  for file in "$1" "$2"; do cp "$file" "$dir/data/${file##*/}" && chmod 600 "$dir/data/${file##*/}"; done
  if [ "$(id -u)" = 0 ]; then chown postgres "$dir/data/${1##*/}" "$dir/data/${2##*/}"; fi
  sed -i 's/^host /hostssl /' "$dir/data/pg_hba.conf"
  tls="-c ssl=on -c ssl_cert_file=${1##*/} -c ssl_key_file=${2##*/}"
fi

# The port may be taken between the look and the start.
for _ in 1 2 3 4 5; do
  port=$(free_port)
  if as_owner "$bin/pg_ctl" -D "$dir/data" -w -s -l "$dir/data/server.log" start -o "-p $port -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories='' -c fsync=off -c max_connections=300 $tls ${POSTGRES_OPTIONS:-}" 2>/dev/null; then
    echo "READY postgres://postgres:$password@127.0.0.1:$port"
    while read -r order <&3; do
      if [ "$order" = restart ]; then as_owner "$bin/pg_ctl" -D "$dir/data" -w -s -m immediate -l "$dir/data/server.log" restart >/dev/null; fi
    done
    exit 0
  fi
done
tail -n 5 "$dir/data/server.log" >&2
die "PostgreSQL did not start; its reason is above"
