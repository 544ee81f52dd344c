# Exports one reading, and waits up to 30 seconds for the destination's answer.
import json
import os
import secrets
import sys
import urllib.error
import urllib.request

request = urllib.request.Request(
    os.environ["EXPORT_URL"] + "/export",
    data=json.dumps({
        "uri": os.environ["DESTINATION"],
        "data": {"room": "Küche", "celsius": 21.5},
    }).encode(),
    headers={
        "X-Api-Key": os.environ["EXPORT_TOKEN"],
        # When no answer comes, send the same request again with the same key: it is queued once.
        "Idempotency-Key": secrets.token_hex(16),
        "Prefer": "wait=30",
    },
)
try:
    with urllib.request.urlopen(request) as response:
        export = json.load(response)
except urllib.error.HTTPError as refusal:
    problem = json.load(refusal)
    sys.exit(f"{problem['code']}: {problem['detail']}")

answer = export["ext_response"]
print(export["state"], answer.get("status"), answer.get("body"))
