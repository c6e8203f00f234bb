#!/usr/bin/env bash
# Runs a Kubernetes API server on loopback until standard input is closed.
# Says "READY URL KUBECONFIG" on standard output. By hand: run it, end it with Ctrl-D.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
exec 3<&0 </dev/null

found=$("$here/prepare.sh" cluster)
path=${found#*=}
case $found in
  TEST_KUBECONFIG=*)
    echo "READY external $path"
    until_closed
    ;;
  KUBEBUILDER_ASSETS=*)
    exec "$here/assets-cluster.sh" "$path" <&3
    ;;
  *)
    scratch cluster
    "$path" --dir "$dir" --exit-on-stdin-close <&3 &
    wait $! || { tail -n 5 "$dir/apiserver.log" >&2 || true; die "the test API server stopped; its reason is above"; }
    ;;
esac
