"""Spans, boxes, segments and several classes in tests/label_studio.sh: the people and the administrator of
a Label Studio project of each kind, by Label Studio's own REST API."""
import json
import struct
import sys
import urllib.error
import urllib.request
import zlib

from projects import PROJECT

TEXT = "🙂 Call 216-555-0199 about the rash today, number {}."
CLASSES = '[[classes]]\nname = "first"\n[[classes]]\nname = "second"\n'
FIELDS = '[[fields]]\nname = "{}"\ntitle = "Content"\nkind = "{}"'
LABELS = '<Label value="first"/><Label value="second"/>'
# Of each kind: the field and its kind, the task, the label config, and one that does not fit.
KINDS = {
    "classes": (
        "text", "text", 'kind = "classes"',
        '<View><Text name="t" value="$text"/><Choices name="c" toName="t" choice="multiple">'
        '<Choice value="first"/><Choice value="second"/></Choices></View>',
        ('choice="multiple"', 'choice="single"'),
    ),
    "spans": (
        "text", "text", 'kind = "spans"\nfield = "text"\nrelations = ["of"]',
        f'<View><Labels name="l" toName="t">{LABELS}</Labels><Text name="t" value="$text"/></View>',
        ("second", "third"),
    ),
    "boxes": (
        "image", "image", 'kind = "regions"\nfield = "image"\nshapes = ["box", "polygon"]',
        f'<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i">{LABELS}</RectangleLabels>'
        f'<PolygonLabels name="p" toName="i">{LABELS}</PolygonLabels></View>',
        ('value="$image"/>', 'value="$image"/><Brush name="x" toName="i"/>'),
    ),
    "segments": (
        "csv", "series", 'kind = "segments"\nfield = "csv"',
        f'<View><TimeSeriesLabels name="l" toName="s">{LABELS}</TimeSeriesLabels><TimeSeries name="s" '
        'valueType="url" value="$csv" timeColumn="time" sep=","><Channel column="ecg"/></TimeSeries></View>',
        (' timeColumn="time"', ""),
    ),
}


def ask(method, path, body=None, data=None, kind="application/json", fails=False):
    data = data if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": kind}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        if fails:
            return {"state": None}
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()[:500]}")


def png(width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes(width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(number, name, content):
    edge = "a-boundary-of-a-test"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + f"\r\n--{edge}--\r\n".encode()
    made = ask("POST", f"/api/projects/{number}/import?commit_to_project=false", data=body,
               kind=f"multipart/form-data; boundary={edge}")
    file = ask("GET", f"/api/import/file-upload/{made['file_upload_ids'][0]}")["file"]
    return f"/data/{file}"


def tasks(number):
    return ask("GET", f"/api/tasks/?project={number}&page_size=100&fields=all")["tasks"]


def part(kind, end):
    """One mark; `end` is where it ends."""
    if kind == "classes":
        names = ["first", "second"][: 1 + end % 2]
        return [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": names}}]
    if kind == "spans":
        # The middle of the telephone number, and the rash: two that overlap are two.
        marks = [(11, 14, "first"), (30, 34, "second"), (30, end, "first")]
        found = [{"id": f"m{at}", "from_name": "l", "to_name": "t", "type": "labels",
                  "value": {"start": a, "end": b, "labels": [name]}} for at, (a, b, name) in enumerate(marks)]
        return found + [{"type": "relation", "from_id": "m0", "to_id": "m1", "direction": "right"}]
    if kind == "boxes":
        size = {"original_width": 320, "original_height": 200, "image_rotation": 0}
        box = {"x": 10.0, "y": 15.0, "width": float(end), "height": 40.0, "rotation": 0, "rectanglelabels": ["first"]}
        line = {"points": [[1, 1], [5.5, 1], [5, 5]], "closed": True, "polygonlabels": ["second"]}
        return [{"id": "b", "from_name": "b", "to_name": "i", "type": "rectanglelabels", "value": box, **size},
                {"id": "p", "from_name": "p", "to_name": "i", "type": "polygonlabels", "value": line, **size}]
    value = {"start": 10, "end": end, "instant": False, "timeserieslabels": ["first"]}
    return [{"id": "s", "from_name": "l", "to_name": "s", "type": "timeserieslabels", "value": value}]


def project(kind):
    field, content, task, _, _ = KINDS[kind]
    print(PROJECT.format(name=kind, classes=CLASSES, fields=FIELDS.format(field, content), task=task))


def make(kind):
    made = ask("POST", "/api/projects", {"title": kind, "label_config": KINDS[kind][3], "show_skip_button": True})
    print(made["id"])


def connect(kind, number, agent, secret_file):
    """A label config that does not fit is refused; then the right one is taken, and tasks are made."""
    field, content, _, config, (right, wrong) = KINDS[kind]
    secret = open(secret_file).read().strip()
    body = {"project": int(number), "url": f"{agent}/label-studio/{kind}/{secret}", "title": "insitu"}
    ask("PATCH", f"/api/projects/{number}/", {"label_config": config.replace(right, wrong)})
    refused = ask("POST", "/api/ml/", body, fails=True)
    assert refused["state"] != "CO", refused
    for backend in ask("GET", f"/api/ml/?project={number}"):
        ask("DELETE", f"/api/ml/{backend['id']}")
    ask("PATCH", f"/api/projects/{number}/", {"label_config": config})
    backend = ask("POST", "/api/ml/", body)
    assert backend["state"] == "CO", backend
    if content == "image":
        value = upload(number, "scan.png", png(320, 200))
    elif content == "series":
        lines = ["time,ecg"] + [f"{at},{at % 7}" for at in range(60)]
        value = upload(number, "ecg.csv", "\n".join(lines).encode())
    else:
        value = TEXT
    data = [{field: value.replace("{}", str(at))} for at in range(5)]
    ask("POST", f"/api/projects/{number}/import", [{"data": one} for one in data])


def label(kind, number):
    ids = [task["id"] for task in tasks(number)]
    ask("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={number}",
        {"selectedItems": {"all": False, "included": ids[:1]}, "project": int(number)})
    # Without a model there is no draft, and nothing is kept that would stand for one.
    assert not [task for task in tasks(number) if task["predictions"]]
    changed = ask("POST", f"/api/tasks/{ids[0]}/annotations/", {"result": part(kind, 36), "lead_time": 3})
    ask("PATCH", f"/api/annotations/{changed['id']}/", {"result": part(kind, 35)})
    ask("POST", f"/api/tasks/{ids[1]}/annotations/", {"result": [], "was_cancelled": True})
    deleted = ask("POST", f"/api/tasks/{ids[2]}/annotations/", {"result": part(kind, 36)})
    ask("DELETE", f"/api/annotations/{deleted['id']}/")


def unheard(kind, number):
    ids = [task["id"] for task in tasks(number)]
    ask("POST", f"/api/tasks/{ids[3]}/annotations/", {"result": part(kind, 34), "lead_time": 1})


def labels(kind, file):
    records = [json.loads(line) for line in open(file)]
    said = [record["label"] for record in records]
    if kind == "classes":
        expected = [{"classes": [0]}, {"classes": [0, 1]}]
    elif kind == "spans":
        ends = set()
        for record in records:
            text, label = record["fields"]["text"], record["label"]
            rash, start, end = text.index("rash"), text.index("["), text.index("]") + 1
            assert "555" not in text, text
            spans = [(span["start"], span["end"], span["class"]) for span in label["spans"]]
            # What was marked of the number is the whole of what stands for it.
            assert spans[0] == (start, end, 0) and (rash, rash + 4, 1) in spans and len(spans) == 3, (text, label)
            ends |= {to - rash for at, to, name in spans if (at, name) == (rash, 0)}
            related = label["relations"][0]
            assert (spans[related["from"]], spans[related["to"]]) == (spans[0], (rash, rash + 4, 1)), label
        assert ends == {4, 5} and len(records) == 2, said
        return
    elif kind == "boxes":
        line = {"class": 1, "polygon": [[1.0, 1.0], [5.5, 1.0], [5.0, 5.0]]}
        expected = [{"regions": [{"class": 0, "box": [10.0, 15.0, float(wide), 40.0]}, line]} for wide in (34, 35)]
    else:
        part = {"class": 0, "start": 10.0}
        expected = [{"segments": [{**part, "end": float(end)}]} for end in (34, 35)]
    def order(label):
        return json.dumps(label, sort_keys=True)
    assert sorted(map(order, said)) == sorted(map(order, expected)), said


action, kind = sys.argv[1], sys.argv[2]
if action == "project":
    project(kind)
elif action == "labels":
    labels(kind, sys.argv[3])
else:
    BASE, TOKEN = sys.argv[3], sys.argv[4]
    {"make": make, "connect": connect, "label": label, "unheard": unheard}[action](kind, *sys.argv[5:])
