"""Names of hospitals, practices, homes, authorities, insurers and schools: a head that says what it is, and what
tells it from others. A reader must learn that the name starts at the head."""

# What tells German ones apart: {city}, {surname} and {given} are slots of `corpus.py`, the others of `PARTS`.
TAILS_DE = ["{city}", "{city}", "{surname}", "Dr. {surname}", "Dres. {surname} & {surname}", "{surname} und {surname}", "St. {given}", "St. {given} {city}", "Sankt {given}",
            "{city}-{part}", "am {spot}", "am {spot} {city}", "an der {river}", "im {spot}", "zum {given}", "„{given}“", "{region}", "der {city}er {region2}", "Dr. {surname} & Kollegen",
            "Dr. {surname}/Dr. {surname}", "{city} gGmbH", "{region} GmbH", "{surname} GmbH", "{region} e. V."]
PARTS = {
    "spot": "Schlossberg Stadtpark Markt Rosengarten Kurpark Mühlbach Lindenhof Waldrand See Südring Nordtor Burgberg Weinberg Stadtwald Sonnenhang Hafen Bahnhof Ring Dom Rathaus Marktplatz Kirchberg Steinbruch Brunnen Anger Eichwald Moor Deich".split(),
    "river": "Elbe Weser Saale Isar Donau Ruhr Spree Werra Fulda Lahn Mosel Aller Leine Havel Mulde Neiße Enns Traun Mur Aare Limmat Reuss Allee Kirche Mühle Linde Stadtmauer Brücke".split(),
    "region": "Nordheide Oberland Boddenküste Naabtal Erftaue Südharz Lahntal Saaleblick Wiesental Hochrhein Oberschwaben Niederbayern Mittelmosel Westpfalz Ostfriesland Nordhessen Allgäu Vogtland Uckermark Emsland Ortenau Taunus Mühlviertel Rheintal Seeland Vorderpfalz Spreewald Weserbergland Münsterland Zollernalb Donaumoos Kraichgau Hohenlohe Altmark Chiemgau Innviertel Oberaargau".split(),
    "region2": "Land Höhe Hof Bogen Tor Viertel Heide Platte".split(),
    "part": "Nord Süd Ost West Mitte Altstadt Neustadt Land".split(),
}
WHOLE = {
    "en": "{city} General Hospital;St. {given}'s Hospital;{surname} Medical Center;{city} Memorial Hospital;Mount {surname} Hospital;{city} Clinic;University of {city} Medical Center;{surname} Health;"
          "{city} Family Practice;{surname} & {surname} Clinic;Royal {city} Infirmary;{city} Children's Hospital;{city} High School;{city} University;University of {city};Bank of {city};{surname} Surgery;"
          "{surname} Road Surgery;{surname} House Care Home;{surname} Court Nursing Home;{city} Urgent Care;{city} Dialysis Centre;{surname} Lodge;St {given}'s Hospice;{city} Community Health Centre;"
          "{surname} Pharmacy;{surname}'s Chemist;{city} City Council;{surname} Physiotherapy;{surname} Dental;{surname} Primary School;{city} Police Department;{surname} & Sons Funeral Directors;{surname} Legal LLP;"
          "{city} Veterans Hospital;{surname} Cancer Institute;Our Lady of {city} Hospital;Holy {surname} Medical Centre;{city} and District Hospital;{surname} Health Partners;{surname} Foundation;"
          "{city} Eye Hospital;Queen {given} Hospital;Prince {given} Hospital;{surname} Rehabilitation Hospital;{city} Labs;{surname} Imaging;{surname} Mutual;{surname} Insurance;{city} Gazette".split(";"),
    "es": "Hospital Universitario de {city};Hospital General de {city};Hospital {given} {surname};Clínica {surname};Centro de Salud {city};Hospital Virgen de {city};Complejo Hospitalario de {city};"
          "Hospital San {given};Instituto {surname};Universidad de {city};Fundación {surname};Colegio {surname};Residencia {surname};Farmacia {surname};Ambulatorio de {city};Ayuntamiento de {city};"
          "Consultorio de {city};Clínica Dental {surname};Laboratorios {surname};Sanatorio {surname};Hospital Comarcal de {city};Policlínica {surname};Seguros {surname};Guardería {given}".split(";"),
}
# German heads that take any of the tails.
HEADS_DE = ("Klinikum Kreisklinikum Universitätsklinikum Uniklinik Klinik Kreisklinik Fachklinik Frauenklinik Kinderklinik Augenklinik Hautklinik Herzzentrum Rheumaklinik Lungenklinik Rehaklinik "
            "Reha-Zentrum Rehazentrum Therapiezentrum Krankenhaus Kreiskrankenhaus Stadtkrankenhaus Marienhospital Hospital Spital Kantonsspital Landesklinikum Landeskrankenhaus Bezirksklinikum Ordination "
            "Praxis Gemeinschaftspraxis Hausarztpraxis Kinderarztpraxis Zahnarztpraxis Facharztpraxis Frauenarztpraxis Hautarztpraxis Praxisgemeinschaft Augenzentrum Augenärzte Hautärzte Kardiologie Orthopädie "
            "Urologie Radiologie Pathologie Nuklearmedizin Dermatologie Gastroenterologie Labor MVZ Ärztehaus Dialysezentrum Dialyse Physiotherapie Ergotherapie Logopädie Hebammenpraxis Sanitätshaus Apotheke "
            "Brustzentrum Krebszentrum Schlaflabor Röntgeninstitut Tagesklinik Seniorenresidenz Seniorenzentrum Seniorenheim Altenheim Pflegeheim Pflegezentrum Wohnpark Hospiz Sozialstation Diakonie Caritas "
            "Lebenshilfe Grundschule Realschule Gymnasium Gesamtschule Berufsschule Förderschule Kita Kindergarten Hort Jugendamt Jobcenter Amtsgericht Landgericht Landratsamt Gesundheitsamt Stadtverwaltung "
            "Sparkasse Volksbank Stadtwerke Verkehrsbetriebe Bestattungen Autohaus Bäckerei Tischlerei Spedition Kanzlei Steuerbüro Hausverwaltung Sportverein Musikschule Volkshochschule").split()
# Those of two or more words.
LONG_DE = ("Institut für Pathologie;Pathologisches Institut;Institut für Radiologie;Zentrum für Innere Medizin;Zentrum für Humangenetik;Zentrum für Medizinische Genetik;Klinik für Rehabilitation;"
           "Gynäkologisches Krebszentrum;Medizinisches Versorgungszentrum;Medizinisches Labor;Überörtliche Gemeinschaftspraxis;Ambulanter Pflegedienst;Mobiler Pflegedienst;Ambulantes OP-Zentrum;"
           "Radiologische Praxis;Neurologische Praxis;Psychotherapeutische Praxis;Orthopädische Gemeinschaftspraxis;Städtisches Klinikum;Evangelisches Krankenhaus;Katholisches Klinikum;Evangelische Kita;"
           "Freiwillige Feuerwehr;Deutsches Rotes Kreuz;Psychiatrische Institutsambulanz;Sozialpsychiatrischer Dienst;Psychosomatische Fachklinik;Universitätsmedizin;Zentrum für Schlafmedizin;IV-Stelle Kanton;"
           "Privatklinik;Krankenpflegeverein;Werkstatt für Menschen mit Behinderung;Beratungsstelle;Selbsthilfegruppe;Betreuungsverein;Reha-Klinik;Haus;Villa;Stiftung;Gasthof;Hotel").split(";")
INSURERS_DE = ("AOK;AOK Plus;AOK {region};AOK Nordost;Barmer;BARMER;Techniker Krankenkasse;TK;DAK;DAK-Gesundheit;IKK classic;IKK {region};BKK {surname};BKK {region};BKK {city};KKH;hkk;HEK;Knappschaft;SVLFG;"
               "Betriebskrankenkasse {surname};ÖGK;Österreichische Gesundheitskasse;BVAEB;SVS;KFA {city};CSS;Helsana;Swica;Sanitas;{surname} Versicherung;{city}er Versicherung;{surname} Krankenversicherung AG").split(";")
WHOLE_DE = ("{surname}-Klinik;{surname}-Klinik {city};{city}er Klinik;{surname}klinik {city};{given}-Hospital;{given}-{surname}-Schule;{given}-{surname}-Haus;{surname} GmbH;{surname} GmbH & Co. KG;"
            "{surname} & Söhne KG;{surname} AG;{city}er Verkehrsgesellschaft;{region}er Zeitung;TSV {city};SV {city};TV {surname};Sparkasse {region};Diakoniewerk {city};{city}er Stadtwerke;BG/BRG {city};{surname}sche Stiftung").split(";")


def institution(lang, rnd, fill):
    """The name of one. `fill` fills the slots of `corpus.py` in a language."""
    if lang != "de":
        return fill(rnd.choice(WHOLE[lang]), lang)
    x = rnd.random()
    if x < 0.12:
        name = rnd.choice(INSURERS_DE)
    elif x < 0.30:
        name = rnd.choice(WHOLE_DE)
    else:
        name = f"{rnd.choice(LONG_DE if x < 0.5 else HEADS_DE)} {rnd.choice(TAILS_DE)}"
    for part, values in PARTS.items():
        name = name.replace("{%s}" % part, rnd.choice(values))
    return fill(name, lang)
