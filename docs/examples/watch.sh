#!/bin/sh
# Exports one reading, and prints every state until the end.
set -eu
post() {
  curl --silent --show-error --fail-with-body "$EXPORT_URL/lp/export?timeout=30" \
    --retry 5 -H "X-Api-Key: $EXPORT_TOKEN" -H "$1" -d "$2"
  echo
}

key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
answer=$(post "Idempotency-Key: $key" "{\"uri\": \"$DESTINATION\", \"data\": {\"celsius\": 21.5}}")
id=$(echo "$answer" | sed 's/^{"id":"\([^"]*\)".*/\1/')
echo "$answer"
while ! echo "$answer" | grep -q '"state":"Finished"'; do
  answer=$(post 'Accept: application/json' "{\"id\": \"$id\"}")
  echo "$answer"
done
