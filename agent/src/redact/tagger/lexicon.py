#!/usr/bin/env python3
"""Makes the tagger's lexicon: lexicon.py OUT

Hashes of words in small letters with what they can be: 1 a word of English, German, Spanish, French, Italian,
Dutch or Portuguese (pyspellchecker's frequency lists, MIT), 2 a given name, 4 a surname, 8 a town (faker's lists, MIT).
Format: b"INSTLEX1", count (u32 LE), hashes in ascending order (u32 LE each), flags (u8 each).
"""
import gzip
import json
import os
import struct
import sys

import faker.providers.address
import spellchecker
from faker.config import AVAILABLE_LOCALES
from faker import Faker

from templates import TOWNS

WORD, GIVEN, SURNAME, TOWN, RARE = 1, 2, 4, 8, 16
flags = {}


def add(word, flag):
    for part in str(word).replace("-", " ").split():
        if part.isalpha() and len(part) > 1:
            part = part.lower()
            flags[part] = flags.get(part, 0) | flag


def elements(provider, *names):
    for name in names:
        yield from (getattr(provider, name, None) or ())


def listed(lang):
    path = os.path.join(os.path.dirname(spellchecker.__file__), "resources", lang + ".json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file).items()


for lang in ("en", "de", "es"):
    for word, count in listed(lang):
        # The lists come from subtitles and hold names too: of rare words only German ones are
        # taken, where compounds make most words rare.
        if count > 200 or lang == "de":
            add(word, WORD if count > 200 else RARE)
for locale in sorted(AVAILABLE_LOCALES):
    try:
        providers = Faker(locale).get_providers()
    except Exception:
        continue
    for provider in providers:
        for word in elements(provider, "first_names", "first_names_male", "first_names_female"):
            add(word, GIVEN)
        for word in elements(provider, "last_names", "last_names_male", "last_names_female"):
            add(word, SURNAME)
        for word in elements(provider, "cities", "city_names", "countries", "states", "provinces", "regions"):
            add(word[-1] if isinstance(word, tuple) else word, TOWN)
for towns in TOWNS.values():
    for town in towns.split(","):
        add(town, TOWN)


for lang in ("fr", "it", "nl", "pt"):
    for word, count in listed(lang):
        # What is a word of these only is a name to more readers.
        if count > 200 and not flags.get(word.lower(), 0) & (GIVEN | SURNAME | TOWN):
            add(word, WORD)


def small_hash(word):
    value = 0xCBF29CE484222325
    for c in word:
        value = ((value ^ ord(c)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return (value ^ (value >> 32)) & 0xFFFFFFFF


table = {}
for word, flag in flags.items():
    if flag & RARE:
        flag = flag & ~RARE if flag & (GIVEN | SURNAME | TOWN) else WORD
    key = small_hash(word)
    table[key] = table.get(key, 0) | flag
keys = sorted(table)
with open(sys.argv[1], "wb") as out:
    out.write(b"INSTLEX1" + struct.pack("<I", len(keys)))
    out.write(struct.pack(f"<{len(keys)}I", *keys))
    out.write(bytes(table[key] for key in keys))
print(len(keys), {bit: sum(1 for f in table.values() if f & bit) for bit in (1, 2, 4, 8)})
