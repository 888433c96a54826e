# Carrier sentences of corpus.py: SENTENCES hold personal data, CLEAN holds none.
SENTENCES = {
    "en": [
        "Hi {given},", "Dear {name},", "Dear Dr. {surname},", "Hello {given}, how are you?", "Thanks, {given}", "Thank you {given}!",
        "{name} is a {plainage}-year-old man with {cond} who lives in {city}.",
        "{given} {surname} was seen today in {dept} for {cond}.",
        "Mr. {surname} was admitted to {hospital} on {date} with {cond}.",
        "Mrs. {surname} reports {cond} and takes {drug} {n2} mg daily.",
        "Patient {name} presented with {cond}.", "pt {name} c/o {cond}",
        "I am {name} and I live at {street}, {city}.", "My name is {name} and I have {cond}.",
        "my name is {given}, i'm from {city}", "This is {name} from {org}.", "I'm {given} and I need help with {cond}.",
        "{name} called about her prescription for {drug}.", "Discussed with Dr. {surname}, who agrees with the plan.",
        "She works at {org} in {city}, {state}.", "He moved from {city} to {country} last year.",
        "Her daughter {given} brought her to {hospital}.", "His wife {given} was present.", "His brother {given} has {cond}.",
        "Please send the results to {name}, {address}.", "Referred by {name}, MD.", "Electronically signed by {name}, MD",
        "Follow up with Dr. {name} at {hospital} in {n1} weeks.", "The patient lives with his son {given} in {city}.",
        "{surname} was transferred from {hospital} to {hospital}.", "Does Dr. {surname} at {hospital} treat {cond}?",
        "What did {name} say about {drug}?", "Is {given} allergic to {drug}?", "{given} said: {words}.",
        "{name} and {name} went to {city}.", "{given} and {given} are coming to {city} tomorrow.",
        "{name} works for {org} as a {job}.", "{org} is hiring in {city}.", "{org} was founded in {city}, {country}.",
        "I'd like to transfer money to {name}.", "Send it to {name}, {street}, {city}, {state} {zip}",
        "The meeting with {name} from {org} is at {n1} pm.", "{name}'s test results are back.", "{given}'s mother has {cond}.",
        "Have you met {name}?", "According to {surname}, {words}.", "{surname} wrote that {words}.", "I saw {name} in {city}.",
        "I will be in {city} next week.", "We are visiting {country} and {city} in the summer.", "The weather in {city} is {w}.",
        "Our office is at {address}.", "Ship to: {name}\n{address}", "{name}\n{street}\n{city}, {state} {zip}\n{country}",
        "{name}\n{job}\n{org}\n{phone}\n{email}", "The new CEO of {org}, {name}, {words}.", "{name}, {plainage}, of {city} {words}.",
        "As {name} put it, {words}.", "{given}: {words}?", "{name} ({org}) {words}.", "From: {name}\nTo: {name}\nSubject: {words}",
        "I can't reach {name} on {phone}.", "{given} {surname} (DOB {date}) needs a refill of {drug}.",
        "Nurse {surname} gave {drug} at {n1} am.", "Attending: {name}. Resident: {name}.", "cc: {name}, {name}",
        "Why is {given} so {w}?", "Tell {given} to {w}.", "It was {given} who {w} the {w}.", "{W} {w} by {name}", "The {surname} family lives in {city}.",
        "Can my husband {given} get {drug} for {cond}?", "my son {given} age {plainage} has {cond}, we live in {city}",
        "I was treated by Dr. {surname} at {hospital} for {cond}, is {drug} safe?", "The {city} branch of {org} {words}.",
        "Patient transferred from {city}, {state}.", "She is originally from {country}.", "{surname}, {given} - {cond}", "{hospital}, {city}",
        "Interpreter {given} {surname} present.", "Accompanied by her sister, {name}.", "{city}, {date}", "In {city}, {words}.",
        "{org} and {org} announced {words}.", "I work at {org}.", "the {org} account of {name}", "{name} has been a {job} at {org} since {n4}.",
    ],
    "de": [
        "wir berichten über Ihren Patienten {name}, geb. am {date}, wohnhaft {street}, {zip} {city}.",
        "wir berichten über Ihre Patientin, Frau {name}, geboren am {date}, die sich vom {date} bis {date} in unserer stationären Behandlung befand.",
        "Herr {surname} stellte sich am {date} in unserer Ambulanz vor.", "Frau {surname} wurde mit {cond} aufgenommen.",
        "Der Patient {name} wurde am {date} nach {city} verlegt.", "Sehr geehrter Herr Kollege {surname},", "Sehr geehrte Frau Dr. {surname},",
        "Sehr geehrter Herr Dr. {surname}, sehr geehrte Frau {surname},", "Liebe {given},", "Hallo {given}, {words}.", "Lieber Herr {surname},",
        "Herr {name} berichtet über {cond}.", "Frau {surname} lebt mit ihrem Sohn {given} in {city}.", "Die Tochter {given} begleitet die Patientin.",
        "Die weitere Betreuung erfolgt durch den Hausarzt Dr. {surname} in {city}.", "Konsil durch Dr. med. {name}, {dept}.",
        "Die Aufnahme erfolgte aus dem {hospital}.", "Verlegung in das {hospital} am {date}.", "Rücksprache mit OA Dr. {surname}.",
        "Der {age}-jährige Patient aus {city} leidet an {cond}.", "Die {age}jährige Patientin kommt mit {cond}.",
        "Ich heiße {name} und wohne in {city}.", "Mein Name ist {name}.", "{name} arbeitet bei {org} in {city}.", "{org} hat ihren Sitz in {city}.",
        "Bitte senden Sie den Befund an {name}, {address}.", "Nach Angaben von {surname} {words}.", "Die Ehefrau, {name}, wurde informiert.",
        "Im {hospital} wurde {cond} festgestellt.", "Operation am {date} durch {name}.", "Die Patientin ist in {city} geboren.",
        "Er stammt aus {country} und lebt seit {n4} in {city}.", "Frau {surname} nimmt {drug} {n2} mg.", "Herrn {name}\n{street}\n{zip} {city}",
        "Frau\n{name}\n{street}\n{zip} {city}", "{given} {surname} war heute da.", "{given} sagte, {words}.", "Sozialdienst: Fr. {surname}.",
        "Vorstellung bei Prof. Dr. {surname}, {hospital}.", "Betreuer ist Herr {name}, Tel. {phone}.", "Kontrolle bei Dr. {surname} in {n1} Wochen.",
        "Wir danken für die Zuweisung von Herrn {surname}.", "Bei Frau {surname} besteht {cond}.", "Befund von Dr. {surname} liegt vor.",
        "Ihr Patient {surname}, {given} wurde untersucht.", "{city}, den {date}", "Herr {surname} wohnt allein in der {street}.",
        "{hospital}, {street}, {zip} {city}", "Aufklärung durch Dr. {surname}, Dolmetscher {name}.", "Anruf von {name} aus {city}.",
        "Oberarzt Dr. {surname} hat {words}.", "Schwester {given} meldet {cond}.", "Die Mutter von {given} {words}.", "Hat {given} {drug} bekommen?",
    ],
    "es": [
        "Paciente {name} de {anos}, natural de {city}, que acude por {cond}.", "Varón de {anos} con {cond}.", "Mujer de {anos} que consulta por {cond}.",
        "Paciente de {anos} de edad, remitido desde {hospital}.", "Remitido por: {name}. {hospital}. {street}. {zip} {city}. Email: {email}",
        "Responsable clínico: Dr. {name}. Servicio de {dept}. {hospital}. {street}. {zip} {city} ({country})",
        "Dra. {name} Servicio de {dept} {hospital} {street} {zip} {city}. ({country}) Correo electrónico: {email}",
        "El Dr. {surname} indica {drug}.", "Me llamo {name} y vivo en {city}.", "Mi nombre es {given}.", "Hola {given},", "Estimada Dra. {surname}:",
        "La paciente vive en {city} con su hija {given}.", "Trabaja en {org}, en {city}.", "D. {name} ingresó el {date} en {hospital}.",
        "Doña {name} presenta {cond}.", "El señor {surname} toma {drug}.", "{name} y {name} {words}.", "Trasladado al {hospital} de {city}.",
        "Nacido en {country}, reside en {city}.", "Diagnosticado en el {hospital} a los {anos}.", "Niño de {anos} traído por su madre, {given}.",
        "Lactante de {anos} con {cond}.", "Firmado: {name}", "Su hermano {given} padece {cond}.", "{org} abre una oficina en {city}.",
        "Acude a {hospital} por {cond}.", "Viajó a {country} el mes pasado.", "Según {surname}, {words}.", "{given} dijo que {words}.",
        "Intervenido a los {anos} de {cond}.", "Sr. {surname}, le informamos de su cita.", "Domicilio: {street}. {zip} {city}.",
    ],
}
CLEAN = {
    "en": [
        "{msg}", "{msg}", "{msg}", "{msg}", "{msg} {msg}", "{words}.", "{W} {words}.", "{Words}", "{Words}: {words}", "{W} {w} {W} {w}.",
        "What is the best treatment for {cond}?", "Can {drug} cause {cond}?", "Is {drug} safe with {drug}?", "How much {drug} should I take for {cond}?",
        "Differential diagnosis of {cond} and {eponym} disease", "What are the symptoms of {eponym}'s disease?", "{eponym} syndrome vs {eponym} syndrome",
        "Patient has {eponym}'s disease and {cond}.", "{eponym} sign negative, {eponym} test positive.", "{eponym} score {n1}.", "A {eponym} catheter was placed.",
        "History of {cond}, {cond} and {cond}.", "Past Medical History: {cond}, {cond}.", "Medications: {drug} {n2} mg, {drug} {n3} mg BID.",
        "No known drug allergies. Denies {cond}.", "Patient Denies {cond}.", "Patient Education provided.", "Patient Instructions: {words}.", "Plan: start {drug}.",
        "Assessment and Plan: {cond} – continue {drug}.", "Chief Complaint: {cond}", "Review of Systems: negative for {cond}.", "Impression: {eponym} lymphoma.",
        "Vital Signs: BP {n3}/{n2}, HR {n2}, RR {n2}, Temp {n2}.{n1}", "Labs: Hb {n2}.{n1} g/dL, Na {n3}, K {n1}.{n1}, Creatinine {n1}.{n1}.",
        "Chest X-ray shows {cond}.", "MRI of the Brain with Contrast", "CT Abdomen and Pelvis without contrast.", "Echocardiogram: LVEF {n2}%.",
        "The patient is a {plainage}-year-old female with {cond}.", "{plainage} year old male with {cond} on {drug}.", "{plainage}F with {cond}", "{plainage} yo man, {cond}",
        "Dear Sir or Madam,", "Dear Colleague,", "Hello,", "Hi there, {words}", "Thank you for your referral.", "Best practice for {cond} in Adults",
        "Discharge Summary", "Progress Note", "Operative Report", "Family History: father with {cond}, mother with {eponym} disease.",
        "Should I stop {drug} before surgery?", "is {drug} ok in pregnancy", "how long does {cond} last", "side effects of {drug} and {drug}",
        "Who should get the {drug} vaccine?", "When is {eponym} test indicated?", "Does Medicare cover {drug}?", "Dose of {drug} in Renal Failure?",
        "The nurse gave {drug}.", "The doctor said {words}.", "My doctor prescribed {drug} for {cond}, is that right?", "I have {cond}. What should I do?",
        "My mother has {cond} and takes {drug}.", "my son is {plainage} and has {cond}", "Order #{n7} was shipped.", "Batch {n7} archived.", "See Table {n1} and Figure {n1}.",
        "He is on {drug}; {drug} was stopped on {date}.", "Seen on {date}.", "Follow up in {n1} weeks.", "ICD-10 code for {cond}", "Version {n1}.{n1}.{n1} released.",
        "On Monday and Tuesday, {words}.", "Since January, {words}.", "She is Catholic and speaks Spanish.", "The American Heart guidelines recommend {drug}.",
        "What are {drug} contraindications?", "Compare {drug} and {drug} for {cond}.", "{drug} vs. {drug}", "{drug} {n3} mg tablets", "Take {drug} with Food.",
        "Stage {n1} {cond}", "Grade {n1}, Gleason {n1}+{n1}", "NYHA Class II heart failure", "The Wells score for {cond}", "Type {n1} Diabetes", "Vitamin D deficiency",
        "COVID-19 infection", "Hepatitis B vaccine", "HIV negative, HCV positive", "E. coli and S. aureus in the urine culture", "Staphylococcus aureus bacteremia", "I feel {w} and {w}.",
    ],
    "de": [
        "{msg}", "{msg}", "{msg} {msg}", "{words}.", "{W} {words}.", "{Words}", "Diagnosen: {cond}, {cond}.", "Anamnese: {cond} seit {n4}.", "Therapie: {drug} {n2} mg 1-0-1.",
        "Der Patient wurde in gutem Allgemeinzustand entlassen.", "Die Patientin befindet sich in reduziertem Allgemeinzustand.", "Wir empfehlen eine Kontrolle beim Hausarzt.",
        "Medikation bei Entlassung: {drug}, {drug}, {drug}.", "Labor: Hb {n2},{n1} g/dl, Leukozyten {n1},{n1}/nl, CRP {n2} mg/l.", "Röntgen Thorax: kein Nachweis von {cond}.",
        "Morbus {eponym}, {cond}.", "Verdacht auf Morbus {eponym}.", "M. {eponym}", "{eponym}-Syndrom und {cond}", "Zustand nach {eponym}-Operation.", "{eponym}-Zeichen negativ.",
        "Anlage eines {eponym}-Katheters.", "Sehr geehrte Damen und Herren,", "Sehr geehrte Kolleginnen und Kollegen,", "Mit freundlichen kollegialen Grüßen", "Mit freundlichen Grüßen",
        "Aufnahmebefund: Abdomen weich, kein Druckschmerz, Darmgeräusche regelrecht.", "Herz und Lunge auskultatorisch unauffällig.", "Patient wach, orientiert, kooperativ.",
        "Patientin in gutem Ernährungszustand, Haut und Schleimhäute rosig.", "Beurteilung: Altersentsprechender Normalbefund.", "Procedere: Wiedervorstellung in {n1} Wochen.",
        "EKG: Sinusrhythmus, Linkstyp, keine Erregungsrückbildungsstörungen.", "Echokardiographie: LVEF {n2} %, Mitralinsuffizienz Grad I.", "Sonographie Abdomen: Cholezystolithiasis.",
        "Wir führten eine Koronarangiographie durch.", "Der postoperative Verlauf gestaltete sich komplikationslos.", "Die Wunde heilte primär, die Fäden wurden entfernt.", "Allergien: keine bekannt.",
        "Nikotin: {n2} Packungsjahre. Alkohol: gelegentlich.", "Die stationäre Aufnahme erfolgte bei {cond}.", "Histologie: {cond}, Grad {n1}.", "Im CT zeigte sich eine Raumforderung der Leber.",
        "Bei Zunahme der Beschwerden bitten wir um Wiedervorstellung.", "Für Rückfragen stehen wir Ihnen gerne zur Verfügung.", "Entlassungsbrief", "Arztbrief", "Epikrise", "Befund vom {date}",
        "Unter {drug} kam es zu einer Besserung der Symptomatik.", "Es besteht Indikation zur Operation.", "Vorerkrankungen: {cond}; {cond}; {cond}.", "Familienanamnese: Vater {cond}.",
        "Kein Anhalt für Malignität.", "Blutdruck {n3}/{n2} mmHg, Puls {n2}/min, Temperatur {n2},{n1} °C.", "Die Medikation wurde auf {drug} umgestellt.", "Am {date} erfolgte die Entlassung.",
        "Gefäßchirurgie, Station, Zimmer {n2}", "Hausarzt bitte Kontrolle der Elektrolyte und Retentionswerte.", "Glasgow Coma Scale {n2}, Barthel-Index {n2}.", "NYHA-Stadium III, CCS II.",
        "Tumorstadium pT{n1} pN{n1} M0 R0, UICC Stadium II", "Was hilft bei {cond}?", "Welche Nebenwirkungen hat {drug}?", "Physiotherapie, Ergotherapie und Logopädie wurden verordnet.",
        "Der Oberarzt und die Stationsärztin besprachen den Befund mit der Familie.", "Bei der Untersuchung fand sich eine Struktur im Bereich der rechten Niere.", "Die Lunge ist frei, Pleura ohne Erguss.",
    ],
    "es": [
        "{msg}", "{msg}", "{words}.", "{W} {words}.", "{Words}", "Antecedentes: {cond}, {cond}.", "Tratamiento: {drug} {n2} mg cada {n1} horas.", "Enfermedad de {eponym}.", "Síndrome de {eponym} y {cond}.",
        "Exploración física: buen estado general, Glasgow {n2}.", "Analítica: Hb {n2},{n1} g/dl, leucocitos {n4}, creatinina {n1},{n1}.", "TAC abdominal: sin hallazgos patológicos.", "Diagnóstico: {cond}.",
        "Evolución y comentarios: favorable, alta en {n1} días.", "Signo de {eponym} negativo.", "Sonda {eponym}.", "Acude a urgencias por {cond} de {n1} días de evolución.", "Hace {n1} años inició {drug}.",
        "Sin alergias medicamentosas conocidas.", "Ecografía renal normal. Se realiza Resonancia Magnética.", "Motivo de consulta: {cond}.", "Tras {n2} días de tratamiento, mejoría clínica.", "Control en {n1} meses.",
        "El paciente fue dado de alta.", "¿Qué es {cond}?", "¿Se puede tomar {drug} con {drug}?", "Anatomía patológica: {cond}, grado {n1} de Fuhrman.", "Se inicia {drug} con buena respuesta a los {n1} días.", "Plan: revisión en Consultas Externas.",
        "A los {n1} meses de la intervención el paciente está asintomático.", "Presenta fiebre de {n2} horas de evolución.", "Estimados compañeros:", "Informe clínico del paciente", "Datos del paciente", "Historia Actual",
    ],
}
HEADERS = {
    "en": ["Patient: {name}\nDOB: {date}\nMRN: {n7}", "{hospital}\n{street}\n{city}, {state} {zip}", "Patient Name: {name}   Age: {plainage}   Sex: F", "Name: {surname}, {given}\nDate: {date}\nProvider: {name}, MD", "RE: {name}\nDOB: {date}", "Dear Dr. {surname},", "Hi {given},", "{name} | {date} | {city}", "Discharge Summary\n{hospital}", "To: {name}\nFrom: {name}, {dept}"],
    "de": ["{hospital}\n{street}\n{zip} {city}", "Patient: {name}, geb. {date}", "Name: {surname}, Vorname: {given}, geb. am {date}", "{hospital} · {dept} · {street} · {zip} {city}", "Herrn Dr. med. {name}\n{street}\n{zip} {city}\n\nSehr geehrter Herr Kollege {surname},", "Frau\n{name}\n{street}\n{zip} {city}", "Betrifft: {name}, *{date}, {street}, {zip} {city}", "Sehr geehrte Frau Kollegin {surname},", "Pat.: {surname}, {given}\nGeb.: {date}\nAufnahme: {date}", "{city}, {date}", "Chefarzt: Prof. Dr. {name}"],
    "es": ["Nombre: {given}.\nApellidos: {surname} {surname}.\nNHC: {n7}.\nDomicilio: {street}.\nLocalidad/ Provincia: {city}.\nCP: {zip}.", "Paciente: {name}\nEdad: {anos}\nMédico: {name}", "{hospital}\n{street}, {zip} {city}", "Fecha de nacimiento: {date}.\nPaís: {country}.\nEdad: {anos} Sexo: M.\nMédico: {name} NºCol: {n2} {n2} {n4}.", "Estimado Dr. {surname}:"],
}
CLOSINGS = {
    "en": ["Sincerely,\n{name}, MD\n{hospital}", "Regards,\n{given}", "Best,\n{given} {surname}", "Thanks,\n{given}", "Signed: {name}", "{name}\n{job}, {org}", "Dictated by {name}. Transcribed by {given} {surname}."],
    "de": ["Mit freundlichen kollegialen Grüßen\n\nProf. Dr. {name}    Dr. {name}\nChefarzt    Oberärztin", "Mit freundlichen Grüßen\nDr. med. {name}\nFacharzt für Innere Medizin", "gez. {name}", "i.A. {name}", "Dr. {surname}, Assistenzärztin", "Viele Grüße\n{given}", "{name}\n{dept}\n{hospital}"],
    "es": ["Fdo.: Dr. {name}", "Atentamente,\n{name}", "Responsable clínico: Dr. {name}. {hospital}. {street}. {zip} {city}. E-mail: {email}", "Remitido por: {name}. {street}. {zip} {city}. ({country})", "Un saludo,\n{given}"],
}
FIELDS = {
    "en": ["Name: {name}", "Patient: {name}", "First name: {given}", "Last name: {surname}", "Address: {address}", "City: {city}", "State: {state}", "Country: {country}", "Employer: {org}", "Hospital: {hospital}", "Attending: Dr. {name}", "Emergency contact: {name}, {phone}", "DOB: {date}", "Age: {plainage}", "Sex: F", "Diagnosis: {cond}", "Department: {dept}", "Phone: {phone}", "Email: {email}", "Insurance: {org}", "Status: {w}", "Comment: {words}", "Mother's maiden name: {surname}", "Place of birth: {city}", "Allergies: {drug}", "Occupation: {job}", "PCP: {name}", "Street: {street}", "ZIP: {zip}", "Spouse: {name}", "Facility: {hospital}", "Type: {W}", "Reason: {cond}"],
    "de": ["Name: {name}", "Patient: {name}", "Vorname: {given}", "Nachname: {surname}", "Anschrift: {street}, {zip} {city}", "Wohnort: {city}", "Hausarzt: Dr. {name}", "Arbeitgeber: {org}", "Klinik: {hospital}", "Geburtsort: {city}", "Land: {country}", "Diagnose: {cond}", "Abteilung: {dept}", "Telefon: {phone}", "Geb.: {date}", "Alter: {age}", "Geschlecht: weiblich", "Krankenkasse: {org}", "Befund: {words}", "Operateur: {name}", "Einsender: {hospital}, {city}", "Angehörige: {name} (Tochter)", "Beruf: {w}", "Therapie: {drug}", "Größe: {n3} cm", "Status: {W}"],
    "es": ["Nombre: {given}", "Apellidos: {surname} {surname}", "Paciente: {name}", "Domicilio: {street}", "Localidad/ Provincia: {city}", "CP: {zip}", "País: {country}", "Edad: {anos}", "Sexo: H", "Médico: {name}", "Hospital: {hospital}", "Diagnóstico: {cond}", "Fecha de Ingreso: {date}", "NHC: {n7}", "Servicio: {dept}", "Tratamiento: {drug}", "Teléfono: {phone}", "Empresa: {org}", "Lugar de nacimiento: {city}", "Motivo de ingreso: {cond}"],
}

# Names and places among words that say nothing about them, and the same words alone.
SALADS = [
    "{salad} {name} {salad}.", "{salad} {given} {salad}.", "{salad} {surname} {salad}.", "{salad} {city} {salad}.", "{salad} {country} {salad}.",
    "{salad} {org} {salad}.", "{name} {salad}.", "{given} {salad}.", "{surname} {salad}.", "{city} {salad}.", "{org} {salad}.", "{country} {salad}.",
    "{salad} {name}", "{salad} {given}?", "{salad} {surname}'s {salad}.", "{name}'s {salad}.", "{given}: {salad}! {given}: {salad}.", "{salad}, {given}!",
    "{given}, {salad}?", "{given}, {given}, {given} and {given} {salad}.", "{surname}, {surname} and {surname} {salad}", "{salad} {city}, {country}.",
    "{salad} (\"{salad}\") {name}, {salad}", "{salad}: {name}", "{salad}: {city}", "{salad}: {org}", "{salad} {surname} {salad} {surname} {salad}.",
    "{salad} {name} and {name}. {salad}.", "{salad} {given} {salad} {city} {salad}.", "{org}, {city}", "{salad} {year} {salad} {city} {year}.", "{salad} {street} {salad}.", "{salad} {street}, {city}.",
    "{salad} {code} {name} {salad}", "{name} {code} {salad}.", "{city} {year}: {salad}", "{salad} {hospital} {salad}.", "{salad} {zip} {city}", "{name}\n{street}\n{city}", "{name} - {salad} - {year}",
]
WHO = {
    "en": ["{name}", "{given}", "Mr. {surname}", "Ms. {surname}", "Dr. {surname}", "{given} and {given}", "My friend {given}", "my wife {given}", "our neighbor {name}", "{surname}", "The {surname}s", "{org}", "He", "She", "They", "The singer {name}", "Actress {name}", "President {surname}", "Judge {surname}", "In {year}, {name}", "On {weekday}, {given}", "Her boss, {name},", "Professor {surname} of {org}"],
    "de": ["{name}", "{given}", "Herr {surname}", "Frau {surname}", "Dr. {surname}", "{given} und {given}", "Mein Freund {given}", "meine Frau {given}", "{surname}", "Die Familie {surname}", "{org}", "Der Sänger {name}", "Im Jahr {year} hat {name}", "Unser Nachbar {name}", "Sie"],
    "es": ["{name}", "{given}", "El señor {surname}", "La doctora {surname}", "{given} y {given}", "Mi amigo {given}", "mi mujer {given}", "{surname}", "La familia {surname}", "{org}", "El cantante {name}", "En {year}, {name}", "Ella"],
}
DID = {
    "en": ["visited {name} in {city}.", "called {given} on {weekday}.", "met {surname} at {org}.", "was born in {city} in {year}.", "grew up in {city}, {country}.", "studied at {org}.", "lives near {city}.", "moved to {country} in {year}.", "was hired by {org} in {year}.", "joined {org} as a {job}.", "bought {org} for {code}.", "founded {org} in {city}.", "teaches in {city}.", "wrote to {name} about {salad}.", "drove from {city} to {city}.", "married {name}.", "asked {given} for {code}.", "told {given} to {w}.", "emailed {name} the {w}.", "is waiting for {given}.", "takes care of {given}.", "works with {name} at {org}.", "retired from {org}.", "played for {city}.", "sang with {name} in {city}.", "is {w}.", "was {w} by {surname}.", "will arrive in {city} on {weekday} morning.", "has lived at {street} since {year}.", "needs {drug} for {cond}.", "suffers from {cond}.", "says {salad}.", "thinks that {salad}.", "and {given} {salad}.", "paid {given} {code} in {month}.", "left {org} to start {org}.", "owns a shop in {city}.", "of {city} {salad}.", "from {org} {salad}.", "'s car is in {city}.", "has an appointment with Dr. {surname} at {hospital}.", "was treated at {hospital} in {city}."],
    "de": ["besuchte {name} in {city}.", "rief {given} am {weekday} an.", "wurde {year} in {city} geboren.", "wohnt seit {year} in {city}.", "arbeitet bei {org}.", "studierte an der {org}.", "zog nach {country}.", "heiratete {name}.", "schrieb an {name}.", "gründete {org} in {city}.", "traf {surname} in {city}.", "fragte {given} nach {salad}.", "fährt mit {given} nach {city}.", "sagt, {salad}.", "leidet an {cond}.", "wird von {surname} betreut.", "kommt aus {city}.", "wurde im {hospital} behandelt.", "lebt in der {street} in {city}.", "nimmt {drug}.", "hat einen Termin bei Dr. {surname}.", "und {given} {salad}."],
    "es": ["visitó a {name} en {city}.", "llamó a {given} el {weekday}.", "nació en {city} en {year}.", "vive en {city} desde {year}.", "trabaja en {org}.", "estudió en {org}.", "se mudó a {country}.", "se casó con {name}.", "escribió a {name}.", "fundó {org} en {city}.", "conoció a {surname} en {city}.", "dice que {salad}.", "padece {cond}.", "es de {city}.", "fue atendido en {hospital}.", "vive en {street}.", "toma {drug}.", "tiene cita con el Dr. {surname}.", "y {given} {salad}."],
}
CLEAN["en"] += ["{salad}.", "{salad}. {salad}.", "{salad} {code} {salad}.", "{W} {salad}.", "{w}: {code}", "{W}: {code}, {W}: {code}", "lot {code}; {w} {code}", "{W} number {code}", "My {w} number is {code}", "In {year}, {salad}.", "{salad} in {year}.", "I want to {w} my {w}.", "How do I {w} my {w} {code}?", "Could you {w} the {w} to {code}?", "You said {salad}.", "I {w} and I {w}.", "She {salad} on {weekday}.", "{drug} {n3} mg, {code}", "the {w} of {month} {year}", "{Words} {code}", "{W} {W} {salad}", "The {W} {salad}.", "A {w} {w} {cond}.", "Department: {dept}", "Service: {dept}", "consult {dept}", "{code}\n{code}\n{w}"]
CLEAN["de"] += ["{salad}.", "{salad}. {salad}.", "{salad} {code}.", "{W} {salad}.", "{W}: {code}", "{W}-Nr. {code}", "Im Jahr {year} {salad}.", "Die {W} {salad}.", "Der {W} und die {W} {salad}.", "Bei {W} {salad}.", "Das {W} {salad}, {salad}.", "{W}, {W} und {W} {salad}.", "{W}{w} {salad}.", "Fachabteilung: {dept}", "Konsil {dept}", "seit {year}: {cond}", "{year} {cond}, {year} {cond}", "Abteilung für {dept}", "{W}: {salad}"]
CLEAN["es"] += ["{salad}.", "{salad}. {salad}.", "{salad} {code}.", "{W}: {code}", "En {year} {salad}.", "El {w} y la {w} {salad}.", "Servicio: {dept}", "Servicio de {dept}", "Es derivado a {dept}.", "Consulta de {dept}", "{w}: {salad}", "En {month} de {year} {salad}.", "Desde hace {n1} años {salad}.", "{n1} años después {salad}."]

CLEAN["en"] += ["{label} {code}", "{label}: {code}", "{label} {code}; {label} {code}, {label}: {code}.", "{salad} {label} {code}. {Words}.", "{label} {code} {W} {salad}.", "{W} {w} {label}: {code}\n{label}: {code}", "{label}# {code}", "{W} {label} {code}\n{salad}. {label} {code}"]
CLEAN["de"] += ["{label} {code}", "{label}: {code}", "{W}, {label}: {code}; {W} {label} {code}", "{salad} {label} {code}."]
CLEAN["es"] += ["{label} {code}", "{label}: {code}. {label}: {code}.", "{salad} {label}: {code}."]
SALADS += ["{label} {code}. {name} {salad}.", "{name} {label} {code}", "{label}: {code}; {name}, {label} {code}.", "{label} {code} {city}", "{name}\n{postal}", "{postal}", "{salad}:\n{postal}\n{salad}", "{name}\n\n{postal}\n{code}",
           "{salad} {postal} {salad}.", "{org}\n{postal}", "{given}: {salad}?\n{given}: {salad}.", "{name} ({org}): {salad}", "{salad} {org} {salad} {org}.", "the {org} {w} {salad}", "{org}'s {salad} {country}."]
CLEAN["en"] += ["{W} & {W}, {W}, {W}, {W} & {W}", "{salad} \"{Words}\" {salad}.", "The {Words} {salad}.", "{W} and {W}: {salad}", "{Words}? {Words}!", "{salad} the {W} {W} {salad}."]
CLEAN["de"] += ["{W} und {W}, {W} & {W}", "{salad} \"{Words}\" {salad}."]
CLEAN["es"] += ["{W} y {W}, {W}.", "{salad} \"{Words}\" {salad}."]

# Towns that faker's lists lack, and that word lists from subtitles hold as words.
TOWNS = {
    "en": "London,Manchester,Birmingham,Leeds,Liverpool,Glasgow,Edinburgh,Cardiff,Belfast,Dublin,Cork,New York,Boston,Chicago,Philadelphia,Baltimore,Houston,Dallas,Austin,San Antonio,San Diego,San Francisco,Los Angeles,Seattle,Portland,Denver,Phoenix,Las Vegas,Detroit,Cleveland,Cincinnati,Columbus,Pittsburgh,Minneapolis,Milwaukee,St. Louis,Kansas City,Memphis,Nashville,Atlanta,Miami,Orlando,Tampa,Charlotte,Richmond,Washington,Brooklyn,Queens,Toronto,Montreal,Vancouver,Ottawa,Calgary,Sydney,Melbourne,Brisbane,Perth,Auckland,Wellington,Delhi,Mumbai,Bangalore,Rochester,Buffalo,Sacramento,Oakland,San Jose,New Orleans,Salt Lake City,Honolulu,Oxford,Cambridge,Bristol,Nottingham,Sheffield,Paris,Rome,Tokyo,Moscow,Cairo,Singapore,Hong Kong,Beijing",
    "de": "Berlin,Hamburg,München,Köln,Frankfurt,Frankfurt am Main,Stuttgart,Düsseldorf,Dortmund,Essen,Leipzig,Bremen,Dresden,Hannover,Nürnberg,Duisburg,Bochum,Wuppertal,Bielefeld,Bonn,Münster,Karlsruhe,Mannheim,Augsburg,Wiesbaden,Gelsenkirchen,Mönchengladbach,Braunschweig,Chemnitz,Kiel,Aachen,Halle,Magdeburg,Freiburg,Krefeld,Lübeck,Oberhausen,Erfurt,Mainz,Rostock,Kassel,Hagen,Hamm,Saarbrücken,Mülheim,Potsdam,Ludwigshafen,Oldenburg,Leverkusen,Osnabrück,Solingen,Heidelberg,Herne,Neuss,Darmstadt,Paderborn,Regensburg,Ingolstadt,Würzburg,Fürth,Wolfsburg,Offenbach,Ulm,Heilbronn,Pforzheim,Göttingen,Bottrop,Trier,Reutlingen,Bremerhaven,Koblenz,Bergisch Gladbach,Jena,Remscheid,Erlangen,Moers,Siegen,Hildesheim,Salzgitter,Cottbus,Marburg,Gießen,Tübingen,Greifswald,Homburg,Bad Oeynhausen,Wien,Graz,Linz,Salzburg,Innsbruck,Klagenfurt,Villach,Wels,St. Pölten,Zürich,Genf,Basel,Bern,Lausanne,Winterthur,Luzern,St. Gallen,Leoben,Feldkirch,Passau,Bamberg,Bayreuth,Konstanz,Ravensburg",
    "es": "Madrid,Barcelona,Valencia,Sevilla,Zaragoza,Málaga,Murcia,Palma,Bilbao,Alicante,Córdoba,Valladolid,Vigo,Gijón,Granada,Oviedo,Santander,Pamplona,San Sebastián,Vitoria,Burgos,Salamanca,León,Toledo,Badajoz,Cáceres,Huelva,Cádiz,Jaén,Almería,Albacete,Logroño,Lleida,Tarragona,Girona,Castellón,La Coruña,A Coruña,Lugo,Ourense,Pontevedra,Las Palmas,Santa Cruz de Tenerife,Cartagena,Getafe,Alcalá de Henares,México D.F.,Guadalajara,Monterrey,Puebla,Bogotá,Medellín,Cali,Lima,Santiago de Chile,Valparaíso,Buenos Aires,Rosario,Mendoza,Montevideo,Caracas,Quito,Guayaquil,La Paz,La Habana,San Juan,Asunción",
}
