#!/usr/bin/env bash
# Plays the outside process: reads the request's JSON body on standard input, does its work, answers through the callback.
# Usage: outside.sh true|false "message" < body.json
set -euo pipefail
success=$1
message=${2:-}
body=$(cat)
url=$(jq -r .callback <<<"$body")
token=$(jq -r .token <<<"$body")
jq -n --argjson success "$success" --arg message "$message" '{success: $success, mdMessage: $message}' |
  curl --fail-with-body --silent --show-error --request POST --url "$url" \
    --header "Authorization: Bearer $token" --header 'Content-Type: application/json' --data @-
