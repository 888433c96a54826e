"""tests/formats.sh: what the agent exports, read by reference libraries and compared with what it was given."""
import csv
import json
import logging
import warnings

import mlcroissant
import pandas
import pyarrow.parquet
import spacy
import supervision
from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
from pycocotools.coco import COCO
from spacy.schemas import DocJSONSchema, validate
from spacy.tokens import Doc
from spacy.training.converters import conll_ner_to_docs

from formats import MANY, PROJECTS, QUOTED, around, digest, label, rounded

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


def read_all(site):
    for project in PROJECTS:
        site.settled(project)
    tables(site)
    croissant(site)
    names(site)
    spans(site)
    relations(site)
    boxes(site)
    polygons(site)
    segments(site)
    drafts(site)


def lines(path):
    # Not `splitlines`, which also ends lines where JSON does not.
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def tables(site):
    """JSON lines, CSV by Python's and by pandas' reader, Parquet by pyarrow: also numbers and nulls."""
    for project in ["one", "named", "several", "spans", "related", "better"]:
        name = next(iter(PROJECTS[project][1]))
        named = project in ["one", "named", "better"]

        def said(cell):
            if named or not isinstance(cell, str):
                return label(project, cell)
            return sorted(json.loads(cell)) if project == "several" else label(project, json.loads(cell))

        out, _ = site.export(project, "jsonl")
        site.compare(project, "jsonl", {one["fields"][name]: said(one["label"]) for one in lines(out / "records.jsonl")})
        out, _ = site.export(project, "csv")
        with open(out / "records.csv", newline="", encoding="utf-8") as file:
            site.compare(project, "csv", {row[name]: said(row["label"]) for row in csv.DictReader(file)})
        frame = pandas.read_csv(out / "records.csv", dtype=str, keep_default_na=False)
        site.compare(project, "csv of pandas", dict(zip(frame[name], map(said, frame["label"]))))
        out, _ = site.export(project, "parquet")
        rows = pyarrow.parquet.read_table(out / "records.parquet").to_pylist()
        site.compare(project, "parquet", {row[name]: said(row["label"]) for row in rows})
        if project == "one":
            found = {row["text"]: (row["age"], row["ward"]) for row in rows}
            assert found["row 0 "] == (None, None) and found["row 3 "] == (0.375, "A;1"), found["row 3 "]


def croissant(site):
    """Croissant's metadata are valid, and give the records and the images."""
    text = lambda value: value.decode() if isinstance(value, bytes) else value
    for project, form in [("one", "csv"), ("one", "jsonl"), ("one", "parquet"), ("boxes", "coco")]:
        out, counts = site.export(project, form)
        dataset = mlcroissant.Dataset(jsonld=out / "metadata.json")
        assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues
        if form == "coco":
            assert sum(1 for _ in dataset.records("files-of-images-png")) == counts["records"]
            continue
        rows = [{name.split("/")[-1]: text(value) for name, value in row.items()} for row in dataset.records("records")]
        site.compare(project, f"{form} of mlcroissant", {row["text"]: row["label"] for row in rows})


def names(site):
    """One class, by its name, and several, as the tools have them."""
    def export(form, file="records.jsonl", project="named"):
        out, _ = site.export(project, form)
        return lines(out / file)

    site.compare("named", "prodigy", {task["text"]: task["accept"][0] for task in export("prodigy")})
    site.compare("named", "doccano", {task["text"]: task["label"][0] for task in export("doccano")})
    site.compare("named", "spacy", {doc.text: max(doc.cats, key=doc.cats.get) for doc in documents(export("spacy"))})
    rows = export("ground-truth", "records.manifest")
    assert all(row["label-metadata"]["class-name"] == MANY[row["label"]] for row in rows)
    site.compare("named", "ground-truth", {row["source"]: MANY[row["label"]] for row in rows})
    site.compare("named", "labelbox", {row["data_row"]["row_data"]: annotations(row)["classifications"][0]["radio_answer"]["name"]
                                       for row in export("labelbox", "records.ndjson")})
    for project in ["named", "several"]:
        tasks = studio(site, project, "JSON_MIN")
        site.compare(project, "label-studio of its converter", {
            task["text"]: task["label"] if project == "named" else listed(task.get("label")) for task in tasks})
    site.compare("several", "spacy", {
        doc.text: sorted(name for name, value in doc.cats.items() if value) for doc in documents(export("spacy", project="several"))})


def listed(said):
    """Choices as Label Studio's converter writes them: none, one, or a list of several."""
    if said is None:
        return []
    return [said] if isinstance(said, str) else sorted(said["choices"])


def documents(rows):
    """spaCy's documents, whose JSON it holds for right."""
    vocab = spacy.blank("xx").vocab
    for row in rows:
        # What is of nobody's extension is not spaCy's.
        row.pop("_")
        wrong = validate(DocJSONSchema, row)
        assert not wrong, wrong
        yield Doc(vocab).from_json(row, validate=True)


def annotations(row):
    (project,) = row["projects"].values()
    return project["labels"][0]["annotations"]


def studio(site, project, form):
    """A project's tasks through Label Studio's converter, once its SDK holds every annotation for right."""
    out, _ = site.export(project, "label-studio")
    config = (out / "label-config.xml").read_text("utf-8")
    interface = LabelInterface(config)
    interface.validate()
    for task in json.loads((out / "records.json").read_text("utf-8")):
        for said in task["annotations"] + task["predictions"]:
            wrong = interface.validate_prediction(said, return_errors=True)
            assert not wrong, (project, wrong)
    into = out.with_name(out.name + f"-{form}")
    Converter(config, project_dir=str(out), upload_dir=str(out), download_resources=False).convert(
        str(out / "records.json"), str(into), form, is_dir=False)
    return json.loads((into / "result.json").read_text("utf-8"))


def spans(site):
    def export(form, file="records.jsonl"):
        out, _ = site.export("spans", form)
        return lines(out / file)

    site.compare("spans", "prodigy", {
        task["text"]: (sorted((one["start"], one["end"], one["label"]) for one in task["spans"]), []) for task in export("prodigy")})
    site.compare("spans", "doccano", {task["text"]: (sorted(map(tuple, task["label"])), []) for task in export("doccano")})
    site.compare("spans", "labelbox", {row["data_row"]["row_data"]: (sorted(
        (one["location"]["start"], one["location"]["end"] + 1, one["name"]) for one in annotations(row)["objects"]), [])
        for row in export("labelbox", "records.ndjson")})
    found = {}
    for doc in documents(export("spacy")):
        # Those that overlap are in a group of their own there.
        marks = doc.spans["sc"] if "sc" in doc.spans else doc.ents
        found[doc.text] = (sorted((one.start_char, one.end_char, one.label_) for one in marks), [])
    site.compare("spans", "spacy", found)
    tasks = studio(site, "spans", "JSON_MIN")
    site.compare("spans", "label-studio of its converter", {task["text"]: (sorted(
        (one["start"], one["end"], name) for one in task.get("label", []) for name in one["labels"]), []) for task in tasks})
    # CoNLL keeps tokens, and nothing of what is between them.
    out, _ = site.export("tagged", "conll")
    close = lambda text: "".join(text.split())
    found = {close(doc.text): [(close(one.text), one.label_.replace("_", " ")) for one in doc.ents]
             for doc in conll_ner_to_docs((out / "records.conll").read_text("utf-8"), no_print=True)}
    site.compare("tagged", "conll of spaCy", found, {close(text): [(close(text[a:b]), name) for a, b, name in marks]
                                                     for text, (marks, _) in site.given["tagged"].items()})
    # A token has one tag: with spans that overlap there is no such file, and the refusal says what holds them.
    refused = site.run("export", "--project", "spans", "--format", "conll", "--out", site.home / "overlap", code=1)
    assert not refused and not (site.home / "overlap").exists()


def relations(site):
    def export(form, file="records.jsonl"):
        out, _ = site.export("related", form)
        return lines(out / file)

    kinds = ["at", "not at"]
    mark = lambda one: (one["start"], one["end"], one["label"])
    site.compare("related", "prodigy", {task["text"]: (sorted(map(mark, task["spans"])), sorted(
        (mark(one["head_span"]), mark(one["child_span"]), kinds.index(one["label"])) for one in task["relations"]))
        for task in export("prodigy")})
    found = {}
    for task in export("doccano"):
        marks = {one["id"]: (one["start_offset"], one["end_offset"], one["label"]) for one in task["entities"]}
        found[task["text"]] = (sorted(marks.values()), sorted(
            (marks[one["from_id"]], marks[one["to_id"]], kinds.index(one["type"])) for one in task["relations"]))
    site.compare("related", "doccano", found)
    studio(site, "related", "JSON_MIN")
    out, _ = site.export("related", "label-studio")
    found = {}
    for task in json.loads((out / "records.json").read_text("utf-8")):
        result = task["annotations"][0]["result"]
        marks = {one["id"]: (one["value"]["start"], one["value"]["end"], one["value"]["labels"][0])
                 for one in result if one["type"] == "labels"}
        found[task["data"]["text"]] = (sorted(marks.values()), sorted(
            (marks[one["from_id"]], marks[one["to_id"]], kinds.index(one["labels"][0]))
            for one in result if one["type"] == "relation"))
    site.compare("related", "label-studio", found)


def percent(left, upper, across, down, width=64, height=48):
    return rounded([100 * left / width, 100 * upper / height, 100 * across / width, 100 * down / height])


def detected(dataset, classes, first=0):
    """The boxes of a data set of supervision's, by image; `first` is added to where they begin."""
    found = {}
    for path, _, marks in dataset:
        found[digest(path)] = sorted(
            (classes[kind], "box", percent(a + first, b + first, c - a - first, d - b - first)) for (a, b, c, d), kind in zip(marks.xyxy.astype(float), marks.class_id))
    return found


def boxes(site):
    def compare(form, found):
        site.compare("boxes", form, near(found, site.given["boxes"]))

    out, _ = site.export("boxes", "coco")
    coco = COCO(out / "records.json")
    compare("coco", in_coco(coco, out, lambda one: ("box", percent(*one["bbox"]))))
    out, _ = site.export("boxes", "yolo")
    found, folders = {}, [name for name in ("train", "val") if (out / "images" / name).is_dir()]
    for folder in folders:
        dataset = supervision.DetectionDataset.from_yolo(
            str(out / "images" / folder), str(out / "labels" / folder), str(out / "data.yaml"))
        assert dataset.classes == QUOTED, dataset.classes
        found |= detected(dataset, dataset.classes)
    compare("yolo of supervision", found)
    out, _ = site.export("boxes", "voc")
    dataset = supervision.DetectionDataset.from_pascal_voc(str(out / "JPEGImages"), str(out / "Annotations"))
    # It takes one off, counting from 1.
    compare("voc of supervision", detected(dataset, dataset.classes, 1))
    out, _ = site.export("boxes", "prodigy")
    compare("prodigy", {digest(out / task["image"]): sorted(
        (one["label"], "box", percent(one["x"], one["y"], one["width"], one["height"], task["width"], task["height"]))
        for one in task["spans"]) for task in lines(out / "records.jsonl")})
    out, _ = site.export("boxes", "labelbox")
    sides = lambda one: [one[side] for side in ("left", "top", "width", "height")]
    compare("labelbox", {digest(out / row["data_row"]["row_data"]): sorted(
        (one["name"], "box", percent(*sides(one["bounding_box"]))) for one in annotations(row)["objects"])
        for row in lines(out / "records.ndjson")})
    out, _ = site.export("boxes", "ground-truth")
    compare("ground-truth", {digest(out / row["source-ref"]): sorted(
        (row["label-metadata"]["class-map"][str(one["class_id"])], "box", percent(*sides(one)))
        for one in row["label"]["annotations"]) for row in lines(out / "records.manifest")})
    coco = studio(site, "boxes", "COCO")
    assert sorted(map(round, (one["area"] for one in coco["annotations"]))) == sorted(
        round(64 * 48 * sides[2] * sides[3] / 10000) for marks in site.given["boxes"].values() for _, _, sides in marks)
    print(f"boxes as label-studio of its converter: {len(coco['annotations'])} boxes")


def near(found, known):
    """What reads within a hundredth of a percent of what is known, as what is known: supervision writes YOLO's
    numbers with five decimals, and holds single-precision ones."""
    def ordered(marks):
        return sorted(marks, key=lambda mark: (*mark[:2], *map(round, mark[2])))

    def same(one, other):
        one, other = ordered(one), ordered(other)
        return [mark[:2] for mark in one] == [mark[:2] for mark in other] and all(
            abs(a - b) < 0.01 for mark, of in zip(one, other) for a, b in zip(mark[2], of[2]))
    return {key: known[key] if key in known and same(marks, known[key]) else marks for key, marks in found.items()}


def in_coco(coco, out, shape):
    kinds = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    return {digest(out / image["file_name"]): sorted(
        (kinds[one["category_id"]], *shape(one)) for one in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])))
        for image in coco.loadImgs(coco.getImgIds())}


def polygons(site):
    def shape(one):
        if not one["segmentation"]:
            return "box", percent(*one["bbox"])
        (ring,) = one["segmentation"]
        return "polygon", around([(100 * x / 64, 100 * y / 48) for x, y in zip(ring[::2], ring[1::2])])

    out, _ = site.export("shapes", "coco")
    coco = COCO(out / "records.json")
    site.compare("shapes", "coco", in_coco(coco, out, shape))
    for one in coco.dataset["annotations"]:
        if one["segmentation"]:
            drawn = coco.annToMask(one).sum()
            assert abs(drawn - one["area"]) <= 70, (drawn, one["area"])
    out, _ = site.export("shapes", "prodigy")
    site.compare("shapes", "prodigy", {digest(out / task["image"]): sorted(
        (one["label"], "box", percent(one["x"], one["y"], one["width"], one["height"])) if one["type"] == "rect" else
        (one["label"], "polygon", around([(100 * x / 64, 100 * y / 48) for x, y in one["points"]]))
        for one in task["spans"]) for task in lines(out / "records.jsonl")})
    coco = studio(site, "shapes", "COCO")
    assert len(coco["annotations"]) == sum(map(len, site.given["shapes"].values()))


def segments(site):
    studio(site, "segments", "JSON_MIN")
    out, _ = site.export("segments", "label-studio")
    found = {}
    for task in json.loads((out / "records.json").read_text("utf-8")):
        table = pandas.read_csv(out / task["data"]["ecg"])
        assert list(table.columns) == ["time [s]", "I [mV]", "II [mV]"], table.columns
        assert list(table["time [s]"]) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5], table
        assert list(table["I [mV]"].fillna(-1))[1:] == [-1, 2, -0.125, 3e-7, 5, 6] and pandas.isna(table["II [mV]"][6]), table
        value = [one["value"] for one in task["annotations"][0]["result"]]
        found[float(table["I [mV]"][0])] = sorted(
            (one["timeserieslabels"][0], one["start"], one["end"], one.get("channel")) for one in value)
    site.compare("segments", "label-studio", found)


def drafts(site):
    """A draft that was imported is named by the model and the version that the site gave it."""
    path = site.folder("drafts") / "drafts.csv"
    pandas.DataFrame([("d1", "drafted", "no", 0.75, "cnn 3.1"), ("d2", "drafted, too", "0", 0.5, None)],
                     columns=["id", "text", "draft", "draft_score", "draft_model"]).to_csv(path, index=False)
    site.run("import", path, "--project", "named", "--drafts", "detector 2.1")
    expected = {"drafted": "cnn 3.1", "drafted, too": "detector 2.1"}
    for form in ["jsonl", "csv", "parquet", "label-studio"]:
        found = {}

        def look():
            out, _ = site.export("named", form, "--unlabeled")
            if form == "jsonl":
                rows = [one | one["fields"] for one in lines(out / "records.jsonl")]
            elif form == "label-studio":
                rows = [{"text": task["data"]["text"], "draft_model": said["model_version"]}
                        for task in json.loads((out / "records.json").read_text("utf-8")) for said in task["predictions"]]
            elif form == "csv":
                rows = pandas.read_csv(out / "records.csv").to_dict("records")
            else:
                rows = pyarrow.parquet.read_table(out / "records.parquet").to_pylist()
            found.update({row["text"]: row["draft_model"] for row in rows if row["text"] in expected})
            said = {one["prelabel"]["model"] for one in lines(out / "provenance.jsonl") if one["prelabel"]}
            return found == expected and said == {"first 1", *expected.values()}

        site.until(look, lambda: f"drafts as {form}: {found} instead of {expected}")
        site.compare("named", f"{form}, drafts", found, expected)
