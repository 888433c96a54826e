"""The people and the administrator of tests/label_studio.sh: drives Label Studio's own REST API."""
import csv
import json
import os
import sys
import urllib.error
import urllib.request

CONFIG = """<View><Text name="age" value="$age"/>
<Choices name="disease" toName="age" choice="single"><Choice value="no disease"/><Choice value="disease"/></Choices>
</View>"""


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()[:500]}")


def make_project(token_file):
    made = ask("POST", "/api/projects", {"title": "Heart", "label_config": CONFIG, "show_skip_button": True})
    with os.fdopen(os.open(token_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(ask("POST", "/api/token/", {})["token"])
    print(made["id"])


def tasks():
    return ask("GET", f"/api/tasks/?project={PROJECT}&page_size=100&fields=all")["tasks"]


def choice(name):
    return [{"from_name": "disease", "to_name": "age", "type": "choices", "value": {"choices": [name]}}]


def connect(agent, secret_file, patients):
    secret = open(secret_file).read().strip()
    url = f"{agent}/label-studio/heart-disease/{secret}"
    backend = ask("POST", "/api/ml/", {"project": int(PROJECT), "url": url, "title": "insitu"})
    assert backend["state"] == "CO", backend
    rows = list(csv.DictReader(open(patients)))[:12]
    for row in rows:
        del row["label"], row["num"]
    ask("POST", f"/api/projects/{PROJECT}/import", [{"data": row} for row in rows])


def label():
    # The webhook has told the agent of the tasks, which has drafted them, and predicts when asked.
    first = [task["id"] for task in tasks()]
    ask("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={PROJECT}",
        {"selectedItems": {"all": False, "included": first[:4]}, "project": PROJECT})
    drafted = [task for task in tasks() if task["predictions"]]
    assert len(drafted) == 4, [task["predictions"] for task in tasks()]
    for task in drafted:
        draft = task["predictions"][0]
        assert draft["model_version"].startswith("insitu-") and 0 <= draft["score"] <= 1, draft
        assert draft["result"][0]["value"]["choices"][0] in ("disease", "no disease"), draft
    draft = drafted[0]["predictions"][0]
    ask("POST", f"/api/tasks/{first[0]}/annotations/",
        {"result": draft["result"], "lead_time": 2.5, "parent_prediction": draft["id"]})
    changed = ask("POST", f"/api/tasks/{first[1]}/annotations/", {"result": choice("disease"), "lead_time": 3})
    ask("PATCH", f"/api/annotations/{changed['id']}/", {"result": choice("no disease")})
    ask("POST", f"/api/tasks/{first[2]}/annotations/", {"result": [], "was_cancelled": True})
    deleted = ask("POST", f"/api/tasks/{first[3]}/annotations/", {"result": choice("disease")})
    ask("DELETE", f"/api/annotations/{deleted['id']}/")


def unheard():
    ids = [task["id"] for task in tasks()]
    ask("POST", f"/api/tasks/{ids[4]}/annotations/", {"result": choice("disease"), "lead_time": 1})
    gone = next(task for task in tasks() if task["id"] == ids[0])["annotations"][0]
    ask("DELETE", f"/api/annotations/{gone['id']}/")


def brought():
    without = [task["id"] for task in tasks() if not task["predictions"]]
    assert not without, f"no draft was brought for {without}"


def labels(file):
    records = [json.loads(line) for line in open(file)]
    said = sorted(record["label"] for record in records)
    assert said == ["disease", "no disease"], said


action = sys.argv[1]
if action == "labels":
    labels(sys.argv[2])
else:
    BASE, TOKEN = sys.argv[2], sys.argv[3]
    PROJECT = sys.argv[4]
    if action == "project":
        make_project(sys.argv[4])
    elif action == "connect":
        connect(*sys.argv[5:8])
    else:
        {"label": label, "unheard": unheard, "brought": brought}[action]()
