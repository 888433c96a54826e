#!/usr/bin/env python3
"""Makes the tagger's generated training texts: corpus.py SEED COUNT [ORGANISATIONS] > corpus.jsonl

`templates.py` and `letters.py` hold the carriers, `institutions.py` the names of hospitals and the like. Needs the
PyPI packages faker (names, places, companies), pyspellchecker (word lists, MIT) and django (translated interface
messages, BSD: lines without personal data). Every text is invented: templates of ours, filled at random. Each line
is {"text", "spans": [{"start", "end", "type"}]}, code points.
With ORGANISATIONS, a file of names, a third of the companies are of these.
"""
import gzip
import json
import os
import random
import re
import sys

import django
import spellchecker
from faker import Faker
from faker.config import AVAILABLE_LOCALES

import letters
from institutions import institution
from templates import CLEAN, CLOSINGS, DID, FIELDS, HEADERS, SALADS, SENTENCES, TOWNS, WHO

for lang_ in SENTENCES:
    SENTENCES[lang_] += letters.SENTENCES[lang_]
    CLEAN[lang_] += letters.CLEAN[lang_]

SEED, COUNT = int(sys.argv[1]), int(sys.argv[2])
ORGANISATIONS = [line.strip() for path in sys.argv[3:] for line in open(path, encoding="utf-8") if not line.startswith("#")]
rnd = random.Random(SEED)
Faker.seed(SEED)

LOCALES = {
    "en": "en_US en_GB en_AU en_CA en_IN en_IE en_NZ en_US en_GB".split(),
    "de": "de_DE de_AT de_CH de_DE".split(),
    "es": "es_ES es_MX es_AR es_CO es_CL es_ES".split(),
    # Of these languages there are written texts alone: `authored.py`.
    "fr": "fr_FR fr_BE fr_CH fr_CA fr_FR".split(),
    "it": "it_IT it_IT it_CH".split(),
    "nl": "nl_NL nl_BE nl_NL".split(),
    "pt": "pt_PT pt_BR".split(),
}
ELSEWHERE = ("it_IT fr_FR pl_PL nl_NL pt_BR pt_PT sv_SE da_DK no_NO fi_FI cs_CZ hu_HU ro_RO tr_TR hr_HR "
             "sl_SI sk_SK et_EE lt_LT lv_LV is_IS id_ID vi_VN fil_PH en_IN zu_ZA el_GR ru_RU uk_UA bg_BG de_DE es_ES").split()
fakers = {}


def faker(locale):
    if locale not in fakers:
        try:
            fakers[locale] = Faker(locale)
        except Exception:
            fakers[locale] = Faker("en_US")
    return fakers[locale]


def locale(lang):
    return rnd.choice(LOCALES[lang] if rnd.random() < 0.6 else ELSEWHERE + LOCALES["en"])


def words(lang):
    path = os.path.join(os.path.dirname(spellchecker.__file__), "resources", lang + ".json.gz")
    table = json.load(gzip.open(path, "rt", encoding="utf-8"))
    # Common words come often, as in running text, but not as often as they do there.
    return {w: n ** 0.5 for w, n in table.items() if n > 40 and w.isalpha() and len(w) > 2}


COUNTRIES = {
    "en": "Canada Germany France Spain Italy England Scotland Ireland Wales Britain America Mexico Brazil Argentina Chile Peru Colombia India China Japan Korea Vietnam Thailand Philippines Indonesia Australia Russia Ukraine Poland Sweden Norway Denmark Finland Estonia Latvia Greece Turkey Egypt Nigeria Kenya Ghana Ethiopia Morocco Israel Iran Iraq Syria Pakistan Afghanistan Switzerland Austria Belgium Netherlands Portugal Hungary Romania Slovenia Croatia Serbia Cuba Haiti Jamaica Somalia".split(),
    "de": "Deutschland Österreich Schweiz Türkei Polen Italien Spanien Frankreich Syrien Rumänien Kroatien Griechenland Russland Ukraine Afghanistan Irak Portugal Niederlande".split(),
    "es": "España México Argentina Colombia Chile Perú Venezuela Ecuador Cuba Francia Italia Portugal Marruecos Rumanía Bolivia Uruguay Alemania".split(),
}
WORDS = {lang: words(lang) for lang in ("en", "de", "es")}


def listed(*lists):
    """Every entry of faker's lists of these names, in all locales, in small letters, word by word."""
    for loc in sorted(AVAILABLE_LOCALES):
        for provider in faker(loc).get_providers():
            for entry in (e for name in lists for e in (getattr(provider, name, None) or ())):
                entry = entry[-1] if isinstance(entry, tuple) else entry
                yield from (part for part in str(entry).lower().replace("-", " ").split() if len(part) > 2)


GIVENS = set(listed("first_names", "first_names_male", "first_names_female"))
NAMES = GIVENS | set(listed("last_names", "last_names_male", "last_names_female", "cities", "city_names", "countries", "states", "provinces", "regions"))
for names_ in (*TOWNS.values(), *map(" ".join, COUNTRIES.values())):
    NAMES.update(names_.lower().replace(",", " ").split())
# In small letters every word is a word; with a capital, one that is a name too says nothing, unless
# it is so common that it starts sentences more often than it names people.
CAPITALS = {}
for lang_, table_ in WORDS.items():
    common = set(sorted(table_, key=table_.get, reverse=True)[:1500]) - GIVENS
    keep = [w for w in table_ if w not in NAMES or w in common]
    CAPITALS[lang_] = rnd.choices(keep, [table_[w] for w in keep], k=200_000)
    common = sorted(table_, key=table_.get, reverse=True)[:6000]
    keep = [w for w in table_ if w not in NAMES] + [w for w in common if w in NAMES and w not in GIVENS]
    WORDS[lang_] = rnd.choices(keep, [table_[w] for w in keep], k=200_000)


def messages(lang):
    """Interface messages of django: real lines of a language without names."""
    root = os.path.dirname(django.__file__)
    lines = set()
    for folder, _, files in os.walk(root):
        if "django.po" in files and folder.endswith(os.path.join("locale", lang, "LC_MESSAGES")):
            text = open(os.path.join(folder, "django.po"), encoding="utf-8").read()
            field = "msgid" if lang == "en" else "msgstr"
            if lang == "en":
                text = re.sub(r"(?s)^.*?\n\n", "", text, count=1)
            for m in re.finditer(field + r' "((?:[^"\\]|\\.)+)"', text):
                line = re.sub(r"%\(?\w*\)?[sd]", "x", m.group(1)).replace("\\n", " ").replace('\\"', '"')
                if "@" not in line and len(line) > 12:
                    lines.add(line)
    return sorted(lines)


MESSAGES = {"de": messages("de"), "es": messages("es")}
try:
    from pydoc_data.topics import topics
    prose = " ".join(" ".join(v.split()) for v in topics.values())
    MESSAGES["en"] = [s for s in re.split(r"(?<=[.])\s+(?=[A-Z])", prose)
                      if 30 < len(s) < 220 and not re.search(r"Guido|Rossum|Python Software|Wikipedia|Unicode Con", s)]
except ImportError:
    pass

EPONYMS = ("Parkinson Alzheimer Crohn Hodgkin Foley Marfan Down Turner Wilson Cushing Addison Graves Hashimoto "
           "Bell Bright Raynaud Sjögren Behçet Kaposi Kawasaki Ménière Huntington Tourette Guillain-Barré "
           "Epstein-Barr Creutzfeldt-Jakob Wernicke Korsakoff Charcot Duchenne Becker Ewing Wilms Paget Barrett "
           "Whipple Billroth Trendelenburg Babinski Romberg Murphy McBurney Lasègue Kernig Brudzinski Homans "
           "Swan-Ganz Hickman Bartholin Baker Colles Dupuytren Peyronie Peutz-Jeghers Lynch Osler Virchow "
           "Glasgow Apgar Child-Pugh Karnofsky Gleason Breslow Clark Ann-Arbor Killip Framingham Wells Ranson "
           "Bishop Tanner Braden Norton Barthel Morse Kocher Allen Tinel Phalen Weber Rinne Schirmer Doppler "
           "Holter Papanicolaou Coombs Gram Giemsa Golgi Purkinje Schwann Kupffer Langerhans Fallot Eisenmenger "
           "Stevens-Johnson Henoch-Schönlein Waldenström Bechterew Basedow Scheuermann Perthes Sudeck Baastrup "
           "Pfeiffer Winiwarter-Buerger Bowen Fabry Gaucher Pompe Niemann-Pick Tay-Sachs Lesch-Nyhan Lewy Pick "
           "Rett Asperger Angelman Prader-Willi Klinefelter Noonan Ehlers-Danlos Fanconi Alport Goodpasture "
           "Wegener Churg-Strauss Takayasu Horton Boerhaave Mallory-Weiss Zollinger-Ellison Budd-Chiari Caroli "
           "Gilbert Crigler-Najjar Dubin-Johnson Fuhrman Redon Robinson Kirschner Hartmann Nissen").split()
DRUGS = ("Metformin Amoxicillin Paracetamol Ibuprofen Ramipril Bisoprolol Metoprolol Simvastatin Atorvastatin "
         "Pantoprazol Omeprazole ASS Aspirin Clopidogrel Marcumar Xarelto Eliquis Heparin Insulin Lantus Humalog "
         "Novorapid L-Thyroxin Levothyroxine Torasemid Furosemide HCT Amlodipin Lisinopril Losartan Warfarin "
         "Prednisolon Prednisone Dexamethasone Ciprofloxacin Ceftriaxon Vancomycin Tylenol Advil Lipitor Zoloft "
         "Prozac Lexapro Xanax Ativan Seroquel Zyprexa Keppra Lyrica Gabapentin Tramadol Morphin Fentanyl Oxycodone "
         "Novalgin Tilidin Voltaren Diclofenac Enalapril Valsartan Candesartan Spironolacton Digoxin Amiodarone "
         "Rituximab Trastuzumab Pembrolizumab Cisplatin Carboplatin Paclitaxel Doxorubicin Tamoxifen Letrozole "
         "Methotrexate Azathioprine Ciclosporin Tacrolimus Humira Enbrel Ozempic Wegovy Jardiance Symbicort "
         "Salbutamol Ventolin Spiriva Singulair Zyrtec Benadryl Augmentin Azithromycin Doxycycline").split()
CONDITIONS = {
    "en": "diabetes;hypertension;asthma;pneumonia;heart failure;atrial fibrillation;migraine;chest pain;shortness of breath;a urinary tract infection;back pain;COPD;anemia;a stroke;depression;anxiety;eczema;a rash;abdominal pain;kidney stones;gout;arthritis;high cholesterol;sleep apnea;breast cancer;colon cancer;psoriasis;GERD;hypothyroidism;fever and cough;dizziness;a headache".split(";"),
    "de": "Diabetes mellitus Typ 2;arterielle Hypertonie;Vorhofflimmern;Pneumonie;Herzinsuffizienz;COPD;Zustand nach Apoplex;koronare Herzkrankheit;Niereninsuffizienz;Mammakarzinom;Kolonkarzinom;Cholezystolithiasis;Gonarthrose;Anämie;Harnwegsinfekt;Schilddrüsenunterfunktion;Adipositas;Depression;Osteoporose;Refluxkrankheit;Leberzirrhose;Pankreatitis;Lungenembolie;Bandscheibenvorfall;Melanom".split(";"),
    "es": "diabetes mellitus tipo 2;hipertensión arterial;asma bronquial;neumonía;insuficiencia cardiaca;fibrilación auricular;cefalea;dolor torácico;disnea;infección urinaria;lumbalgia;EPOC;anemia;ictus isquémico;depresión;colelitiasis;carcinoma de mama;insuficiencia renal crónica;hipotiroidismo;artritis reumatoide".split(";"),
}
DEPARTMENTS = {
    "en": "Cardiology;Neurology;Radiology;Internal Medicine;the Emergency Department;Oncology;ICU;Pediatrics;Surgery;Orthopedics;Physical Therapy;Dermatology".split(";"),
    "de": "Kardiologie;Neurologie;Radiologie;Innere Medizin;Notaufnahme;Nephrologie;Urologie;Dermatologie;HNO;Gynäkologie;Augenklinik;Geriatrie;Psychiatrie;Anästhesie;Rheumatologie;Endokrinologie;Pneumologie;Hämatologie;Strahlentherapie;Onkologie;Intensivstation;Pädiatrie;Chirurgie;Orthopädie;Station 3B;Medizinische Klinik II;Gastroenterologie".split(";"),
    "es": "Cardiología;Neurología;Radiodiagnóstico;Medicina Interna;Urgencias;Oncología;UCI;Pediatría;Cirugía General;Traumatología;Urología;Dermatología;Nefrología;Neumología;Hematología;Reumatología;Endocrinología;Digestivo;Aparato Digestivo;Ginecología;Oftalmología;Psiquiatría;Nutrición;Anatomía Patológica;Medicina Intensiva;Infecciosas;Rehabilitación;Alergología;Otorrinolaringología;Cirugía Plástica;Cirugía Vascular".split(";"),
}
STREETS = {
    "en": ["{n3} {surname} Street", "{n4} {surname} Ave", "{n3} {given} Road", "{n2} {surname} Lane, Apt {n2}", "{n4} {city} Blvd, Suite {n3}", "{n2} {surname} Close", "P.O. Box {n4}", "Flat {n1}, {n2} {surname} Gardens", "{n4} N {surname} St"],
    "de": ["{surname}straße {n2}", "{given}weg {n2}", "{surname}str. {n2}", "Am {surname}platz {n1}", "{city}er Straße {n3}", "Hauptstraße {n2}a", "{surname}gasse {n1}", "{given}-{surname}-Allee {n2}", "Im {surname} {n1}", "Bahnhofstr. {n2}"],
    "fr": ["{n2} rue {surname}", "{n2}, avenue {given} {surname}", "{n1} bis, chemin de {city}", "{n3} boulevard {surname}", "place {surname} {n1}"],
    "it": ["via {surname} {n2}", "Via {given} {surname}, {n2}", "piazza {surname} {n1}", "viale {city} {n3}", "corso {surname} {n2}/A"],
    "nl": ["{surname}straat {n2}", "{surname}laan {n3}", "{given} {surname}plein {n1}", "{city}seweg {n2}", "{surname}kade {n2}a"],
    "pt": ["Rua {given} {surname}, {n2}", "Av. {surname}, {n4}", "Travessa de {city} {n1}", "Rua {surname} n.º {n2}, {n1}.º D", "Praça {surname}, {n2}"],
    "es": ["Calle {surname}, {n2}", "C/ {given} {surname}, {n2}, {n1}º A", "Avda. de {city}, {n3}", "Plaza {surname} {n1}", "Paseo de {surname} {n2}, {n1}B", "calle {surname} {n2}", "Av. {surname} {surname} s/n", "Carretera de {city}, km {n1}", "Rúa {surname}, {n2}", "Urbanización {surname}, {n2}", "Ronda de {surname}, {n2}, {n1}D", "Travesía {given} {n1}"],
}


def case(text):
    x = rnd.random()
    return text.upper() if x < 0.06 else text.lower() if x < 0.11 else text


def given(lang):
    return case(faker(locale(lang)).first_name())


def surname(lang):
    f = faker(locale(lang))
    return case(spliced(f.last_name(), f.last_name()) if rnd.random() < 0.12 else f.last_name())


def full(lang):
    f = faker(locale(lang))
    g, s = f.first_name(), f.last_name()
    if lang == "es" and rnd.random() < 0.6:
        s += " " + f.last_name()
    x = rnd.random()
    if x < 0.62:
        text = f"{g} {s}"
    elif x < 0.70:
        text = f"{g} {rnd.choice('ABCDEFGHJKLMNPRST')}{rnd.choice(['.', '.', ''])} {s}"
    elif x < 0.76:
        text = f"{rnd.choice('ABCDEFGHJKLMNPRST')}. {s}"
    elif x < 0.84:
        text = f"{s}, {g}"
    elif x < 0.90:
        text = f"{g} {f.first_name()} {s}"
    elif x < 0.95:
        text = f"{g} {s}-{f.last_name()}"
    else:
        text = f"{rnd.choice('ABCDEFGH')}.{rnd.choice('ABCDEFGH')}. {s}"
    return case(text)


def digits(n):
    return str(rnd.randint(10 ** (n - 1) if n > 1 else 1, 10 ** n - 1))


def date(lang):
    d, m, y = rnd.randint(1, 28), rnd.randint(1, 12), rnd.randint(1925, 2024)
    return rnd.choice([f"{d:02}.{m:02}.{y}", f"{d}.{m}.{y % 100:02}", f"{d:02}.{m:02}."] if lang == "de"
                      else [f"{d:02}/{m:02}/{y}", f"{m}/{d}/{y % 100:02}", f"{y}-{m:02}-{d:02}", f"{d}/{m}/{y}"])


def fill_plain(template, lang):
    """Fills a template that is one span as a whole."""
    def value(m):
        k = m.group(1)
        if k == "given":
            return faker(rnd.choice(LOCALES[lang])).first_name()
        if k == "surname":
            return faker(locale(lang)).last_name()
        if k == "city":
            return town(lang)
        return digits(int(k[1]))
    return re.sub(r"\{(\w+)\}", value, template)


# Words that announce a number, which are no names however they are written.
LABELS = ("SSN SS# MRN DOB NPI DEA IBAN BIC SWIFT IMEI VIN MAC DL# NIR NIF NIE DNI C.F. TFN PESEL PAN MBI NHS ID IP Steuer-ID IdNr "
          "NASS NHC CIPA KVNR BSN CPF Acct Tel Fax Phone Mobile Email URL Ref Ref. Lot Batch Order PIN PO# Case File Chart Serial Code "
          "Plate Card Policy Group Member Account Invoice Passport License Rezept Fall-Nr Pat.-Nr Kto BLZ Konto Nr. No. Nº Cod. Exp. "
          "Aadhaar UDI LOINC CPT ICD-10 SNOMED Episodio Colegiado NºCol").split()


def code():
    """A number or an identifier of any shape: never a name or a place."""
    shape = rnd.choice(["#######", "###-##-####", "#### #### #### ####", "##########", "@@######", "@#@#@#@#", "### ### ####",
                        "+## ### #######", "(###) ###-####", "@@## #### #### #### ####", "#.#.#", "###.###.###.###", "##-###",
                        "########@", "@@@@@@##@##@###@", "##:##", "#,###", "v#.#", "@#######", "#### ##### #", "############"])
    pick = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUVWXYZ"}
    return "".join(rnd.choice(pick[c]) if c in pick else c for c in shape)


FUNCTION = {
    "en": "the of and to in a is that for it with as was on by at from or an be this which are not but had have were".split(),
    "de": "der die das und in zu den mit von auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach".split(),
    "es": "de la que el en y a los del se las por un para con no una su al lo como más o pero sus le ha".split(),
}


def salad(lang):
    """Words of a language in no order, as running text has them: every other one a small word."""
    def noun():
        capital = lang == "de" and rnd.random() < 0.45 or rnd.random() < 0.03
        return rnd.choice(CAPITALS[lang]).capitalize() if capital else rnd.choice(WORDS[lang])
    return " ".join(rnd.choice(FUNCTION[lang]) if rnd.random() < 0.45 else noun() for _ in range(rnd.randint(2, 9)))


def medical(lang):
    return rnd.choice(CONDITIONS[lang])


def term(lang):
    """A medical term that no word list holds, from parts; in German a noun."""
    heads, tails = letters.PARTS[lang]
    head = rnd.choice(heads) + (rnd.choice(heads).lower() if rnd.random() < 0.25 else "")
    word = head + rnd.choice(tails)
    if lang == "de" and rnd.random() < 0.2:
        return rnd.choice(heads) + "-" + rnd.choice(tails).capitalize()
    if lang != "de" and rnd.random() < 0.3:
        return rnd.choice(WORDS[lang]) + " " + word
    return word


def drug():
    if rnd.random() < 0.4:
        return rnd.choice(DRUGS)
    return rnd.choice(letters.DRUG_HEADS) + rnd.choice(["", "", *letters.DRUG_MIDDLES]) + rnd.choice(letters.DRUG_TAILS)


def eponym(lang):
    """What a disease, a sign or a scale is called after: mostly known, sometimes anybody."""
    return rnd.choice(EPONYMS) if rnd.random() < 0.6 else faker(locale(lang)).last_name()


def acronym():
    return "".join(rnd.choice("ABCDEFGHIKLMNPRSTV") for _ in range(rnd.randint(2, 5)))


def germ():
    genus, species = rnd.choice(letters.GERMS).split()
    return rnd.choice([f"{genus} {species}", f"{genus[0]}. {species}", genus])


def spliced(a, b):
    """An unknown word that looks like one: the head of one and the tail of another."""
    return a[:rnd.randint(2, max(2, len(a) - 2))] + b[-rnd.randint(2, max(2, min(5, len(b)))):].lower()


def company(lang):
    if ORGANISATIONS and rnd.random() < 0.35:
        return rnd.choice(ORGANISATIONS)
    x = rnd.random()
    if x < 0.4:
        return faker(locale(lang)).company()
    brand = spliced(rnd.choice(CAPITALS["en"]), rnd.choice(CAPITALS["en"])).capitalize()
    if x < 0.75:
        return brand + rnd.choice(["", "", "", " Inc", " Corp", " Labs", " Group", " GmbH", " AG", " Ltd", " Health", " Systems", " S.A.", "soft"])
    return " ".join(rnd.choice(CAPITALS["en"]).capitalize() for _ in range(2)) + rnd.choice(["", " Inc", " LLC", " Bank", " Corporation", " Technologies", " Foundation", " University"])


def town(lang):
    if lang not in TOWNS:
        return faker(rnd.choice(LOCALES[lang])).city()
    known = TOWNS[lang if rnd.random() < 0.7 else rnd.choice(list(TOWNS))].split(",")
    return rnd.choice(known) if rnd.random() < 0.35 else faker(locale(lang)).city()


def postal(lang):
    """An address as forms print it, one piece a line."""
    loc = locale(lang)
    f = faker(loc)
    name = rnd.choice([f.last_name, f.first_name, f.city, f.last_name])()
    road = rnd.choice([f"{digits(4)} {name} {rnd.choice(['Street', 'Road', 'Ave', 'Court', ''])}", f"{name} {digits(2)}", f"{digits(3)} {name} {digits(2)}",
                       f"{rnd.choice(['Rua', 'Via', 'Rue', 'Calle', 'ul.', 'Avenue'])} {name} {digits(2)}", f.street_address().replace("\n", " ")]).strip()
    unit = rnd.choice([f"Apt. {digits(3)}", f"Suite {digits(2)}", f"Unit {digits(2)}", "", "", f"Floor {digits(1)}"])
    town = case(f.city())
    rest = rnd.choice([[f.postcode()], [faker("en_US").country(), digits(5)], [faker("en_US").state_abbr(), f.postcode()], [faker("en_US").country()], []])
    gap = rnd.choice(["\n", "\n ", ", ", "\n\n", " ", "\n   "])
    parts = [road + (rnd.choice([" ", gap]) + unit if unit else ""), town, *rest]
    if rnd.random() < 0.3:
        parts[1:] = [" ".join(parts[1:])]
    return gap.join(parts)


SLOTS = {
    "name": lambda l: (full(l), "NAME"),
    "postal": lambda l: (postal(l), "LOCATION"),
    "label": lambda l: (rnd.choice(LABELS), None),
    "given": lambda l: (given(l), "NAME"),
    "surname": lambda l: (surname(l), "NAME"),
    "city": lambda l: (case(town(l)), "LOCATION"),
    "country": lambda l: (faker("en_US").country() if l == "en" and rnd.random() < 0.4 else rnd.choice(COUNTRIES[l]), "LOCATION"),
    "state": lambda l: ((faker("en_US").state() if l == "en" else faker("de_DE").administrative_unit() if l == "de" else faker("es_ES").state()), "LOCATION"),
    "street": lambda l: (case(fill_plain(rnd.choice(STREETS[l]), l)), "LOCATION"),
    "address": lambda l: (faker(rnd.choice(LOCALES[l] if rnd.random() < .6 else ELSEWHERE)).address().replace("\n", rnd.choice([", ", "\n", ", "])), "LOCATION"),
    "zip": lambda l: (faker(rnd.choice(LOCALES[l] if rnd.random() < 0.7 else ELSEWHERE)).postcode(), "LOCATION"),
    "org": lambda l: (case(company(l)), "ORGANIZATION"),
    "hospital": lambda l: (case(institution(l, rnd, fill_plain)), "ORGANIZATION"),
    "age": lambda l: (str(rnd.randint(1, 99)), None if l == "en" else "AGE"),
    "anos": lambda l: (f"{rnd.randint(1, 99)} {rnd.choice(['años', 'años', 'años', 'meses', 'días'])}", "AGE"),
    "plainage": lambda l: (str(rnd.randint(2, 89)), None),
    "eponym": lambda l: (eponym(l), None),
    "acro": lambda l: (acronym(), None),
    "germ": lambda l: (germ(), None),
    "drug": lambda l: (drug(), None),
    "cond": lambda l: (medical(l), None),
    "term": lambda l: (term(l), None),
    "Term": lambda l: ((lambda t: t[0].upper() + t[1:])(term(l)), None),
    "dept": lambda l: (rnd.choice(DEPARTMENTS[l]), None),
    "date": lambda l: (date(l), None),
    "n1": lambda l: (digits(1), None), "n2": lambda l: (digits(2), None), "n3": lambda l: (digits(3), None),
    "n4": lambda l: (digits(4), None), "n7": lambda l: (digits(7), None),
    "phone": lambda l: (faker(rnd.choice(LOCALES[l])).phone_number(), None),
    "email": lambda l: (faker("en_US").email(), None),
    "job": lambda l: ((faker("en_US").job() if l == "en" else rnd.choice(WORDS[l])), None),
    "w": lambda l: (rnd.choice(WORDS[l]), None),
    "W": lambda l: (rnd.choice(CAPITALS[l]).capitalize(), None),
    "msg": lambda l: (rnd.choice(MESSAGES[l]), None),
    "year": lambda l: (str(rnd.randint(1930, 2025)), None),
    "code": lambda l: (code(), None),
    "weekday": lambda l: (rnd.choice({"en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday", "de": "Montag Dienstag Mittwoch Donnerstag Freitag", "es": "lunes martes jueves viernes domingo"}[l].split()), None),
    "month": lambda l: (rnd.choice({"en": "January February March April May June July August October", "de": "Januar März April Mai Juni August Oktober", "es": "enero marzo abril mayo junio agosto octubre"}[l].split()), None),
    "salad": lambda l: (salad(l), None),
    "words": lambda l: (" ".join(rnd.choice(WORDS[l]) for _ in range(rnd.randint(3, 10))), None),
    "Words": lambda l: (" ".join(rnd.choice(CAPITALS[l]).capitalize() for _ in range(rnd.randint(2, 5))), None),
}


def fill(template, lang, text, spans):
    """Appends a filled template to `text`, its spans to `spans`."""
    at = 0
    for m in re.finditer(r"\{(\w+)\}", template):
        text += template[at:m.start()]
        value, kind = SLOTS[m.group(1)](lang)
        if kind:
            spans.append({"start": len(text), "end": len(text) + len(value), "type": kind})
        text += value
        at = m.end()
    return text + template[at:]


def cased(text, small, either):
    """A text in small letters with probability `small`, in capitals up to `either`; its length stays, so that spans do."""
    x = rnd.random()
    if x < small:
        return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    if x < either:
        return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)
    return text


def document(lang):
    text, spans = "", []
    shape = rnd.random()
    if shape < 0.30:                                   # one sentence with personal data
        pick = rnd.random()
        if pick < 0.30:                                # an action: who, what, whom or where
            template = " ".join((rnd.choice(WHO[lang]), rnd.choice(DID[lang])))
        elif pick < 0.50:                              # names in any words
            template = rnd.choice(SALADS)
        else:
            template = rnd.choice(SENTENCES[lang])
        text = fill(template, lang, text, spans)
    elif shape < 0.47:                                 # one sentence without
        text = fill(rnd.choice(CLEAN[lang]), lang, text, spans)
    elif shape < 0.60:                                 # a letter: its head, its text, its end
        for template in rnd.choice(letters.LETTERS[lang]):
            if rnd.random() < 0.85:
                text = fill(template, lang, text, spans) + rnd.choice(["\n", "\n", "\n\n"])
        for _ in range(rnd.randint(1, 7)):
            pool = SENTENCES if rnd.random() < 0.25 else CLEAN
            text = fill(rnd.choice(pool[lang]), lang, text, spans) + rnd.choice([" ", " ", "\n"])
        for template in letters.ENDS[lang]:
            if rnd.random() < 0.4:
                text += "\n" if not text.endswith("\n") else ""
                text = fill(template, lang, text, spans) + rnd.choice(["\n", "\n\n"])
    elif shape < 0.78:                                 # a note: header, sentences, closing
        for part in (HEADERS, None, None, None, None, CLOSINGS):
            if part is None:
                for _ in range(rnd.randint(0, 3)):
                    pool = SENTENCES if rnd.random() < 0.35 else CLEAN
                    text = fill(rnd.choice(pool[lang]), lang, text, spans) + rnd.choice([" ", " ", "\n"])
                text += "\n" if not text.endswith("\n") else ""
            elif rnd.random() < 0.6:
                text = fill(rnd.choice(part[lang]), lang, text, spans) + "\n"
    else:                                              # a form
        for template in rnd.sample(FIELDS[lang], rnd.randint(2, 6)):
            text = fill(template, lang, text, spans) + rnd.choice(["\n", "\n", "\n", ". ", "; ", ".\n"])
        if rnd.random() < 0.5:
            text = fill(rnd.choice(CLEAN[lang]), lang, text, spans)
    return {"text": cased(text, 0.04, 0.06), "spans": spans}


for _ in range(COUNT):
    print(json.dumps(document(rnd.choices(["en", "de", "es"], [0.45, 0.35, 0.20])[0]), ensure_ascii=False))
