# More carriers of corpus.py: whole letters, forms and mails, and makers of words that no list holds.
# A letter is a list of blocks; of each block some of its lines are taken, in their order.

# Parts of medical terms. Most compounds of a real letter are in no word list: a reader has to know
# them by their parts, or takes every unknown word with a capital for a name.
PARTS = {
    "de": (
        "Leber Nieren Lungen Herz Magen Darm Schilddrüsen Gallenblasen Harnblasen Knochen Haut Mamma Prostata Kolon Rektum "
        "Ösophagus Pankreas Milz Aorten Mitral Trikuspidal Koronar Karotis Vorhof Kammer Hirn Schädel Halswirbel Brustwirbel "
        "Lendenwirbel Schulter Knie Hüft Sprunggelenk Handgelenk Unterschenkel Oberschenkel Unterarm Oberarm Bauch Becken "
        "Lymphknoten Blut Urin Stuhl Sputum Pleura Perikard Thorax Abdomen Wund Fieber Schmerz Atem Kreislauf Gefäß Venen "
        "Arterien Nerven Muskel Sehnen Gelenk Augen Netzhaut Linsen Ohr Trommelfell Nasen Kehlkopf Stimm Zungen Zahn Kiefer "
        "Plattenepithel Adeno Basalzell Urothel Nierenzell Schleimhaut Bronchial Bronchus Hilus Femur Tibia Radius Humerus "
        "Nikotin Alkohol Drogen Medikamenten Patellar Achilles Muskeleigen Herzkatheter Schlingen Naht Bein Ruhe Belastungs Kontrastmittel Kolik Sturz Schwindel Appendix Gallen Galle Aszites Hämo Thrombo Leuko Erythro Thrombozyten Zwerchfell Rippen Wirbel Bandscheiben Meniskus Kreuzband Rotatoren "
        "Cholesterin Kreatinin Harnstoff Bilirubin Elektrolyt Gerinnungs Entzündungs Tumor Hormon Insulin Kalium Sauerstoff".split(),
        "karzinom insuffizienz stenose entzündung verletzung fraktur operation resektion transplantation biopsie punktion spiegelung "
        "szintigraphie sonographie untersuchung kontrolle therapie behandlung diagnostik befund wert werte spiegel grenze dystrophie "
        "metastase metastasen ödem erguss thrombose embolie infarkt blutung ruptur abszess fistel prothese implantation vergrößerung "
        "verkleinerung verkalkung schmerzen beschwerden störung schwäche lähmung funktion geräusch geräusche töne druck volumen "
        "frequenz rhythmus zyste zysten polyp polypen adenom sarkom lymphom gewebe wand klappe klappen kranz anlage revision naht "
        "drainage katheter sonde spülung schiene verband pflege mobilisation gymnastik training station ambulanz sprechstunde "
        "abusus technik abtragung entfernung reflex reflexe status zeichen index formel ektomie itis ose pathie skopie graphie zyten ämie ödeme katheterisierung anamnese versuch versorgung einstellung umstellung gabe dosis schema blockade regeneration bildung zunahme abnahme verlust aufbau belastung toleranz steifigkeit kontraktur verordnung beratung aufnahme entlassung verlegung kontrolltermin verlaufskontrolle medikation unverträglichkeit allergie syndrom schaden".split(),
    ),
    "en": (
        "cardio neuro hepato nephro gastro entero colo osteo arthro dermato hemato cyto myo lympho angio broncho pneumo rhino oto "
        "ophthalmo cysto uretero prostato hystero mammo thyro adeno lipo glyco hypo hyper peri endo epi para post intra sub supra".split(),
        "pathy itis osis ectomy otomy ostomy oscopy ography ogram algia emia uria trophy plasia sclerosis stenosis megaly rrhagia "
        "lysis plasty pexy therapy logy gram graphy penia cytosis malacia spasm dynia ptosis".split(),
    ),
    "es": (
        "cardio neuro hepato nefro gastro entero colo osteo artro dermato hemato cito mio linfo angio bronco neumo rino oto oftalmo "
        "cisto uretero prostato histero mamo tiro adeno lipo gluco hipo hiper peri endo epi para post intra sub supra".split(),
        "patía itis osis ectomía otomía ostomía oscopia ografía ograma algia emia uria trofia plasia esclerosis estenosis megalia "
        "rragia lisis plastia pexia terapia logía grama grafía penia citosis malacia espasmo dinia ptosis".split(),
    ),
}

DRUG_HEADS = "Ami Ator Beni Cand Cefa Cipro Dabi Dapa Empa Enala Flu Gaba Hydro Ibu Keto Lami Levo Linez Mero Metro Mino Moxi Napro Olme Oxa Panto Peni Pipera Prami Quetia Rami Riva Rosu Sita Tazo Telmi Topi Val Vilda Zolpi Nivo Pembro Adali Inflixi Evolo Seku Bude Formo Tiotro Keytru Jardi Farxi Entres Lovenox Tora Paxlo".split()
DRUG_MIDDLES = "lo ra ti mi va do pe so xi ga".split()
DRUG_TAILS = "cillin mycin pril sartan olol statin mab nib prazole prazol tide flozin gliptin oxacin xaban gatran dipine dipin pam zolam caine profen fenac sone solon nide terol vir lix da ance ga to nex dol".split()
GERMS = ["Staphylococcus aureus", "Escherichia coli", "Klebsiella pneumoniae", "Pseudomonas aeruginosa", "Borrelia burgdorferi", "Streptococcus pyogenes", "Helicobacter pylori", "Clostridioides difficile", "Candida albicans",
         "Aspergillus fumigatus", "Mycobacterium tuberculosis", "Legionella pneumophila", "Bartonella henselae", "Rickettsia slovaca", "Toxoplasma gondii", "Treponema pallidum", "Neisseria meningitidis", "Salmonella enterica", "Listeria monocytogenes", "Enterococcus faecalis", "Proteus mirabilis", "Haemophilus influenzae"]

SENTENCES = {
    "en": [
        "{name} lives at {address}.", "Please change my address to {address}", "My new address is {postal}", "Deliver to {address} by {weekday}, please.",
        "Where is the nearest branch to {address}?", "The package for {given} went to {street} instead of {street}.", "Pick me up at {address}, I'm leaving at {n1}.",
        "We moved from {street}, {city} to {address}.", "Contact: {name}, {address}, {phone}", "{name}, {address}", "{address}", "{postal}", "{org}, {postal}",
        "our headquarters: {postal}", "Visit us at {address}.", "I used to live in {city} but now I'm in {city}, {country}.", "{country} and {country} signed {words}.",
        "flights from {city} to {city}", "how far is {city} from {city}", "My postcode is {zip}", "zip: {zip}", "the zip code {zip} is wrong", "{city} {zip}",
        "Who is {name}?", "What's your name? {name}", "name: {given}", "It's {given} here", "call me {given}", "Is this {name}'s account?", "Change the name on it to {name}.",
        "Her maiden name was {surname}", "his last name is {surname}, first name {given}", "spelled {surname}, not {surname}", "{given} {surname} aka {given}",
        "They were {n1}: {given}, {given}, {given}, {given} and {given}.", "{given}, {given} & {given}", "with {given}, {given}, and {given} {surname}",
        "\"{words}\", {given} said.", "\"{words}?\" asked {surname}.", "{given} shouted at {given}: \"{words}!\"", "- {given}: {words}", "@{given} {words}",
        "{org} is a {w} company based in {city}, {country}.", "{org} is an {w} {w} bank.", "The {org} Orchestra was founded in {year}.", "Founded in {year}, {org} {words}.",
        "{org} opened a new office in {city}.", "a statement by {org} said {words}", "shares of {org} fell by {n1}%", "{org}'s revenue grew.", "my employer, {org}, {words}",
        "she joined {org} after {org}", "I bought it at {org} for ${n2}", "the contract between {org} and {org}", "{org} v. {org}", "{org}, a subsidiary of {org}", "an {org} spokesman",
        "{name}, chairman of {org}, {words}", "{job} at {org}", "{name} | {job} | {org} | {city}", "{surname} ({year}), {words}", "{surname} et al. ({year})", "{surname} & {surname}, {year}",
        "{country}'s president, {name}, {words}.", "minister {name} of {country}", "the {city} Times reported {words}", "in {city}'s old town", "a town near {city}",
        "Title: {words}\nAuthor: {name}\nPublisher: {org}, {city}", "by {name} and {name}", "a song by {name}", "{name}'s new album \"{Words}\"", "directed by {name}, starring {name} and {name}",
        "My patient {name} ({plainage}M, MRN {n7}) has {cond}; should I start {drug}?", "{name}, DOB {date}, on {drug} {n2} mg, what is the max dose?",
        "pt {surname}, {plainage} y/o F from {city} with {cond} and {term}. Next step?", "For {given} {surname} at {hospital}: dose of {drug} in {cond}?",
        "Dr. {surname} from {hospital} asked about {drug} and {term}", "consult note by {name}, RN for {given} {surname}", "can {given} take {drug} with {drug}?",
        "Summarize the chart of {name} seen by Dr {surname} on {date} at {hospital}.", "Write a letter to {name}'s insurance ({org}) about {drug}.", "{given}'s {term} worsened after {drug}",
        "mr {surname} has {term}", "ms. {surname} called re {cond}", "Mr {given} {surname}, {plainage}, was brought from {city}", "Mrs {surname}'s son {given} is at {phone}",
        "{surname} is a {plainage}-year-old with {term} and {cond}.", "Draft a referral for {name} to Dr. {name} ({hospital}).", "I'm Dr. {surname}, seeing {given}, {plainage}, with {cond}.",
        "{given} is very {w}.", "{name} is {w} and {w}.", "{surname} began {w} as a {w}.", "{salad}, says {surname}.", "{salad}, said {given}.", "{name} will be {w} in {city}.", "{salad} named him {given}", "{salad} named her {given}.",
        "{given} had given {given} the {w}.", "sometimes people call me {given}", "Mr. {surname} flew to {city} on {weekday}.", "{country} was {w}", "I want to add {name} to my {w}.", "the {surname} {w} is {w}", "a {name} {w}",
        "{w} early {surname} {w}", "{W} {surname} explained {salad}.", "starring {name} and {name}", "{surname} and {surname} were {w} {w}", "{salad} except {given}, {salad}.", "it's under {name}", "{given}, please {w} the {w}.",
        "from {city} to {city}, {country}", "where: {city} {W} {W}", "{city}: {salad}", "the {W} of {city}", "{street}, {city}", "{street}\n{city}\n{country} {zip}", "the corner of {street} and {street}", "on {street} street",
        "sign out: {surname} {n2}B {cond}", "{given}, a nurse at {hospital}, {words}", "wife {given} ({phone}) at bedside", "lives with {given} at {street}",
    ],
    "de": [
        "wir berichten über unseren gemeinsamen Patienten {name}, geb. {date}.", "vielen Dank für die Überweisung von Frau {name}.", "Herr {name} befand sich vom {date} bis {date} in unserer Klinik.",
        "nachfolgend berichten wir über Herrn {given} {surname}, geboren {date}, wohnhaft in {zip} {city}, {street}.", "Betreff: Patient {surname} {given}, {date}", "Frau {surname} wurde uns aus dem {hospital} zuverlegt.",
        "Wir übernahmen Herrn {surname} aus {city}.", "Die {age}-jährige Frau {surname} wurde mit {term} eingeliefert.", "Bei Herrn {surname} wurde eine {term} durchgeführt.", "Frau {surname} klagt über {cond}.",
        "Der Hausarzt, Dr. {surname}, wies Frau {surname} ein.", "nach Rücksprache mit Fr. Dr. {surname} ({dept})", "Konsil Dr. {surname}: {term}", "OP am {date} (Operateur {surname}, Assistenz {surname})",
        "Operateur: Dr. {surname}\nAssistenz: Dr. {surname}, {surname}\nAnästhesie: Dr. {name}", "Anästhesist: {surname}; OP-Schwester: {surname}", "Diktat: {surname} / Schreibbüro {surname}", "Vis.: {surname}",
        "Seine Tochter {given} wohnt in {city}.", "Ihr Ehemann {given} verstarb {year}.", "Der Sohn, {name} aus {city}, wurde verständigt (Tel. {phone}).", "Herr {surname} ist Rentner und lebt mit seiner Frau {given} in {city}.",
        "Frau {surname} arbeitete bei {org}.", "Er arbeitet als {w} bei der Firma {org} in {city}.", "Geboren in {city}, aufgewachsen in {city}, seit {year} in {country}.", "Reise nach {country} im {month}.",
        "Verlegung in die Rehaklinik {city}", "AHB in {city} ab {date}", "Anschlussheilbehandlung in der {hospital}", "Weiterbehandlung durch {hospital}, Dr. {surname}", "Vorbefunde aus {city} liegen nicht vor.",
        "Dr. {surname} empfahl {drug}.", "Prof. {surname} sah den Patienten am {date}.", "PD Dr. {surname} befundete die {term}.", "Schwester {given} gab {drug}.", "Pfleger {given} {surname} berichtet: {words}",
        "Liebe Frau Kollegin {surname}, lieber Herr Kollege {surname},", "Sehr geehrter Herr Prof. {surname},", "Sehr geehrte Frau {surname}, sehr geehrter Herr {surname},", "Guten Tag Frau {surname},", "Hallo Herr {surname},",
        "cc: {name}, {hospital}", "Nachrichtlich: Dr. med. {name}, {street}, {zip} {city}", "z. Hd. {name}", "Kopie an: Praxis {surname}, {city}", "Dr. {name}\n{street}\n{zip} {city}",
        "{name}, {street}, {zip} {city}", "Meine Adresse lautet {street}, {zip} {city}.", "{surname}, {given}, geb. {date}", "Pat. {surname}, {age} J., {cond}", "{given} {surname} ({age}) {words}", "Frau {surname} {words}.", "Herr {surname} {words}.",
        "Kann Frau {surname} {drug} nehmen?", "{surname} hat angerufen.", "gez. Dr. {surname}", "i. V. {surname}", "Mein Mann {given} hat {cond}.", "{org} und {org} {words}.", "Die {org} aus {city} {words}.", "In {city} und {city} {words}.",
        "An der {hospital} wurde {term} festgestellt.", "Das {hospital} in {city} {words}.", "Zustand nach Behandlung im {hospital} ({date})", "Versichert bei {org}", "Betreuerin: {name}, {city}", "{weekday}: {surname}, {dept}",
    ],
    "es": [
        "El paciente {name} ({anos}) vive en {street}, {city}.", "Remito a {name}, de {anos}, por {term}.", "La Dra. {surname} del {hospital} recomienda {drug}.", "Su médico, el Dr. {name}, {words}.",
        "Dr. {name}. {hospital}. {street}, {zip} {city} ({country}).", "Correspondencia: {name}. {dept}. {hospital}. {street}. {zip} {city}.", "Autor para correspondencia: Dra. {name}, {street}, {zip} {city}",
        "Ingresa procedente de {city}.", "Natural de {city} ({country}), reside en {city} desde {year}.", "Viaje reciente a {country}.", "Paciente de origen {w}, nacido en {city}, {country}.", "Trasladado desde {hospital}.",
        "Hijo de {given} y {given}.", "Acompañado por su esposa, {name}, tel. {phone}.", "Su hija {given}, de {anos}, {words}.", "Médico responsable: {name}", "Enfermera: {given} {surname}", "{name}, {street}, {zip} {city}",
        "Mi dirección es {street}, {zip} {city}.", "{org}, con sede en {city}, {words}.", "{org} y {org} firmaron {words}.", "Trabaja como {w} en {org}.", "¿Puede {given} tomar {drug}?", "{given}, {given} y {given} {words}.", "Sra. {surname}, {words}.",
        "A los {anos} fue intervenido en {hospital}.", "Hermana de {anos} con {cond}.", "Madre de {anos}, sana; padre de {anos} con {term}.", "Hace {n1} años en {city}.", "Desde los {anos} presenta {term}.", "Con {anos} comenzó con {cond}.",
    ],
}
CLEAN = {
    "en": [
        "{acro} criteria for {term}", "{acro} guidelines on {drug}", "What does the {acro} trial say about {term}?", "{acro} negative, {acro} positive", "r/o {acro}", "s/p {acro} {year}", "What is a {eponym} cyst?", "{eponym} ankle rules", "{eponym} exam normal", "{eponym} criteria list",
        "{eponym} sign present, {eponym} negative.", "{eponym} formula in burns", "{eponym} staging of {term}", "{eponym} fracture of the radius", "Could a {eponym} cyst mimic {acro}?", "{eponym}-{eponym} drain with {n2} ml output", "the {eponym} maneuver", "{eponym}'s triad", "{eponym} pattern on ECG", "{eponym} tear vs {eponym} syndrome",
        "{germ} in blood culture", "{germ} bacteremia treated with {drug}", "coverage for {germ} and {germ}", "can I give {drug} with {drug}?", "Who should receive {drug}? What about {drug} in {cond}?", "{drug}, {drug} and {drug} daily.", "evidence for {drug} in {acro} {term}", "{drug} versus {drug} for {acro}", "Reading about {drug} and {term}",
        "{Term} was performed.", "History of {term} and {term}.", "{Term}, {term}, {cond}", "Findings: {term} without {term}.", "No {term}. No {term}.", "Is {term} caused by {drug}?", "workup of {term} in adults",
        "{term} vs {term}: which first?", "First-line therapy for {term}?", "Management of {Term} in {Term}", "{drug} dosing in {term} with {cond}", "Explain {eponym} criteria for {term}", "{Term} ({W}) {words}",
        "Patient on {drug}, INR {n1}.{n1}, {term} suspected.", "Should {drug} be held before {term}?", "{eponym}-{eponym} syndrome and {term}", "Guidelines for {term} {year}", "Compare {eponym} and {eponym} scores",
        "The Mediterranean diet and {cond}", "English and Spanish leaflets on {cond}", "French patients with {cond}", "My order of {n2} {w} has not arrived.", "Please cancel my {w}.", "How do I change my {W} {W}?", "When does the {w} open?",
        "I lost my card, what now?", "Thanks a lot!", "Good morning", "Yes please", "Ok, {words}.", "Happy Birthday!", "See you on {weekday}!", "The Board of Directors {words}.", "Chapter {n1}: {Words}", "President and Chief Executive", "Dear Customer,", "Dear Patient,", "To Whom It May Concern:",
        "Radiology Report\nExam: CT Chest\nIndication: {term}\nFindings: {words}.\nImpression: {term}.", "HPI: {plainage} y/o F with {term}.\nPMH: {cond}\nMeds: {drug}\nPlan: {words}.", "Subjective: {words}.\nObjective: {term}.\nAssessment: {cond}.\nPlan: {drug}.",
    ],
    "de": [
        "{acro} positiv, {acro} negativ", "{germ} im Abstrich", "Nachweis von {germ}, behandelt mit {drug}.", "die wir mit {drug}/{drug} behandelten.", "{eponym} beidseits negativ, {Term} seitengleich.", "{Term} mit {n2} pack years", "{Term} in {Term}", "{Term}, Abtragung in {Term}, Histologie: {Term}", "{eponym} negativ, {eponym} positiv", "{eponym}-Index {n2} %",
        "M. {eponym}, Erstdiagnose {year}", "Score nach {eponym}: {n1}", "{Term} und {Term} mit {Term} einer {Term}", "Gabe von {drug} {n2} mg i.v. bei {Term}", "{Term}- und {Term}", "{Term}-{Term}", "{Term} ({acro}), {Term} ({acro})",
        "{Term} und {Term} ohne Befund.", "Keine {Term}, keine {Term}.", "Diagnose: {Term} bei {Term}.", "Z. n. {Term} {year}", "{Term}, {Term}, {cond}", "Wir führten eine {Term} durch.", "Die {Term} zeigte {Term} und {Term}.", "{Term} links, {Term} rechts",
        "Bei der {Term} fand sich eine {Term}.", "Verdacht auf {Term}", "Zur {Term} erfolgte die Vorstellung in der {Term}.", "{Term}: {n2} mg/dl, {Term}: {n1},{n1} mmol/l", "Der {Term} war unauffällig, die {Term} regelrecht.", "Nebenbefundlich {Term}.",
        "{W}{term} und {Term}", "Anamnestisch {Term} mit {Term}.", "Postoperativ {Term}, {drug} {n2} mg.", "Unter {drug} Rückgang der {Term}.", "Klinik für {dept}", "Abteilung für {dept} und {dept}", "Zentrum für {Term}", "Klinik und Poliklinik für {dept}",
        "Direktor der Klinik", "Chefarzt der Abteilung", "Facharzt für {dept}", "Oberärztin    Assistenzarzt", "Sekretariat Telefon Telefax Sprechzeiten nach Vereinbarung", "Seite {n1} von {n1}", "Datum Unterschrift", "Therapie und Verlauf:", "Epikrise:", "Aktuelle Anamnese:", "Körperlicher Untersuchungsbefund:",
        "Kopf/Hals: {Term} frei. Thorax: {Term}.", "Haut und Schleimhäute: {Term}.", "Medikation: {drug} {n3} 1-0-0, {drug} {n2} 0-0-1", "Wir bedanken uns für die freundliche Zuweisung.", "Der Patient verstarb am {date}.", "Die Patientin wünscht keine {Term}.", "Patient klagt über {Term}.",
        "Er sei früher Kraftfahrer gewesen.", "Sie habe zwei Kinder, sei verwitwet und lebe allein.", "Im Jahr {year} {Term}, {year} {Term}.", "Im {month} {year} {Term}.", "Am {weekday} {Term}.", "Mutter: {Term}, Vater: {Term}.", "die Ehefrau und der Sohn", "Wie wirkt {drug} bei {Term}?",
        "{eponym}-Klassifikation, {eponym} II, {Term}", "{Term} nach {eponym}", "Operation nach {eponym}", "{Term} (ICD {W})", "Staging: {Term}, {Term}", "CT-{Term}, MRT-{Term}", "EKG: {Term}", "Labor: {Term} {n2} U/l", "Zugang über {Term}; {Term} gelegt.", "Bitte {Term} in {n1} Wochen.", "Liebe Kolleginnen, liebe Kollegen,", "{W}, {W}, {W}, {W}.",
    ],
    "es": [
        "Se aísla {germ} sensible a {drug}.", "Serología de {germ} negativa.", "{acro} y {acro} normales.", "fibras de {eponym}", "según la clasificación de {eponym}", "enfermedad de {eponym} y síndrome de {eponym}", "Cultivo: {germ}.", "{drug} iv {n1} pulsos", "tratado con {drug} y {drug}", "A los {n1} y {n2} meses",
        "Se realizó {term}.", "{Term} y {term} sin hallazgos.", "Diagnóstico: {term}, {term}.", "Sospecha de {term}.", "Tratamiento de {term} con {drug}.", "No se observó {term}.", "La {term} mostró {term}.", "Juicio clínico: {Term}.", "{Term} bilateral, {term}", "Test de {eponym}, escala de {eponym}", "Clasificación de {eponym}: grado {n1}",
        "Servicio de {dept}.", "Se consulta a {dept} y a {dept}.", "Antecedentes familiares: {term}.", "Se solicita {term} y {term} urgentes.", "El paciente niega {term}.", "Evolución favorable tras {term}.", "En {month} se realizó {term}.", "¿Qué dosis de {drug} en {term}?", "Técnica de {eponym}", "Hospital de día. Consultas externas.",
    ],
}

# Letters as they are written: each block gives all of its lines with a high chance, in order.
LETTERS = {
    "de": [
        ["{hospital}\n{dept}\nDirektor: Prof. Dr. med. {name}", "{street}, {zip} {city}\nTelefon {phone}\nE-Mail {email}", "Herrn\nDr. med. {name}\n{street}\n{zip} {city}", "{city}, {date}", "Patient: {surname}, {given}, geb. am {date}\nwohnhaft {street}, {zip} {city}",
         "Sehr geehrter Herr Kollege {surname},", "wir berichten über unseren gemeinsamen Patienten Herrn {name}, der sich vom {date} bis zum {date} in unserer stationären Behandlung befand."],
        ["Entlassungsbrief\n{hospital}", "Frau {name}, *{date}, {street}, {zip} {city}", "Sehr geehrte Frau Dr. {surname},", "vielen Dank für die Zuweisung Ihrer Patientin Frau {surname}."],
        ["{hospital} - {city}", "Arztbrief", "Name: {surname}\nVorname: {given}\nGeburtsdatum: {date}\nAdresse: {street}, {zip} {city}", "Sehr geehrte Damen und Herren,"],
        ["Betrifft: {name}, geb. {date}", "Lieber Herr Kollege {surname},", "ich berichte über {name}, die mich am {date} aufsuchte."],
    ],
    "en": [
        ["{hospital}\n{address}", "{date}", "Dr. {name}\n{street}\n{city}, {state} {zip}", "RE: {name}, DOB {date}", "Dear Dr. {surname},", "Thank you for referring {name}, a {plainage}-year-old from {city}."],
        ["DISCHARGE SUMMARY", "Patient: {name}\nMRN: {n7}\nAttending: {name}, MD\nFacility: {hospital}", "Mr. {surname} was admitted on {date} with {cond}."],
        ["From: {name} <{email}>\nTo: {name}\nDate: {date}", "Hi {given},", "{given} from {org} called about {words}."],
    ],
    "es": [
        ["{hospital}\nServicio de {dept}", "Nombre: {given}.\nApellidos: {surname} {surname}.\nDomicilio: {street}.\nLocalidad: {city}. CP: {zip}.", "Edad: {anos}. Sexo: V.", "Paciente de {anos} que acude por {term}."],
        ["Estimada Dra. {surname}:", "Le remito a {name}, de {anos}, natural de {city}.", "Vive con su hijo {given} en {city}."],
    ],
}
ENDS = {
    "de": ["Mit freundlichen kollegialen Grüßen", "{name}", "Prof. Dr. med. {name}\nChefarzt", "Dr. med. {name}\nOberarzt", "Dr. {surname}        Dr. {surname}\nOberärztin         Assistenzarzt", "{given} {surname}, Assistenzärztin", "{city}, den {date}"],
    "en": ["Sincerely,", "{name}, MD\n{hospital}", "Dictated by: {name}", "cc: Dr. {surname}, {city}", "Kind regards,\n{given}", "{surname}/{surname}"],
    "es": ["Fdo.: {name}", "Atentamente, Dra. {name}", "Remitido por: Dr. {name}. {hospital}. {street}. {zip} {city}. {email}", "{city}, {date}"],
}
