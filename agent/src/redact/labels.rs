//! Context words: what stands before or after an identifier and tells what it is, or what it is not.

use super::kind::Kind;

/// A set of meanings that a context word can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Labels(u128);

impl Labels {
    pub(super) const NONE: Self = Self(0);
    /// Announces something that is no personal data: batch, version, ratio.
    pub(super) const DENY: Self = Self(1);
    /// A unit of measurement, after a number.
    pub(super) const UNIT: Self = Self(1 << 1);
    /// A field whose value is a name: `Name`, `Apellidos`.
    pub(super) const NAME_FIELD: Self = Self(1 << 2);
    /// A role that a name may follow at once: `Patient`, `Dr.`.
    pub(super) const ROLE: Self = Self(1 << 3);
    /// A title, which a name follows.
    pub(super) const TITLE: Self = Self(1 << 4);
    /// A salutation.
    pub(super) const GREETING: Self = Self(1 << 5);
    /// A closing formula, with a signature on the next line.
    pub(super) const CLOSING: Self = Self(1 << 6);
    /// A phrase with a name after it: "my name is".
    pub(super) const CALLED: Self = Self(1 << 7);
    /// Announces a street address.
    pub(super) const ADDRESS: Self = Self(1 << 8);
    /// Announces a place.
    pub(super) const PLACE: Self = Self(1 << 9);
    /// The scheme or `www.` of a web address.
    pub(super) const URL: Self = Self(1 << 10);
    /// Announces an age.
    pub(super) const AGED: Self = Self(1 << 11);
    /// Stands before a date without a year: "on", "am", "el".
    pub(super) const DAY: Self = Self(1 << 12);
    /// Announces an age, in a language whose readers hide every age.
    pub(super) const AGED_LOCAL: Self = Self(1 << 13);
    /// A field whose value is an age.
    pub(super) const AGE_FIELD: Self = Self(1 << 14);
    /// A degree after a name: `MD`, `RN`.
    pub(super) const DEGREE: Self = Self(1 << 15);
    /// A word for a street, before its name: `Calle`, `rue`.
    pub(super) const STREET: Self = Self(1 << 16);
    /// Stands before a year, in English.
    pub(super) const YEAR: Self = Self(1 << 17);
    /// Stands before a year, in another language.
    pub(super) const YEAR_LOCAL: Self = Self(1 << 18);
    /// Announces a year of birth.
    pub(super) const BIRTH: Self = Self(1 << 19);
    /// Stands before two streets that meet.
    pub(super) const CORNER: Self = Self(1 << 20);
    /// Stands before the name somebody was born with.
    pub(super) const BORN: Self = Self(1 << 21);
    /// Who insures people's health: beside it, ten signs are a member's number, whatever their check digit.
    pub(super) const INSURER: Self = Self(1 << 22);
    /// Announces the few digits of an extension.
    pub(super) const EXTENSION: Self = Self(1 << 23);
    /// Says that a number follows, and not of what: `no.`, `number`.
    pub(super) const NUMBER: Self = Self(1 << 24);
    /// The lowest bit that stands for a [`Kind`].
    const KINDS_FROM: u32 = 25;

    /// Labels after which announced rules are tried.
    pub(super) const ANNOUNCING: Self = Self(
        !((1 << Self::KINDS_FROM) - 1)
            | Self::AGED.0
            | Self::AGED_LOCAL.0
            | Self::AGE_FIELD.0
            | Self::DAY.0
            | Self::YEAR.0
            | Self::YEAR_LOCAL.0
            | Self::BIRTH.0
            | Self::EXTENSION.0
            | Self::NUMBER.0,
    );

    /// Whether a [`Kind`] is announced.
    pub(super) const fn names_kind(self) -> bool {
        self.0 >> Self::KINDS_FROM != 0
    }

    /// The label that announces `kind`.
    pub(super) const fn of(kind: Kind) -> Self {
        Self(1 << (Self::KINDS_FROM + kind as u32))
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The first kind that this label announces.
    pub(super) fn kind(self) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| self.meets(Self::of(*kind)))
    }
}
const _: () = assert!(Kind::ALL.len() + Labels::KINDS_FROM as usize <= 128);

/// Every context word as a pattern (letter case does not matter) with its meaning.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Labels)> {
    OF_KINDS
        .iter()
        .map(|(kind, pattern)| (*pattern, Labels::of(*kind)))
        .chain(OTHERS.iter().copied())
}

/// Words that announce a kind. Longer labels win over shorter ones at the same place.
const OF_KINDS: &[(Kind, &str)] = &[
    (Kind::Ssn, r"ssn|ss#|ss no|social security(?: number| no| nr)?|soc sec"),
    (Kind::Itin, r"itin|individual taxpayer"),
    (Kind::Npi, r"(?:provider )?npi|national provider(?: identifier)?"),
    (Kind::Dea, r"dea|dea (?:number|no|registration)"),
    (
        Kind::HealthPlan,
        r"mbi|ohip|ramq|enrollee (?:id|number|no)|medicare (?:beneficiary )?(?:id|number|no)|medicaid(?: id| number)?|beneficiary(?: id| number)?|(?:health )?plan (?:id|number|no)|hicn|member(?:(?:ship)? (?:id|number|no|#))?|policy (?:id|number|no|#)|subscriber(?: id| number)?|insurance (?:id|number|no|policy)|group (?:id|number|no|#)|claim(?: (?:id|number|no|#|file)| ?#)?|versicherten(?:nummer|nr|-nr)|versicherungs(?:nummer|nr|-nr)|vers\.? ?-?nr|krankenversicher(?:ten|ungs)(?:nummer|nr)|kvnr|krankenkassen(?:nummer|nr)|mitglieds-?(?:nummer|nr)|p[óo]liza|tarjeta sanitaria|tsi|cip|cipa|cip-?sns|n[úu]mero de afiliaci[óo]n|aseguradora",
    ),
    (Kind::Nhs, r"ubrn|nhs(?: number| no| nr| id)?|(?-i:CHI)|chi (?:number|no)"),
    (Kind::Nino, r"nino|ni (?:number|no)|national insurance(?: number| no)?|nat ins"),
    (
        Kind::SteuerId,
        r"steuer-?id(?:entifikationsnummer)?|steuer-?identifikationsnummer|idnr|steuernummer|steuer-nr|(?-i:TIN)",
    ),
    (
        Kind::Nir,
        r"nir|n[°º] ?s[ée]cu|s[ée]curit[ée] sociale|num[ée]ro de s[ée]cu(?:rit[ée] sociale)?|carte vitale|insee",
    ),
    (Kind::Dni, r"dni|nie|nif|n\.i\.f|d\.n\.i|documento nacional(?: de identidad)?|c[ée]dula"),
    (Kind::Nuss, r"nass|nuss|nss|naf|n[úu]mero de (?:la )?seguridad social|seguridad social"),
    (Kind::CodiceFiscale, r"codice fiscale|cod\.? ?fisc|c\.f|cf"),
    (Kind::Pesel, r"(?:nr )?pesel"),
    (Kind::Bsn, r"bsn|burgerservicenummer|sofinummer"),
    (Kind::Aadhaar, r"aadhaar|aadhar|uidai"),
    (Kind::Pan, r"permanent account(?: number)?"),
    (Kind::Tfn, r"tfn|tax file(?: number| no)?"),
    (Kind::Medicare, r"medicare(?: card)?(?: number| no)?"),
    (Kind::Cpf, r"cpf"),
    (
        Kind::TaxId,
        r"tax(?:payer)? (?:id|number|no|identification(?: number)?)|(?-i:EIN)(?: number| no)?|national id(?:entity)?(?: number| no| card)?|personnummer|identity number|id card(?: number)?|personal (?:id|number)|ausweis(?:nummer|nr|-nr)?|personalausweis(?:nummer|nr)?|curp|rfc|nric|fin no|sozialversicherungs(?:nummer|nr|-nr)|sv-?nr|(?-i:SVN)|rentenversicherungs(?:nummer|nr)|rvnr|vsnr|ahv(?:-nr|-nummer)?",
    ),
    (
        Kind::Passport,
        r"passport(?: number| no| id)?|pass ?(?:no|number|#)|reisepass(?:nummer|nr)?|pass-?nr|pasaporte|passeport|passaporto",
    ),
    (
        Kind::MedicalRecord,
        r"mrn|mcn|phn|urn|(?-i:KIS)|mr ?#|m\.r\.n|medical record(?: number| no| id)?|med\.? ?rec\.?(?: ?number| ?no)?|uhid|record (?:number|no|id)|chart (?:number|no|id)|patient (?:id|number|no|identifier)|pat\.?-?(?:id|nr|nummer)|patienten-?(?:id|nr|nummer)|hosp(?:ital)?\.? (?:number|no|id|nr)|unit (?:number|no)|case (?:number|no|id|#)|case ?#|file (?:number|no|id|#)|file ?#|encounter(?: id| number| no| ?#)?|visit (?:id|number|no)|accession(?: number| no| id)?|specimen (?:id|number|no)|fall-?(?:nummer|nr|id)|(?-i:PID|FID)|(?-i:Fall) ?:|(?:aufn(?:ahme)?|lfd|lauf|eingangs?|einsende|(?:schlaf)?labor|proben?|block|biopsie|untersuchungs|register|vorgangs?)\.?[ \-]?(?:nummer|nr)|kranken(?:akte|blatt)-?(?:nummer|nr)?|akten-?(?:nummer|zeichen|nr)|aktenzeichen|befund-?(?:nummer|nr)|histologie-?nr|journal-?(?:nummer|nr)|vorgang|zl|e-?nr|histo(?:logie)?\.?-?nr|nhc|n\.h\.c|n[º°]? ?(?:de )?historia(?: cl[íi]nica)?|historia cl[íi]nica n?[º°]?|n[úu]mero de historia(?: cl[íi]nica)?|episodio|n[úu]mero de (?:paciente|episodio)|id (?:del )?paciente|expediente|chart|requisition(?: number| no)?",
    ),
    (
        Kind::Account,
        r"acct|acc ?#|acc\.? no|account(?: number| no| nr| id)?|a/c(?: number| no)?|(?:vertrags)?konto(?:nummer|nr|-nr)?|kunden(?:nummer|nr|-nr)|kd\.?-?nr|(?:z[äa]hler|rechnungs)-?(?:nummer|nr)|rechnung nr|cuenta(?: bancaria| corriente)?|n[úu]mero de cuenta|customer (?:id|number|no|#)|invoice (?:number|no|id|#)|invoice ?#|billing (?:id|number|no)",
    ),
    (
        Kind::License,
        r"dl ?#|(?-i:DL) ?:|dln|dl (?:number|no)|driver'?s?'?s?[’']?s? licen[cs]e(?: number| no| id)?|driving licen[cs]e(?: number| no)?|licen[cs]e(?: number| no| id)?|licen[cs]e ?#|medical licen[cs]e|f[üu]hrerschein(?:nummer|nr)?|permiso de conducir|carn[ée] de conducir|n[º°o]? ?col|n[úu]m\.? ?col|colegiad[oa]|n[º°]? ?(?:de )?colegiad[oa]|n[úu]mero de colegiad[oa]|lanr|bsnr|arztnummer|arzt-nr|gmc(?: number| no)?|(?-i:IMC)|board (?:number|no)|practice (?:code|number|no)|provider (?:number|no)|certificate (?:number|no)",
    ),
    (
        Kind::Plate,
        r"(?:licen[cs]e |number |car )?plate(?: number| no)?|registration plate|(?:kfz-?)?kennz(?:eichen)?|matr[íi]cula|vehicle registration|(?:car|van|vehicle) reg|rego",
    ),
    (
        Kind::Vin,
        r"vin|vehicle identification(?: number| no)?|fahrgestell(?:nummer|nr)|chassis(?: number| no)?|bastidor",
    ),
    (Kind::Imei, r"(?:phone )?imei"),
    (
        Kind::DeviceSerial,
        r"(?:device |pacemaker |implant |icd |pump )?serial(?: number| no| nr)?|s/n(?: ?[:#])?|(?-i:SN) ?[:#]|device sn|ser\.? ?(?:no|nr)|device (?:id|identifier|number)|udi|serien-?(?:nummer|nr)|ger[äa]te-?(?:nummer|nr)|n[úu]mero de serie|implant (?:number|id)|pacemaker id",
    ),
    (
        Kind::Biometric,
        r"biometric(?: id| template| identifier)?|fingerprint(?: template| id)?|iris (?:id|scan|template)|voice ?print(?: id)?|retina(?:l)? (?:id|scan)|face ?print|fingerabdruck",
    ),
    (Kind::Iban, r"iban|bankverbindung|transfer to"),
    (Kind::Bic, r"bic|swift(?: code| bic)?|bic/swift"),
    (
        Kind::Routing,
        r"(?:aba )?routing(?: number| no| transit number)?|aba(?: number| no)?|rtn|bankleitzahl|blz|sort code",
    ),
    (
        Kind::CreditCard,
        r"(?:credit|debit|payment|bank)? ?card(?: number| no| nr)?|visa|mastercard|amex|american express|charged to|pan|kredit-?karte(?:n-?nummer)?|tarjeta(?: de cr[ée]dito| de d[ée]bito)?|cc(?: ?#| number| no)?|(?:account|card|visa|mastercard|amex) (?:ending|ends)(?: in| with)?|tarjeta terminada en",
    ),
    (
        Kind::Phone,
        r"phone(?: number| no)?|tele?phone(?: number| no)?|tel(?:[ée]f(?:onos?)?|efon(?:nummer|nr)?|\.-nr|-nr)?|tfn?o|tlf|tlfno|(?-i:ph|Ph|PH)|call(?: me at| us at| me on)?|cell(?: phone)?|cellphone|mobile?(?: phone| number| no)?|m[óo]vil|mobil(?:telefon|nummer|nr)?|handy(?:nummer|nr)?|pager|beeper|contact(?: number| no)|desk|office phone|home phone|work phone|reach(?:ed)? (?:me |him |her |us |them )?(?:at|on|under)|text(?: me)? at|durchwahl|rufnummer|r[üu]ckruf(?: unter)?|fon|whatsapp|centralita|busca|hotline|office|answering at|messages? to|number is|sms|dial(?:ed|led)?|rang|ring",
    ),
    (Kind::Fax, r"(?:tele)?fax(?: number| no| nr|-nr)?|facsimile"),
    (
        Kind::Date,
        r"dob|d\.o\.b|lmp|edd|date of (?:birth|death|admission|discharge|service|visit|injury)|birth ?date|birthday|date|born(?: on)?|admitted(?: on)?|discharged(?: on)?|admission(?: date)?|discharge(?: date)?|seen on|visit(?: date)?|died(?: on)?|deceased|geb(?:oren)?(?: am)?|geb\.-?datum|geburtsdatum|gebdat|datum|aufnahme(?:datum)?|entlassung(?:sdatum)?|fecha(?: de (?:nacimiento|ingreso|alta|la consulta))?|f\.? ?nac(?:imiento)?|nacid[oa](?: el)?|ingres[oó](?: el)?|alta|dated?|since|until|on or about|expires?|expiry|vom|seit",
    ),
    (
        Kind::Zip,
        r"zip(?: ?code)?|eircode|post(?:al)? ?code|postcode|plz|postleitzahl|c\.?p|c[óo]digo postal|cod\.? ?postal",
    ),
    (Kind::Ip, r"ip(?: address| addr)?|ipv[46]|logged in from|ip-adresse|direcci[óo]n ip|host"),
    (Kind::Mac, r"(?:device )?mac(?: address| addr)?|hwaddr|ethernet"),
    (Kind::Email, r"e-?mail|mail|correo(?: electr[óo]nico)?"),
    (
        Kind::Id,
        r"id|identifier|identification(?: number| no)?|id (?:number|no|nr)|id ?#|identificador|kennung|kenn-?(?:nummer|nr)|user ?id|employee (?:id|number|no)|(?:unser|ihr|mein) zeichen|gesch(?:[äa]fts)?\.?-?z(?:eichen)?|az|(?-i:IK)|(?:antrags|auftrags?|bescheid|bewohner|einsatz|et|gutachten|rezept|verordnungs|buchungs|mandats?|matrikel|schadens?|sendungs|ticket|vertrags)-?(?:nummer|nr)|student (?:id|number|no)|pers(?:onal)?\.?-?(?:nummer|nr)|nr\.-id|(?:our|your|application|booking|case|claim|client|complaint|crime|customer|delivery|housing|incident|parcel|payment|policy|reservation|shipment|tenancy|tracking) ref(?:erence)?(?: number| no)?|(?:booking|claim|complaint|crime|parcel|reservation|ticket|tracking) (?:id|number|no|code|#)|parcel|last (?:four|4)(?: digits)?(?: of (?:my|the|his|her) (?:account|card|social|ssn))?|(?-i:[Rr]ef)(?:\.? ?(?:no|nr|number|#))?|reference|referencia|(?:prior |pre-?)auth(?:ori[sz]ation)?|auth(?:ori[sz]ation)? (?:number|no|code|#)|rx (?:number|no|#)|rx ?#|(?-i:PCN|CDL|FNr|GLN|VN|ZSR)|auftr(?:ag)?|karte|maßnahme(?:-?nr)?|police|zugangscode|(?:badge|collar|frame|warrant) (?:number|no)|key ?safe(?: code| number)?|(?:micro-?)?chipped|micro-?chip(?: number| no)?|(?:abo|beihilfe|chip|filterkarten|rahmen|sterbebuch|seefahrtbuch)[- ]?(?:nummer|nr)|chiffre|filterkarte|f[üu]hrerscheinakte|localizador|socio(?: n[º°])?|n[º°] de etiqueta",
    ),
];

/// Words with another meaning than announcing a kind.
const OTHERS: &[(&str, Labels)] = &[
    (
        r"firmware|software|driver(?: version)?|treiber|hotfix|patch|kernel|lot(?: number| no)?|batch(?: reference| number| no)?|catalogue?(?: item| number| no)?|item(?: number| no)?|(?:article|cas|equation|gene|part|product|question|trial|un) (?:number|no)|order(?: number| no)?|(?-i:REF)|version|ver\.?|v\.|rev|release|build|ratio|model|part(?: number| no)?|sku|charge(?:n-?(?:nr|nummer))?|ch\.-b|lote|art\.(?:-?nr)?|artikel(?:nummer|nr)?|bestell(?:nummer|nr)|pzn|n[º°] de lote|icd(?:-?(?:9|10|11))?(?:-?(?:cm|gm|pcs))?|cpt|loinc|snomed(?:[- ]ct)?|atc|ndc|hcpcs|drg|ops|doi|pmid|isbn|issn|rfc|grant|trial|protocol|nct|page|pages|pp?\.|figure|fig|table|chapter|section|§|seite|tabelle|abb|kapitel|p[áa]gina|tabla|step|(?:more|less|fewer|greater) than|at least|mehr als|mindestens|m[áa]s de|menos de|al menos|score|apgar|ipss|stage|grade|class|type|level|room|bed|zimmer|bett|port|visits?|bp|rr|hr|spo2|hb|temp|weight|gewicht|peso|dose|dosis",
        Labels::DENY,
    ),
    (
        r"mg|mcg|µg|μg|g|kg|ml|l|dl|cl|mm|cm|m|km|mmol|mol|mmhg|iu|ie|ui|units?|einheiten|meq|mval|bpm|kcal|kj|h|hours?|std|stunden|horas|min|minutes?|minuten|sec|days?|tage[n]?|d[íi]as?|weeks?|wochen?|semanas?|months?|monate[n]?|meses|mes|tabletten|tablets?|comprimidos|tropfen|drops|gy|cells|zellen|hz|khz|mhz|usd|eur|dollars?|euros?|cc|ng|pg|nmol|pmol|fl|mbq|x10|percent|prozent",
        Labels::UNIT,
    ),
    (
        r"(?:patient(?:en)?'?s? |full |first |last |given |family |sur|vor|nach|familien|mother'?s? |father'?s? |maiden )?name[ns]?(?: of (?:the )?patient)?|nombres?(?: y apellidos)?|apellidos?|primer apellido|segundo apellido|nombre del paciente|nombre completo|surname|author|autor(?:a|es)?|contact|next of kin|emergency contact|guardian|attn|attention|from|to|re|betreff|caregiver|spouse|wife|husband|user|insured|subscriber|policy ?holder|versichert(?:er|e)?|beneficiary|customer|who|vorname|nachname|geburtsname|patientenname|name des patienten|pat\.?",
        Labels::NAME_FIELD,
    ),
    (
        r"patient(?:in)?|paciente|provider|physician|attending(?: physician)?|doctor|surgeon|m[ée]dic[oa](?: responsable)?|responsable cl[íi]nico|remitid[oa] por|firmado(?: por)?|fdo|signed(?: by)?|dictated by|electronically signed by|reviewed by|referred by|referring physician|seen by|accompanied by|hausarzt|haus[äa]rztin|oberarzt|ober[äa]rztin|chefarzt|chef[äa]rztin|stationsarzt|assistenzarzt|assistenz[äa]rztin|arzt|[äa]rztin|verfasser|unterschrieben von|gez|i\. ?[av]|behandelnder arzt|anrede|enfermer[oa]|dirigid[oa] a|cirujan[oa]|pcp|nurse|i am|i'm|this is",
        Labels::ROLE,
    ),
    (
        r"dr|dra|prof|profesora?|mr|mrs|ms|miss|mister|sr|sra|srta|don|do[ñn]a|d|d[ñn]a|herrn?|frau|fr|hr|(?:d?dr|m?mag|prim|univ|dkfm)\.|sir|madam|dipl\.-?(?:ing|psych|med)|pd|priv\.-?doz|med|rev|hon|capt|sgt|lt|col|monsieur|madame|mme|signora?|sig\.?ra",
        Labels::TITLE,
    ),
    (
        r"dear|hi|hello|hey|hallo|hola|liebe[rs]?|sehr geehrte[rs]?|werte[rs]?|estimad[oa]s?|querid[oa]s?|guten (?:tag|morgen|abend)|buenos d[íi]as|good (?:morning|afternoon|evening)|thanks|thank you|gracias|danke",
        Labels::GREETING,
    ),
    (
        r"sincerely|best(?: regards| wishes)?|(?:kind|warm) regards|regards|yours(?: sincerely| faithfully| truly)?|cheers|mit freundlichen (?:kollegialen )?gr[üu](?:ß|ss)en|mit (?:besten|kollegialen|freundlichem|herzlichen) gr[üu](?:ß|ss)(?:en)?|freundliche gr[üu](?:ß|ss)e|(?:liebe|viele) gr[üu](?:ß|ss)e|mfg|hochachtungsvoll|atentamente|un saludo|saludos(?: cordiales)?|cordialmente",
        Labels::CLOSING,
    ),
    (
        r"my name is|name is|named|called|se llama|me llamo|mi nombre es|ich hei(?:ß|ss)e|mein name ist|namens|spoke (?:with|to)|speaking with|on behalf of|discussed with|son|daughter|brother|sister|mother|father|friend|colleague|mit herrn|mit frau",
        Labels::CALLED,
    ),
    (
        r"kranken(?:kasse|versicherung)|kasse|kostentr[äa]ger|aok|barmer|bkk|dak(?:-gesundheit)?|hek|hkk|ikk|kkh|knappschaft|svlfg|techniker krankenkasse|tk|debeka|[öo]gk|bvaeb|helsana|swica|viactiv",
        Labels::INSURER,
    ),
    (r"no|nr|number|nummer|n[º°]|n[úu]m(?:ero)?", Labels::NUMBER),
    (r"geb|geborene[nr]?|née", Labels::BORN),
    (
        r"address|home address|lives? at|living at|resid(?:es|ing|ence|ent)(?: at| in)?|domicil(?:io|iad[oa])(?: en)?|direcci[óo]n|anschrift|adresse|wohnhaft(?: in)?|wohnt in|mailing address|shipping address|street|stra(?:ß|ss)e|vive en|meet (?:me|you) at|deliver(?:ed)? to|mail(?:ed)? to|sent to",
        Labels::ADDRESS,
    ),
    (
        r"city|town|country|state|county|province|provincia|localidad|localidad/ ?provincia|municipio|poblaci[óo]n|pa[íi]s(?: de nacimiento)?|ort|wohnort|stadt|geburtsort|lugar de nacimiento|place of birth|birthplace|ciudad|natural de|residente en|procedente de|nacido en|nacida en|born in|hometown",
        Labels::PLACE,
    ),
    (r"md|m\.d|rn|phd|ph\.d|dds|dnp|lpn|facs|msc|m\.sc", Labels::DEGREE),
    (
        r"calle(?:j[óo]n)?|c/|avda|av[d]?\.|avenida|avinguda|paseo|p[ºo]|plaza|pza|pl\.|ronda|camino|carretera|ctra|traves[íi]a|r[úu]a|glorieta|rambla|cuesta|pasaje|pasadizo|urbanizaci[óo]n|urb|colonia|vía|(?-i:Via)|viale|piazza|piazzale|corso|strada|vicolo|borgo|contrada|rue|boulevard|bd\.|all[ée]e|chemin|impasse|quai|passage|ulica|ul\.|carrer|aleja|calzada|acceso|v[íi]al|alameda|ca[ñn]ada|p\.? ?o\.? box",
        Labels::STREET,
    ),
    (
        r"ext(?:ension)?(?: is)?|tel|durchwahl|dw|klappe|nebenstelle|bleep|pieper|piepser|funkruf",
        Labels::EXTENSION,
    ),
    (r"(?:the )?corner of|(?:la )?esquina de|(?:an der )?ecke", Labels::CORNER),
    (
        r"in|between|during|year|since|from|until|before|after|last|next|early|late|mid",
        Labels::YEAR,
    ),
    (
        r"en|desde|desde el|año|el año|del año|del|de|entre|hasta|seit|im(?: jahre?)?|jahr|anno|nach|vor|bis|und|y|anfang|mitte|ende|etwa",
        Labels::YEAR_LOCAL,
    ),
    (r"https?://|ftp://|www\.", Labels::URL),
    (
        r"age ?/ ?(?:sex|gender)|(?:sex|gender) ?/ ?age|aged?|age of|age (?:in )?(?:years|yrs)|turn(?:s|ed|ing)?|when (?:he|she|i|they) (?:was|were)|(?:pt|patient|resident|client|he|she|who|mother|father|husband|wife|grandmother|grandfather) is(?: now| currently| about| almost| nearly| over)?|(?:he|she)[’']s|i am|i'm",
        Labels::AGED,
    ),
    (r"edad|alter|âge|et[àa]|idade|leeftijd|wiek", Labels::AGE_FIELD.or(Labels::AGED_LOCAL)),
    (
        r"dob|d\.o\.b|yob|date of birth|year of birth|birth ?(?:date|year|day)|born(?: in| on)?|geb(?:oren)?(?: am| im jahr| im jahre)?|geburts(?:datum|jahr)|jahrgang|jg|nacid[oa](?: el| en)?|año de nacimiento|née? en|nat[oa] nel",
        Labels::BIRTH,
    ),
    (
        r"alter von|(?:var[óo]n|mujer|hombre|paciente|ni[ñn][oa]|lactante|se[ñn]ora?|enfermo|enferma|femenin[oa]|masculin[oa]|feto|reci[ée]n nacid[oa]|neonato|joven|anciano|anciana|madre|padre|hij[oa]|edad)(?: [a-záéíóúñ]{4,14})? de|mit",
        Labels::AGED_LOCAL,
    ),
    (
        r"on|till|am|el|d[íi]a|del|by|bis|ab|zum|den|der|until|through|drawn|taken|starts?|started|due|booked for|scheduled for|appointment|from|between|and|y|und|le|il|seit|since|around|early|late|mid|hasta|desde|ca|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?-i:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun)",
        Labels::DAY,
    ),
];
