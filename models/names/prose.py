#!/usr/bin/env python3
"""Real sentences without personal data, and generated ones among them.

prose.py HELP_FOLDER GENERATED.jsonl COUNT SEED > mixed.jsonl

HELP_FOLDER is `usr/share/libreoffice/help` of Debian's packages libreoffice-help-{de,es,en-us} (MPL-2.0):
some hundred thousand sentences about text documents and tables, in which German writes its nouns with
capitals and nobody is named. GENERATED is what `corpus.py` makes.
"""
import html
import json
import os
import random
import re
import sys

PRODUCTS = re.compile(r"LibreOffice|Office|Microsoft|Google|Apple|Windows|Linux|Unix|Mac|Adobe|Oracle|Mozilla|Firefox|Sun |Java|SQL|Foundation|"
                      r"Mustermann|Max |Meier|Müller|Smith|Doe|Berlin|Hamburg|Paris|London|Madrid|http|www|@|&|[<>{}\\=]")
NAMES = re.compile(r"\b(Herr|Frau|Sr|Sra|Mr|Mrs|Ms|Dr)\b\.?")


def sentences(folder):
    found = set()
    for root, _, files in os.walk(folder):
        for name in sorted(files):
            if not name.endswith(".html"):
                continue
            text = open(os.path.join(root, name), encoding="utf-8", errors="replace").read()
            for block in re.findall(r"(?s)<(?:p|td|li|h\d)[^>]*>(.*?)</(?:p|td|li|h\d)>", text):
                block = " ".join(html.unescape(re.sub(r"<[^>]+>", "", block)).split())
                for line in re.split(r"(?<=[.!?:])\s+(?=[A-ZÄÖÜ¿¡])", block):
                    if 25 < len(line) < 260 and not PRODUCTS.search(line) and not NAMES.search(line):
                        found.add(line)
    return sorted(found)


def main():
    folder, generated, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rnd = random.Random(seed)
    prose = {lang: sentences(os.path.join(folder, place)) for lang, place in (("de", "de"), ("es", "es"), ("en", "en-US"))}
    made = [json.loads(line) for line in open(generated, encoding="utf-8")]
    short = [one for one in made if len(one["text"]) < 220]
    print({lang: len(lines) for lang, lines in prose.items()}, file=sys.stderr)
    for _ in range(count):
        lang = rnd.choices(["de", "es", "en"], [0.5, 0.2, 0.3])[0]
        text, spans = "", []
        for _ in range(rnd.randint(1, 5)):
            if rnd.random() < 0.3:
                one = rnd.choice(short)
                spans += [{**span, "start": span["start"] + len(text), "end": span["end"] + len(text)} for span in one["spans"]]
                text += one["text"]
            else:
                text += rnd.choice(prose[lang])
            text += rnd.choice([" ", " ", "\n"])
        print(json.dumps({"text": text, "spans": spans}, ensure_ascii=False))


if __name__ == "__main__":
    main()
