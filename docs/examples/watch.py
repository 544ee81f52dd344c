# Exports one reading, and prints every state until the end.
import json
import os
import sys
import urllib.error
import urllib.request


def post(content):
    request = urllib.request.Request(
        os.environ["EXPORT_URL"] + "/lp/export?timeout=30",
        data=json.dumps(content).encode(),
        headers={"X-Api-Key": os.environ["EXPORT_TOKEN"]},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        problem = json.load(refusal)
        sys.exit(f"{problem['code']}: {problem['detail']}")


now = post({"uri": os.environ["DESTINATION"], "data": {"celsius": 21.5}})
print(now["state"])
while now["state"] != "Finished":
    now = post({"id": now["id"]})
    print(now["state"], now["ext_response"].get("status", ""), now["ext_response"].get("body", ""))
