#!/bin/sh
# Exports one reading, and waits up to 30 seconds for the destination's answer.
set -eu
# Random, so that the same command line, run again by hand, is another export.
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
curl --silent --show-error --fail-with-body "$EXPORT_URL/export" \
  --retry 5 \
  -H "X-Api-Key: $EXPORT_TOKEN" \
  -H "Idempotency-Key: $key" \
  -H 'Prefer: wait=30' \
  -d "{\"uri\": \"$DESTINATION\", \"data\": {\"room\": \"Küche\", \"celsius\": 21.5}}"
