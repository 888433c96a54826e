#!/usr/bin/env python3
"""Fills the texts that were written to learn from: authored.py SEED COPIES [ORGANISATIONS] > authored.jsonl

`texts/LANGUAGE-KIND.txt` (or `quiet-LANGUAGE.txt`, of nobody) hold invented letters, notes, questions, mails and
fragments, separated by lines of `%%`. In them `{name}` is a slot of `corpus.py`, `{name#2}` the same person
wherever it stands, and `[[NAME:Uschi]]` a name that the author chose. Each text is filled COPIES times, in languages
of which nothing is generated half as often. Packages
and lines as those of `corpus.py`.
"""
import glob
import json
import os
import re
import sys

SEED, COPIES = int(sys.argv[1]), int(sys.argv[2])
sys.argv[2] = "0"
import corpus  # noqa: E402  It reads its arguments, and makes no text.

rnd = corpus.rnd
PART = re.compile(r"\{(\w+)(?:#(\d+))?\}|\[\[(\w+):([^\[\]]+)\]\]")
# How often another author's name of the same kind stands in place of the one that is written.
EXCHANGED = 0.25


def read():
    """{language: [text]}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "texts", "*.txt"))):
        parts = os.path.basename(path).removesuffix(".txt").split("-")
        lang = parts[1] if parts[0] == "quiet" else parts[0]
        found.setdefault(lang, []).extend(open(path, encoding="utf-8").read().rstrip("\n").split("\n%%\n"))
    return found


TEXTS = read()
CHOSEN = {}
for lang_, texts_ in TEXTS.items():
    for text_ in texts_:
        for _, _, kind_, chosen_ in PART.findall(text_):
            CHOSEN.setdefault((lang_, kind_, len(chosen_.split())), []).append(chosen_)


def value(slot, number, lang, known):
    """What fills a slot: (text, kind). The numbered ones of a person fit together."""
    if not number:
        return corpus.SLOTS[slot](lang)
    if (slot, number) not in known:
        if slot in ("name", "given", "surname"):
            known.update({(part, number): corpus.SLOTS[part](lang)[0] for part in ("given", "surname")})
            name = " ".join((known["given", number], known["surname", number]))
            known["name", number] = name if rnd.random() < 0.85 else ", ".join(reversed(name.split(" ", 1)))
        else:
            known[slot, number] = corpus.SLOTS[slot](lang)[0]
    return known[slot, number], {"city": "LOCATION", "org": "ORGANIZATION", "hospital": "ORGANIZATION"}.get(slot, "NAME")


def fill(template, lang):
    text, spans, known, at = "", [], {}, 0
    for part in PART.finditer(template):
        text += template[at:part.start()]
        slot, number, kind, chosen = part.groups()
        if slot:
            chosen, kind = value(slot, number, lang, known)
        elif rnd.random() < EXCHANGED and chosen[0].isupper():
            chosen = rnd.choice(CHOSEN[lang, kind, len(chosen.split())])
        if kind:
            spans.append({"start": len(text), "end": len(text) + len(chosen), "type": kind})
        text += chosen
        at = part.end()
    text += template[at:]
    return {"text": corpus.cased(text, 0.06, 0.08), "spans": spans}


if __name__ == "__main__":
    for copy_ in range(COPIES):
        for lang_, texts_ in TEXTS.items():
            # Languages of which there is nothing else count half, so that the others lose nothing.
            if copy_ % 2 and lang_ not in corpus.SENTENCES:
                continue
            for text_ in texts_:
                print(json.dumps(fill(text_, lang_), ensure_ascii=False))
