"""tests/formats.sh: imports what reference libraries write into a running agent, and reads with them what
it exports. `formats.py projects|all HOME INSITU-AGENT`."""
import hashlib
import json
import pathlib
import subprocess
import sys
import time

from projects import PROJECT

# More than 64, of which some look like numbers, JSON, markup or YAML.
MANY = ["no", "0", "1", "[odd]", 'say "yes", or\\no', "na\u00efve \U0001f642", "<b> & 'c'", "true"] + [
    f"class {number}" for number in range(70)]
QUOTED = ["it's: a \"test\" #1", "back\\slash, \u00e9", "<low> & high"]
# Of each project: its classes, the kinds of its fields by name, and its task.
PROJECTS = {
    "one": (MANY, {"text": "text", "age": "number", "ward": "category"}, 'kind = "class"'),
    "named": (MANY, {"text": "text"}, 'kind = "class"'),
    "several": (["wet", "dry", "hot"], {"text": "text"}, 'kind = "classes"'),
    "spans": (["sign", "body part", "left-side"], {"text": "text"}, 'kind = "spans"\nfield = "text"'),
    "tagged": (["sign", "body part", "left-side"], {"text": "text"}, 'kind = "spans"\nfield = "text"'),
    "related": (["sign", "place"], {"text": "text"}, 'kind = "spans"\nfield = "text"\nrelations = ["at", "not at"]'),
    "boxes": (QUOTED, {"image": "image"}, 'kind = "regions"\nfield = "image"\nshapes = ["box"]'),
    "shapes": (["lesion"], {"image": "image"}, 'kind = "regions"\nfield = "image"\nshapes = ["box", "polygon"]'),
    "segments": (["beat"], {"ecg": "series"}, 'kind = "segments"\nfield = "ecg"'),
    "better": (["first", "second", "tie"], {"a": "text", "b": "text"}, 'kind = "preference"\nfields = ["a", "b"]'),
}


def definition(name):
    classes, fields, task = PROJECTS[name]
    quoted = lambda text: json.dumps(text, ensure_ascii=False)
    return PROJECT.format(
        name=name, task=task,
        classes="".join(f"[[classes]]\nname = {quoted(one)}\n" for one in classes),
        fields="".join(f'[[fields]]\nname = "{one}"\ntitle = "{one}"\nkind = "{kind}"\n' for one, kind in fields.items()),
    )


def label(project, said):
    """A label that can be compared: classes by name, marks in order, numbers to a millionth. `said` is a
    class's name or the label's own JSON."""
    classes, _, _ = PROJECTS[project]
    if not isinstance(said, dict):
        return said
    if "class" in said:
        return classes[said["class"]]
    if "classes" in said:
        return sorted(classes[one] for one in said["classes"])
    if "spans" in said:
        marks = [(span["start"], span["end"], classes[span["class"]]) for span in said["spans"]]
        ties = [(marks[tie["from"]], marks[tie["to"]], tie["relation"]) for tie in said.get("relations", [])]
        return sorted(marks), sorted(ties)
    if "regions" in said:
        return sorted(
            (classes[one["class"]], "box", rounded(one["box"])) if "box" in one
            else (classes[one["class"]], "polygon", around(one["polygon"]))
            for one in said["regions"])
    return sorted((classes[one["class"]], one["start"], one["end"], one.get("channel")) for one in said["segments"])


def rounded(numbers):
    return tuple(round(number, 6) + 0.0 for number in numbers)


def around(points):
    """A polygon's points, whichever it starts with and whichever way around it goes."""
    points = [rounded(point) for point in points]
    at = points.index(min(points))
    points = points[at:] + points[:at]
    return tuple(min(points, [points[0], *reversed(points[1:])]))


class Site:
    """The agent, the folder of the test, and what every item of every project is known to be labeled."""

    def __init__(self, home, program):
        self.home, self.program = pathlib.Path(home), program
        # By project, and by the text, the image's SHA-256 or the first value of the series.
        self.given = {name: {} for name in PROJECTS}

    def run(self, *arguments, code=0):
        done = subprocess.run([self.program, "--log", "error", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != code:
            sys.exit(f"{arguments}: exit code {done.returncode}, not {code}: {done.stdout}{done.stderr}")
        return done.stdout

    def folder(self, name):
        path = self.home / "files" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def import_file(self, project, form, path, given, bad=()):
        """Imports a file that a library wrote. `given` is its labels by what they are of, `bad` a part of
        each reason for which a record must be refused."""
        into, code = ["import", path, "--project", project, "--format", form, "--json"], 1 if bad else 0
        if PROJECTS[project][2] == 'kind = "class"':
            # What is one class waits for a draft: the file's own labels are that, too.
            self.run(*into, "--drafts", "first 1", "--labels-are-drafts", code=code)
        said = self.run(*into, "--reader", "ann", code=code)
        report = json.loads(said)[0]
        reasons = [one["reason"] for one in report["bad_lines"]]
        good = report["added"] + report["known"] == report["readings"] == len(given)
        if not good or len(reasons) != len(bad) or not all(any(part in one for one in reasons) for part in bad):
            sys.exit(f"{project} from {form}: {len(given)} labels and reasons {bad} expected: {said}")
        twice = given.keys() & self.given[project].keys()
        assert not twice, f"{project} from {form}: {twice} are there twice"
        self.given[project].update(given)

    def export(self, project, form, *more):
        """A new snapshot, whose every file is as it was signed."""
        out = self.home / "snapshots" / f"{project}-{form}-{time.monotonic_ns()}"
        out.parent.mkdir(exist_ok=True)
        report = json.loads(self.run("export", "--project", project, "--format", form, "--out", out, "--json", *more))
        self.run("export", "verify", out)
        return out, report["counts"]

    def until(self, done, fault):
        """Waits until something is so: the agent works in the background."""
        end = time.monotonic() + 60
        while not done():
            if time.monotonic() > end:
                sys.exit(fault())
            time.sleep(0.5)

    def settled(self, project):
        """Waits until all that was imported is a label of record."""
        known, counts = len(self.given[project]), {}

        def all_are():
            counts.update(self.export(project, "jsonl", "--people-only")[1])
            return counts["people"] == known

        self.until(all_are, lambda: f"{project}: {counts} after a minute, of {known} labels")

    def compare(self, project, form, found, known=None):
        """What a library read of an export is what was given, item by item."""
        known = self.given[project] if known is None else known
        for key in known.keys() | found.keys():
            was, now = known.get(key, "nothing"), found.get(key, "nothing")
            if was != now:
                sys.exit(f"{project} as {form}: {key!r}\n  was given {was}\n  and reads {now}")
        print(f"{project} as {form}: {len(found)} labels", flush=True)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def main(action, home, program):
    if action == "projects":
        for name in PROJECTS:
            pathlib.Path(home, f"{name}.toml").write_text(definition(name))
            print(name)
        return
    import formats_read
    import formats_write

    site = Site(home, program)
    formats_write.write_all(site)
    formats_read.read_all(site)
    print(f"formats: {sum(map(len, site.given.values()))} labels in and out, each as it was given")


if __name__ == "__main__":
    main(*sys.argv[1:])
