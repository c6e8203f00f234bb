#!/usr/bin/env bash
# Runs throwaway SMTP servers on loopback (smtp.py) until standard input is closed.
# Says "READY PLAIN STARTTLS SMTPS FOLDER CA": their ports, the folder that messages arrive in, and the certificate of the
# authority that signed the one for `localhost`. By hand: run it, end it with Ctrl-D.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" smtp)
python=${found#*=}
scratch smtp
cd "$dir"
mkdir inbox
{
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -days 2 -subj "/CN=tests" -out ca.pem
  openssl ecparam -name prime256v1 -genkey -noout -out server.key
  openssl req -new -key server.key -subj "/CN=localhost" -out server.csr
  echo "subjectAltName=DNS:localhost" >names
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem
} 2>openssl.log || { cat openssl.log >&2; die "openssl made no certificates for the SMTP servers; its reason is above"; }

"$python" "$here/smtp.py" "$dir/inbox" server.pem server.key >ready 2>log &
server=$!
until_closed &
harness=$!
until [ -s ready ]; do
  kill -0 "$server" 2>/dev/null || { tail -n 5 log >&2; die "the SMTP servers did not start; their reason is above"; }
  kill -0 "$harness" 2>/dev/null || exit 0
  sleep 0.05
done
echo "$(cat ready) $dir/inbox $dir/ca.pem"
wait -n || true
