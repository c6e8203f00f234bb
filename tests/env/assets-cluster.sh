#!/usr/bin/env bash
# Runs the etcd and kube-apiserver of a KUBEBUILDER_ASSETS folder until standard input is closed; says what cluster.sh says.
#   assets-cluster.sh FOLDER
# There are no controllers: a deleted namespace stays, owner references are not collected.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null
assets=$1
have curl || die "curl is missing: apt-get install curl"
have openssl || die "openssl is missing, the API server needs a key for service accounts: apt-get install openssl"

# The API server waits long for an etcd that goes at the same time, and nothing here is worth a clean end.
stop_part() { { kill -KILL $(jobs -p) && wait; } 2>/dev/null; }
scratch assets
etcd=http://127.0.0.1:$(free_port)
peer=http://127.0.0.1:$(free_port)
port=$(free_port)
token=$(openssl rand -hex 32)
umask 077
openssl ecparam -name prime256v1 -genkey -noout -out "$dir/sa.key" 2>/dev/null
openssl ec -in "$dir/sa.key" -pubout -out "$dir/sa.pub" 2>/dev/null
echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
cat >"$dir/kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: assets
clusters: [{name: assets, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: assets, context: {cluster: assets, user: admin, namespace: default}}]
YAML

"$assets/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync --log-level error \
  --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
  --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" \
  >"$dir/etcd.log" 2>&1 &
"$assets/kube-apiserver" --etcd-servers="$etcd" --bind-address=127.0.0.1 --secure-port="$port" --cert-dir="$dir/certs" \
  --token-auth-file="$dir/tokens.csv" --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$dir/sa.pub" --service-account-signing-key-file="$dir/sa.key" \
  --service-cluster-ip-range=10.0.0.0/24 --endpoint-reconciler-type=none --allow-privileged=true \
  --shutdown-watch-termination-grace-period=1s >"$dir/apiserver.log" 2>&1 &
server=$!
until_closed &
harness=$!

until curl -sfk -H "Authorization: Bearer $token" "https://127.0.0.1:$port/readyz" >/dev/null; do
  if ! kill -0 "$server" 2>/dev/null; then
    tail -n 5 "$dir/etcd.log" "$dir/apiserver.log" >&2
    die "the kube-apiserver of $assets stopped while it started; its reason is above"
  fi
  kill -0 "$harness" 2>/dev/null || exit 0
  sleep 0.1
done
echo "READY https://127.0.0.1:$port $dir/kubeconfig"
wait -n || true
