"""Send an item and what a user said of it; run it again after any failure."""
import json, sys, urllib.request

AGENT, TOKEN = "http://127.0.0.1:7080/v1", open(sys.argv[1]).read().strip()

def send(path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    return json.load(urllib.request.urlopen(urllib.request.Request(AGENT + path, data, headers)))

send("/items", {"project": "heart-disease", "items": [{"id": "17", "patient": "p9", "age": 63}]})
print(send("/items/17?project=heart-disease"))
print(send("/items/17/corrections?project=heart-disease", {"key": "viewer-0001", "label": "disease", "context": {"time": "night"}}))
