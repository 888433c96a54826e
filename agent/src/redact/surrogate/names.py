#!/usr/bin/env python3
"""Makes names.txt, the names that surrogates are drawn from: names.py OUT

Given names of women and men, surnames, and towns in English, German and Spanish, from the lists of
the PyPI package faker (MIT). One per line: locale, sort (F, M, S surname, T town), name; sorted.
"""
import sys

from faker import Faker

LOCALES = {"de": "de_DE", "en": "en_US", "es": "es_ES"}
MOST = {"F": 500, "M": 500, "S": 1000, "T": 250}


def single(names):
    """Names of one word in Latin letters, as they are usually written."""
    return [n for n in names if n.isalpha() and n[1:].islower() and n[0].isupper() and 3 <= len(n) <= 12]


def lists(fake):
    found = {"F": [], "M": [], "S": [], "T": []}
    for provider in fake.get_providers():
        for sort, field in (("F", "first_names_female"), ("M", "first_names_male"), ("S", "last_names")):
            found[sort] += getattr(provider, field, None) or ()
    fake.seed_instance(1)
    found["T"] = [fake.city() for _ in range(4000)]
    return found


lines = set()
for locale, name in LOCALES.items():
    for sort, names in lists(Faker(name)).items():
        for one in list(dict.fromkeys(single(names)))[: MOST[sort]]:
            lines.add(f"{locale} {sort} {one}\n")
with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.writelines(sorted(lines))
