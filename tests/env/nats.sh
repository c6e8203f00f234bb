#!/usr/bin/env bash
# Runs throwaway NATS servers on loopback until standard input is closed: one for users and nkeys, one with TLS.
# Says "READY PORT TLS_PORT CA". Users: `watcher`, who may do anything; `argocd`, who may publish below `argocd.`; both with
# the password `s3cr3t`; and the nkey of the seed in `tests/it/services_cloud.rs`. By hand: run it, end it with Ctrl-D.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" nats)
bin=${found#*=}
scratch nats
cd "$dir"
{
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -days 2 -subj "/CN=tests" -out ca.pem
  openssl ecparam -name prime256v1 -genkey -noout -out server.key
  openssl req -new -key server.key -subj "/CN=localhost" -out server.csr
  echo "subjectAltName=DNS:localhost" >names
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
} 2>openssl.log || { cat openssl.log >&2; die "openssl made no certificates for the NATS server; its reason is above"; }
cat >users.conf <<'CONF'
max_payload: 4096
authorization {
  users = [
    {user: watcher, password: s3cr3t}
    {user: argocd, password: s3cr3t, permissions: {publish: "argocd.>"}}
    {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4}
  ]
}
CONF
cat >tls.conf <<CONF
tls {cert_file: "$dir/server.pem", key_file: "$dir/server.key"}
CONF

# port CONFIG: starts a server and prints its port once it is written.
port() {
  mkdir -p "$1.ports"
  "$bin" -c "$1.conf" -a 127.0.0.1 -p -1 --ports_file_dir "$dir/$1.ports" -l "$dir/$1.log" &
  local server=$! file
  for _ in $(seq 200); do
    file=$(compgen -G "$dir/$1.ports/*.ports" || true)
    if [ -n "$file" ] && [ -s "$file" ]; then
      grep -oE '127\.0\.0\.1:[0-9]+' "$file" | head -n 1 | cut -d : -f 2 >"$1.port"
      [ -s "$1.port" ] && return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  tail -n 5 "$1.log" >&2
  die "nats-server did not start; its reason is above"
}
port users
port tls
until_closed &
echo "READY $(cat users.port) $(cat tls.port) $dir/ca.pem"
wait -n || true
