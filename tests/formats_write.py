"""tests/formats.sh: files as reference libraries write them, with values that break careless readers, each
imported into the agent."""
import io
import json
import re

import numpy
import pandas
import pyarrow
import pyarrow.parquet
import spacy
import supervision
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from formats import MANY, PROJECTS, QUOTED, around, digest, label, rounded

# Beyond the basic plane, joined by ZWJ, with combining marks: offsets count code points. Nothing here is
# anything that is redacted.
TEXTS = ["\U0001f642 fever and a dry cough", "\U0001f469\u200d\u2695\ufe0f a rash a\u0300 la carte, left side",
         "\ufeffno finding", "two\nlines of\t\u201cpain\u201d"]
ACROSS, DOWN = 64, 48


def write_all(site):
    columns(site)
    classes_of_tools(site)
    several(site)
    spans(site)
    relations(site)
    boxes(site)
    shapes(site)
    outside(site)
    segments(site)
    preferences(site)


def lines(path, records, encoding="utf-8"):
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding)
    return path


def columns(site):
    """One class of many, as tables: quotation marks, line ends, nulls, names that look like something else."""
    folder = site.folder("columns")
    texts = [f'row {at}: "quoted", with a comma;\r\nand a second line' if at % 3 else f"row {at} " for at in range(len(MANY))]
    rows = pandas.DataFrame({"id": [f"csv {at}" for at in range(len(MANY))], "text": texts, "label": MANY,
                             "age": [None if at % 4 == 0 else at / 8 for at in range(len(MANY))],
                             "ward": [None if at % 5 == 0 else "A;1" for at in range(len(MANY))]})
    given = dict(zip(rows["text"], rows["label"]))
    path = folder / "bom.csv"
    rows.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    site.import_file("one", "csv", path, given)
    tabs = rows.assign(id=rows["id"] + "t", text=rows["text"] + " tabs")
    path = folder / "tabs.tsv"
    tabs.to_csv(path, index=False, sep="\t")
    site.import_file("one", "csv", path, dict(zip(tabs["text"], tabs["label"])))

    packed = rows.assign(id=rows["id"] + "p", text=rows["text"] + " parquet", label=rows["label"].astype("category"))
    for compression in ["snappy", "gzip", "none"]:
        path = folder / f"{compression}.parquet"
        part = packed.assign(id=packed["id"] + compression, text=packed["text"] + compression)
        table = pyarrow.Table.from_pandas(part, preserve_index=False)
        texts = pyarrow.array(list(part["text"]), pyarrow.large_string() if compression == "gzip" else pyarrow.string())
        table = table.set_column(1, "text", texts)
        pyarrow.parquet.write_table(table, path, compression=compression, row_group_size=7)
        site.import_file("one", "parquet", path, dict(zip(part["text"], part["label"])))
    path = folder / "zstd.parquet"
    pyarrow.parquet.write_table(table, path, compression="zstd")
    site.run("import", path, "--project", "one", "--format", "parquet", "--reader", "ann", code=1)

    numbers = pandas.DataFrame({"id": [1, 2], "text": ["a number \u2028 is a name", "another"], "label": [0, 1]})
    path = folder / "numbers.jsonl"
    path.write_text(numbers.to_json(orient="records", lines=True, force_ascii=False), "utf-8-sig")
    site.import_file("one", "jsonl", path, {"a number \u2028 is a name": "0", "another": "1"})
    path = folder / "numbers.parquet"
    numbers.assign(id=[3, 4], text=["third", "fourth"]).to_parquet(path)
    site.import_file("one", "parquet", path, {"third": "0", "fourth": "1"})


def classes_of_tools(site):
    """One class, as the tools write it; a name that the project does not have is refused."""
    folder = site.folder("tools")
    naive = MANY[5]
    accepted = {"options": [{"id": one, "text": one} for one in MANY[:6]], "_view_id": "choice"}
    path = lines(folder / "prodigy.jsonl", [
        {"text": TEXTS[0] + " prodigy", "accept": [naive], "answer": "accept", **accepted},
        {"text": "rejected", "accept": [naive], "answer": "reject", **accepted}], "utf-8-sig")
    into = ["import", path, "--project", "named", "--format", "prodigy"]
    site.run(*into, "--drafts", "first 1", "--labels-are-drafts")
    report = json.loads(site.run(*into, "--reader", "ann", "--json"))
    assert (report[0]["known"], report[0]["readings"]) == (2, 1), report
    site.given["named"][TEXTS[0] + " prodigy"] = naive
    path = lines(folder / "doccano.jsonl", [
        {"id": 1, "text": TEXTS[1] + " doccano", "label": [naive], "Comments": []},
        {"id": 2, "text": "unknown", "label": ["nobody's"]}])
    site.import_file("named", "doccano", path, {TEXTS[1] + " doccano": naive}, bad=["class"])
    doc = spacy.blank("xx")(TEXTS[3] + " spacy")
    doc.cats = {one: float(one == naive) for one in MANY}
    path = lines(folder / "spacy.jsonl", [doc.to_json()])
    site.import_file("named", "spacy", path, {doc.text: naive})
    about = {"class-name": naive, "confidence": 1, "type": "groundtruth/text-classification", "human-annotated": "yes",
             "creation-date": "2026-11-21T00:00:00", "job-name": "labeling-job/s"}
    path = lines(folder / "output.manifest", [{"source": "ground truth", "s": MANY.index(naive), "s-metadata": about}])
    site.import_file("named", "ground-truth", path, {"ground truth": naive})
    answer = {"name": "s", "value": "s", "radio_answer": {"name": naive, "value": "naive"}}
    path = lines(folder / "labelbox.ndjson", [labelbox("a data row", "r1", [], [answer])])
    site.import_file("named", "labelbox", path, {"a data row": naive})
    config = LabelInterface('<View><Text name="t" value="$text"/><Choices name="c" toName="t">' + "".join(
        f'<Choice value="{one}"/>' for one in ["no", naive]) + "</Choices></View>")
    path = folder / "tasks.json"
    path.write_text(json.dumps([studio(config, 1, {"text": "a task"}, {"c": naive})]), "utf-8-sig")
    site.import_file("named", "label-studio", path, {"a task": naive})


def labelbox(row_data, name, objects, classifications=(), relationships=(), size=None):
    """A data row of Labelbox's export, version 2."""
    annotations = {"objects": objects, "classifications": list(classifications), "relationships": list(relationships)}
    row = {"data_row": {"id": name, "global_key": name, "row_data": row_data}, "projects": {
        "p": {"name": "p", "labels": [{"label_kind": "Default", "version": "1.0.0", "annotations": annotations}]}}}
    return row | ({"media_attributes": {"width": size[0], "height": size[1]}} if size else {})


def studio(config, number, data, said, relations=()):
    """A task whose annotation Label Studio's SDK makes and holds for right."""
    result = [region._dict() for region in config.create_regions(said)] + list(relations)
    annotation = {"id": number, "result": result, "was_cancelled": False, "ground_truth": False}
    assert config.validate_annotation(annotation), config._validate_object(annotation, True)
    return {"id": number, "data": data, "annotations": [annotation], "predictions": []}


def several(site):
    """Any number of classes, also none."""
    folder = site.folder("several")
    rows = [("all of them", ["wet", "dry", "hot"]), ("one", ["dry"]), ("none of them", [])]
    path = lines(folder / "lists.jsonl", [{"id": text, "text": text, "label": names} for text, names in rows])
    site.import_file("several", "jsonl", path, {text: sorted(names) for text, names in rows})
    path = folder / "lists.csv"
    frame = pandas.DataFrame([(text, text + " csv", json.dumps(names)) for text, names in rows], columns=["id", "text", "label"])
    frame.assign(id=frame["text"]).to_csv(path, index=False)
    site.import_file("several", "csv", path, {text + " csv": sorted(names) for text, names in rows})
    docs = []
    for text, names in rows:
        docs.append(spacy.blank("xx")(text + " spacy"))
        docs[-1].cats = {name: float(name in names) for name in PROJECTS["several"][0]}
    path = lines(folder / "spacy.jsonl", [doc.to_json() for doc in docs])
    site.import_file("several", "spacy", path, {text + " spacy": sorted(names) for text, names in rows})


def found(text, *parts):
    """Spans of parts of a text, which begin where these are first found."""
    return [(text.index(part), text.index(part) + len(part), name) for part, name in parts]


def marked(project, form):
    """Texts with their spans: of several classes, over an emoji, up to the end, and none."""
    texts = [f"{text} {form}" for text in TEXTS]
    sign, place, side = (PROJECTS[project][0] + ["sign"])[:3]
    return {
        texts[0]: found(texts[0], ("\U0001f642", sign), ("dry cough", sign), (form, place)),
        texts[1]: found(texts[1], ("\U0001f469\u200d\u2695\ufe0f", place), ("rash a\u0300 la", sign), ("left", side)),
        texts[2]: [],
        texts[3]: found(texts[3], ("lines", place), ("pain", sign)),
    }


def spans(site):
    folder = site.folder("spans")
    as_given = lambda given: {text: (sorted(marks), []) for text, marks in given.items()}

    given = marked("spans", "prodigy")
    path = lines(folder / "prodigy.jsonl", [
        {"text": text, "answer": "accept", "_view_id": "ner_manual",
         "spans": [{"start": a, "end": b, "label": name} for a, b, name in marks]} for text, marks in given.items()])
    site.import_file("spans", "prodigy", path, as_given(given))

    given = marked("spans", "doccano")
    path = lines(folder / "doccano.jsonl", [
        {"id": at, "text": text, "label": marks, "Comments": []} for at, (text, marks) in enumerate(given.items())])
    site.import_file("spans", "doccano", path, as_given(given))

    given = marked("spans", "spacy")
    docs = []
    for text, marks in given.items():
        doc = spacy.blank("xx")(text)
        doc.set_ents([doc.char_span(a, b, name, alignment_mode="expand") for a, b, name in marks], default="outside")
        given[text] = [(one.start_char, one.end_char, one.label_) for one in doc.ents]
        docs.append(doc.to_json())
    # Spans that overlap are in a group, under whichever name.
    for group in ["sc", "ruler"]:
        doc = spacy.blank("xx")(f"a dry cough in {group}")
        doc.spans[group] = [Span(doc, 1, 3, "sign"), Span(doc, 2, 3, "body part")]
        assert len(filter_spans(doc.spans[group])) == 1
        given[doc.text] = [(2, 11, "sign"), (6, 11, "body part")]
        docs.append(doc.to_json())
    site.import_file("spans", "spacy", lines(folder / "spacy.jsonl", docs), as_given(given))

    site.import_file("tagged", "conll", *conll(folder))
    text = "\U0001f469\u200d\u2695\ufe0f a dry cough, left side"
    rows = [{"id": 1, "text": text, "label": found(text, ("dry cough", "sign"), ("left side", "body part"), ("\U0001f469", "left-side"))},
            {"id": 2, "text": "nothing here", "label": []}]
    path = lines(folder / "tagged.jsonl", rows)
    site.import_file("tagged", "doccano", path, {row["text"]: (sorted(row["label"]), []) for row in rows})

    given = marked("spans", "labelbox")
    rows = [labelbox(text, f"l{at}", [
        {"feature_id": f"f{at}-{a}", "name": name, "annotation_kind": "TextEntity", "location": {"start": a, "end": b - 1}}
        for a, b, name in marks]) for at, (text, marks) in enumerate(given.items())]
    site.import_file("spans", "labelbox", lines(folder / "labelbox.ndjson", rows), as_given(given))

    given = marked("spans", "studio")
    tasks = [studio(TEXT_CONFIG, at, {"text": text}, {"l": [
        {"start": a, "end": b, "text": text[a:b], "labels": [name]} for a, b, name in marks]})
        for at, (text, marks) in enumerate(given.items())]
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    site.import_file("spans", "label-studio", path, as_given(given))

    # Beyond the text, and upside down.
    path = lines(folder / "wrong.jsonl", [
        {"id": 90, "text": "short", "label": [[2, 6, "sign"]]}, {"id": 91, "text": "short", "label": [[3, 2, "sign"]]}])
    site.import_file("spans", "doccano", path, {}, bad=["span number 1"] * 2)


TEXT_CONFIG = LabelInterface('<View><Labels name="l" toName="t">' + "".join(
    f'<Label value="{one}"/>' for one in ["sign", "body part", "left-side", "place"]) + '</Labels><Text name="t" value="$text"/></View>')


def conll(folder):
    """Tokens and tags of spaCy's, among them a token with a no-break space; in IOB2."""
    words = ["\U0001f642", "a\u00a0dry", "cough,", "a\u0300", "la", "carte,", "left", "side"]
    doc = Doc(spacy.blank("xx").vocab, words=words)
    doc.set_ents([Span(doc, 1, 2, "sign"), Span(doc, 2, 4, "sign"), Span(doc, 4, 8, "left-side")], default="outside")
    tags = [token.ent_iob_ + (f"-{token.ent_type_}" if token.ent_type_ else "") for token in doc]
    path = folder / "ner.conll"
    path.write_text("-DOCSTART- -X- O O\n\n" + "".join(
        f"{word} NN B-NP {tag}\n" for word, tag in zip(words, tags)) + "\n")
    text, starts = " ".join(words), [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    return path, {text: ([(starts[1], starts[2] - 1, "sign"), (starts[2], starts[4] - 1, "sign"),
                          (starts[4], starts[8] - 1, "left-side")], [])}


def relations(site):
    folder = site.folder("relations")
    marks = lambda text: found(text, ("rash", "sign"), ("arm", "place"), ("hand", "place"))

    def expected(text):
        sign, arm, hand = marks(text)
        return {text: (sorted(marks(text)), [(sign, arm, 0), (sign, hand, 1)])}

    text = "\U0001f642 rash on the arm, not the hand, once"
    a, b, c = ({"start": start, "end": end, "label": name} for start, end, name in marks(text))
    path = lines(folder / "prodigy.jsonl", [{"text": text, "answer": "accept", "spans": [a, b, c], "relations": [
        {"head_span": a, "child_span": b, "label": "at"}, {"head_span": a, "child_span": c, "label": "not at"}]}])
    site.import_file("related", "prodigy", path, expected(text))

    text = "\U0001f642 rash on the arm, not the hand, twice"
    entities = [{"id": 70 + at, "start_offset": start, "end_offset": end, "label": name}
                for at, (start, end, name) in enumerate(marks(text))]
    path = lines(folder / "doccano.jsonl", [{"id": 5, "text": text, "entities": entities, "relations": [
        {"id": 1, "from_id": 70, "to_id": 71, "type": "at"}, {"id": 2, "from_id": 70, "to_id": 72, "type": "not at"}]}])
    site.import_file("related", "doccano", path, expected(text))

    text = "\U0001f642 rash on the arm, not the hand, again"
    task = studio(TEXT_CONFIG, 1, {"text": text}, {"l": [
        {"start": start, "end": end, "labels": [name]} for start, end, name in marks(text)]})
    result = task["annotations"][0]["result"]
    for to, name in [(1, "at"), (2, "not at")]:
        result.append({"type": "relation", "from_id": result[0]["id"], "to_id": result[to]["id"], "direction": "right", "labels": [name]})
    path = folder / "tasks.json"
    path.write_text(json.dumps([task]))
    site.import_file("related", "label-studio", path, expected(text))


def picture(path, number):
    """An image whose content is of this number alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = numpy.zeros((DOWN, ACROSS, 3), dtype=numpy.uint8)
    pixels[0, 0] = [number, 17, 200]
    Image.fromarray(pixels).save(path)
    return pixels


def percent(left, upper, right, lower):
    return rounded([100 * left / ACROSS, 100 * upper / DOWN, 100 * (right - left) / ACROSS, 100 * (lower - upper) / DOWN])


# In pixels, by class: at the edges, over all of it, alone, and none.
BOXES = [[(0, 0, 16, 12, 0), (32, 24, 64, 48, 1)], [(0, 0, 64, 48, 2), (0, 0, 1, 1, 2)], [(5, 7, 10, 11, 1)], []]


def expected_boxes(marks):
    return sorted((QUOTED[one], "box", percent(*sides)) for *sides, one in marks)


def boxes(site):
    def images(folder, number, where="{}.png"):
        paths = [folder / where.format(number + at) for at in range(len(BOXES))]
        for at, path in enumerate(paths):
            picture(path, number + at)
        return paths

    def dataset(paths):
        """What supervision writes YOLO's, Pascal VOC's and COCO's files from."""
        detections = {str(path): supervision.Detections(
            xyxy=numpy.array([mark[:4] for mark in marks], dtype=float).reshape(-1, 4),
            class_id=numpy.array([mark[4] for mark in marks], dtype=int)) for path, marks in zip(paths, BOXES)}
        return supervision.DetectionDataset(QUOTED, [str(path) for path in paths], detections)

    def given(paths):
        return {digest(path): expected_boxes(marks) for path, marks in zip(paths, BOXES)}

    folder = site.folder("yolo")
    paths = images(site.folder("pictures-1"), 10)
    dataset(paths).as_yolo(str(folder / "images" / "train"), str(folder / "labels" / "train"), str(folder / "data.yaml"))
    site.import_file("boxes", "yolo", folder, given([folder / "images" / "train" / path.name for path in paths]))

    folder = site.folder("voc")
    paths = images(site.folder("pictures-2"), 20)
    dataset(paths).as_pascal_voc(str(folder / "JPEGImages"), str(folder / "Annotations"))
    # supervision counts pixels from 1, as the devkit does; the agent from 0, as LabelImg and CVAT do.
    for path in (folder / "Annotations").iterdir():
        path.write_text(re.sub(r"<([xy])min>(\d+)", lambda found: f"<{found[1]}min>{int(found[2]) - 1}", path.read_text()))
    site.import_file("boxes", "voc", folder, given([folder / "JPEGImages" / path.name for path in paths]))

    folder = site.folder("coco")
    paths = images(site.folder("pictures-3"), 30)
    dataset(paths).as_coco(str(folder), str(folder / "annotations.json"))
    site.import_file("boxes", "coco", folder / "annotations.json", given([folder / path.name for path in paths]))

    folder = site.folder("boxes-of-tools")
    paths = images(folder, 40, "deep/er/p{}.png")
    tasks = [{"image": f"deep/er/{path.name}", "width": ACROSS, "height": DOWN, "answer": "accept", "_view_id": "image_manual",
              "spans": [{"label": QUOTED[one], "type": "rect", "x": a, "y": b, "width": c - a, "height": d - b,
                         "points": [[a, b], [a, d], [c, d], [c, b]]} for a, b, c, d, one in marks]}
             for path, marks in zip(paths, BOXES)]
    site.import_file("boxes", "prodigy", lines(folder / "prodigy.jsonl", tasks), given(paths))
    paths = images(folder, 50, "labelbox {}.png")
    rows = [labelbox(path.name, path.name, [
        {"name": QUOTED[one], "annotation_kind": "ImageBoundingBox",
         "bounding_box": {"left": a, "top": b, "width": c - a, "height": d - b}} for a, b, c, d, one in marks],
        size=(ACROSS, DOWN)) for path, marks in zip(paths, BOXES)]
    site.import_file("boxes", "labelbox", lines(folder / "labelbox.ndjson", rows), given(paths))
    paths = images(folder, 60, "manifest-{}.png")
    about = {"class-map": {str(at): name for at, name in enumerate(QUOTED)}, "type": "groundtruth/object-detection"}
    rows = [{"source-ref": path.name, "b": {"image_size": [{"width": ACROSS, "height": DOWN, "depth": 3}], "annotations": [
        {"class_id": one, "left": a, "top": b, "width": c - a, "height": d - b} for a, b, c, d, one in marks]},
        "b-metadata": {**about, "objects": [{"confidence": 0.9} for _ in marks]}} for path, marks in zip(paths, BOXES)]
    site.import_file("boxes", "ground-truth", lines(folder / "output.manifest", rows), given(paths))


def shapes(site):
    """Polygons of COCO: several parts, run-length masks, one with a hole, a crowd; in folders."""
    folder = site.folder("polygons")
    images, annotations, given = [], [], {}

    def image(number, **segmentation):
        path = folder / "a" / "b" / f"{number}.png"
        picture(path, number)
        images.append({"id": number, "file_name": f"a/b/{number}.png", "width": ACROSS, "height": DOWN})
        if segmentation:
            annotations.append({"id": number, "image_id": number, "category_id": 7, "area": 1.0, "iscrowd": 0,
                                "bbox": [0, 0, 1, 1], **segmentation})
        return digest(path)

    def polygon(*points):
        return "lesion", "polygon", around([(100 * x / ACROSS, 100 * y / DOWN) for x, y in points])

    triangle, square = [(0, 0), (64, 0), (64, 48)], [(1, 2), (1, 40.5), (30.25, 40.5), (30.25, 2)]
    flat = lambda points: [coordinate for point in points for coordinate in point]
    given[image(1, segmentation=[flat(triangle), flat(square)])] = sorted([polygon(*triangle), polygon(*square)])
    filled = numpy.zeros((DOWN, ACROSS), dtype=numpy.uint8, order="F")
    filled[10:20, 5:64] = 1
    packed = mask.encode(filled)
    packed["counts"] = packed["counts"].decode()
    bar = polygon((5, 10), (64, 10), (64, 20), (5, 20))
    given[image(2, segmentation=packed)] = [bar]
    runs = [10 + 5 * DOWN] + [10, DOWN - 10] * 58 + [10, DOWN - 20]
    given[image(3, segmentation={"size": [DOWN, ACROSS], "counts": runs})] = [bar]
    given[image(4)] = []
    filled[12:15, 8:12] = 0
    holed = mask.encode(filled)
    holed["counts"] = holed["counts"].decode()
    image(5, segmentation=holed)
    image(6, segmentation=packed, iscrowd=1)
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "licenses": [], "info": {},
                                "categories": [{"id": 7, "name": "lesion", "supercategory": "finding"}]}))
    assert COCO(path).annToMask(annotations[1]).sum() == 590 == COCO(path).annToMask(annotations[2]).sum()
    site.import_file("shapes", "coco", path, given, bad=["hole", "crowd"])

    folder = site.folder("yolo-polygons")
    picture(folder / "images" / "val" / "p.png", 9)
    (folder / "labels" / "val").mkdir(parents=True)
    (folder / "labels" / "val" / "p.txt").write_text("0 " + " ".join(str(n) for x, y in triangle for n in (x / ACROSS, y / DOWN)))
    (folder / "data.yaml").write_text("\ufeffpath: .\nnames: ['lesion']\nnc: 1\n")
    given = {digest(folder / "images" / "val" / "p.png"): [polygon(*triangle)]}
    site.import_file("shapes", "yolo", folder, given)

    config = LabelInterface('<View><Image name="i" value="$image"/><PolygonLabels name="p" toName="i"><Label value="lesion"/>'
                            '</PolygonLabels><RectangleLabels name="b" toName="i"><Label value="lesion"/></RectangleLabels></View>')
    folder = site.folder("studio-polygons")
    picture(folder / "scan.png", 8)
    task = studio(config, 1, {"image": "scan.png"}, {
        "p": [{"points": [[0, 0], [100, 0], [100, 100]], "polygonlabels": ["lesion"]}],
        "b": [{"x": 0, "y": 0, "width": 100, "height": 100, "rectanglelabels": ["lesion"]}]})
    for part in task["annotations"][0]["result"]:
        part |= {"original_width": ACROSS, "original_height": DOWN, "image_rotation": 0}
    path = folder / "tasks.json"
    path.write_text(json.dumps([task]))
    given = {digest(folder / "scan.png"): sorted([polygon(*triangle), ("lesion", "box", (0.0, 0.0, 100.0, 100.0))])}
    site.import_file("shapes", "label-studio", path, given)


def outside(site):
    """Names of files that lead out of the folder of the import are refused, and nothing of it is read."""
    picture(site.home / "files" / "secret.png", 250)
    folder = site.folder("outside")
    (folder / "link.png").symlink_to(site.home / "files" / "secret.png")
    names = ["../secret.png", str(site.home / "files" / "secret.png"), "link.png", "a/../../secret.png"]
    path = folder / "instances.json"
    path.write_text(json.dumps({
        "images": [{"id": at, "file_name": name, "width": ACROSS, "height": DOWN} for at, name in enumerate(names)],
        "annotations": [], "categories": [{"id": 1, "name": "lesion"}]}))
    site.import_file("shapes", "coco", path, {}, bad=["folder"] * len(names))
    path = folder / "tasks.json"
    path.write_text(json.dumps([{"id": at, "data": {"image": name}} for at, name in enumerate(names)]))
    site.import_file("shapes", "label-studio", path, {}, bad=["folder"] * len(names))
    (folder / "Annotations").mkdir()
    size = f"<size><width>{ACROSS}</width><height>{DOWN}</height><depth>3</depth></size>"
    for at, name in enumerate(names):
        (folder / "Annotations" / f"{at}.xml").write_text(f"<annotation><filename>{name}</filename>{size}</annotation>")
    site.import_file("boxes", "voc", folder, {}, bad=["folder"] * len(names))


def segments(site):
    """A series of two channels with missing values, as pandas writes it for a spreadsheet."""
    folder = site.folder("series")
    config = LabelInterface('<View><TimeSeriesLabels name="l" toName="s"><Label value="beat"/></TimeSeriesLabels><TimeSeries '
                            'name="s" valueType="url" value="$ecg" timeColumn="time"><Channel column="I"/></TimeSeries></View>')
    tasks, given = [], {}
    for at, parts in enumerate([[(0.0, 1.5), (0.5, 0.75)], []]):
        first = 1000.0 + at
        frame = pandas.DataFrame({"time [s]": [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5], "I [mV]": [first, None, 2, -0.125, 3e-7, 5, 6],
                                  "II [mV]": [1, 2, 3, 4, 5, 6, None]})
        frame.to_csv(folder / f"{at}.csv", index=False, encoding="utf-8-sig")
        tasks.append(studio(config, at, {"ecg": f"{at}.csv"}, {"l": [
            {"start": a, "end": b, "instant": False, "timeserieslabels": ["beat"]} for a, b in parts]}))
        given[first] = sorted(("beat", a, b, None) for a, b in parts)
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    site.import_file("segments", "label-studio", path, given)
    (folder / "2.csv").write_bytes((folder / "0.csv").read_bytes().replace(b"1000.0", b"1002.0"))
    own = {"segments": [{"class": 0, "start": 0.25, "end": 1, "channel": 1}]}
    path = lines(folder / "own.jsonl", [{"id": "own", "ecg": "2.csv", "label": own}], "utf-8-sig")
    site.import_file("segments", "jsonl", path, {1002.0: label("segments", own)})


def preferences(site):
    path = site.folder("better") / "pairs.csv"
    rows = [("p1", "a rash \U0001f642", "long, \"quoted\"", "first"), ("p2", "a\nb", "c", "tie")]
    out = io.StringIO()
    pandas.DataFrame(rows, columns=["id", "a", "b", "label"]).to_csv(out, index=False, quoting=1)
    path.write_text(out.getvalue(), "utf-8-sig")
    site.import_file("better", "csv", path, {row[1]: row[3] for row in rows})
