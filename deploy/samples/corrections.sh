#!/bin/sh
# Send an item and what a user said of it; run it again after any failure.
set -eu
agent=http://127.0.0.1:7080/v1 token=$1
send() { # The token goes in by a pipe: command lines are for everybody to see.
    printf 'Authorization: Bearer %s\n' "$(cat "$token")" |
        curl -fsS -H @- -H 'Content-Type: application/json' "$@"
}
send "$agent/items" -d '{"project": "heart-disease", "items": [{"id": "17", "patient": "p9", "age": 63}]}'
send "$agent/items/17?project=heart-disease"
send "$agent/items/17/corrections?project=heart-disease" \
    -d '{"key": "viewer-0001", "label": "disease", "context": {"time": "night", "place": "ward 3"}}'
