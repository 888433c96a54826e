#!/usr/bin/env python3
"""Makes the list of countries: countries.py > countries.txt

Needs the PyPI package babel (names of the Unicode CLDR, Unicode-3.0). Names in English, German and Spanish,
a line each, sorted by their bytes; those that are words as well are left out.
"""
import re
import sys

from babel import Locale

# Uninhabited islands, and what is no country.
LEFT_OUT = "AC AQ BV CP CQ DG EA EU EZ HM IC IO QO SJ TA TF UM UN XA XB XK ZZ".split()
# Words of a language, names of people, or of things: a reader must tell what they are.
WORDS = {"Chad", "Jordan", "Georgia", "Guinea", "Turkey", "Jersey", "Guernsey", "Niger", "Island", "Reunión", "Anguila"}
PARTS = "England;Scotland;Wales;Northern Ireland;Great Britain;Schottland;Nordirland;Großbritannien;Escocia;Gales;Inglaterra;Irlanda del Norte;Gran Bretaña;Holland;Holanda;Czech Republic;USA;Kosovo"

names = set(PARTS.split(";"))
for language in ("en", "de", "es"):
    for code, name in Locale(language).territories.items():
        if re.fullmatch("[A-Z]{2}", code) and code not in LEFT_OUT:
            name = re.sub(r" ?\(.*\)|^RAE de | SAR.*|, Sonderverwaltungsregion .*|^Sonderverwaltungsregion ", "", name)
            name = name.replace("St. ", "Saint ") if language == "en" else name
            if name not in WORDS:
                names.add(name)
sys.stdout.write("\n".join(sorted(names, key=str.encode)) + "\n")
