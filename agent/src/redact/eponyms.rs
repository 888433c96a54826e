//! What looks like somebody's name and is nobody: diseases, signs, tests and devices that are called after
//! people; drugs; months and feasts.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::LazyLock;

use super::Find;
use super::words::{TITLES, Word, skip_spaces};

/// Words in small letters.
type Words = LazyLock<HashSet<&'static str>>;

/// Drugs, a line each, in small letters and the order of their bytes; `drugs.py` makes it.
static DRUGS: &str = include_str!("drugs.txt");
/// What an eponym stands before: `Foley catheter`, `Parkinson's disease`, `Redon-Drainage`. Not what a
/// list of a ward has behind a patient's name as often: `Roe surgery Tuesday`.
static HEADS: Words = LazyLock::new(|| {
    words(
        "aneurysm anomaly anämie arteritis arthritis ataxia bacillus ballon band block bodies \
         body bundle bänder canal capsule carcinoma cast catheter cell cells chorea circulation \
         classification coma contracture cord crisis criteria criterion cycle cyst darstellung \
         defekt deformity degeneration dementia demenz diet disease dissection divertikel draht \
         drain drainage dreieck druck drähte duct dystonie dystrophy effect encephalopathy \
         equation esophagus exercise exercises factor fever filter fistel fistula flap forceps \
         formel formula fracture fraktur frakturen färbung gait ganglion gland goiter grade \
         grading graft granulomatose granulomatosis hematoma hernia hernie incision index \
         inzision joint kanal kanüle kardiomyopathie katheter keratitis klassifikation knoten \
         kontraktur korsett krankheit kriterien laceration lactate lagerung lappen law lesion \
         ligament line linie loop luxation lymphom lymphoma lähmung läsion maneuver manoeuvre \
         manöver meningitis method methode migraine migräne monitor murmur myopathie myopathy \
         myotonia nadel nagel naht nail needle nephritis neuralgia neuralgie neurinom neuroma \
         neuropathy node nodes nodule nodules operation orifice orthese ossicles ossification \
         palsy paralysis parese pattern phenomenon phänomen plastik plexus plombe point position \
         pouch probe procedure psychosis pulse punkt reaction reflex regel regimen repair \
         resection resektion respiration retinopathy retractor rhythm ring rule rules sarcoma sarkom \
         scale schema schere schiene schleuse schlinge schnitt score screening sehne sheath shunt \
         sign skala sling solution space splint spots stadien stadium stage staging stain \
         staining stimulus stitch stroke struma stuart suture syndrom syndrome syndromes system \
         technik technique telangiectasia test tests tetralogy thyreoiditis thyroiditis trait \
         transform triad triangle trias tube tuberculosis tubus tumor tumors tumour typ ulcer \
         ulkus ultrasound vaccine valve vein versuch virus wave waves zange zeichen zelle zellen \
         zugang zyste zysten",
    )
});
/// Those of them that stand behind whole names, and a word further on.
static SURE_HEADS: Words = LazyLock::new(|| {
    words(
        "classification criteria disease maneuver phenomenon rules scale score sign syndrome test          triad variant variants",
    )
});
/// What an eponym stands behind: `Morbus Crohn`, `síndrome de Down`.
static LEADS: Words = LazyLock::new(|| {
    words(
        "anillo bakterium catéter ciática clasificación contractura corea criterio criterios células \
         demencia divertículo drenaje einteilung enfermedad escala escalas esófago fenómeno fractura \
         ganglio glándula hernia klassifikation linfoma linfomas mal maladie maniobra maniobras \
         modifikation morbo morbus método neuroma prueba quiste reflejo regla sarcoma signo signos \
         sonda sondas síndrome síndromes temblor test tetralogía tinción tríada tubo tumor técnica \
         virus índice úlcera",
    )
});
/// What a sign turns out to be: `Tinel negative`.
static RESULTS: Words = LazyLock::new(|| {
    words(
        "absent absente ausente ausentes bds beidseits bilateral bilaterales bilaterally downgoing \
         equivocal neg negativ negative negativo negativos pos positiv positive positivo positivos \
         present presente presentes unauffällig upgoing",
    )
});
/// Eponyms that hardly anybody is called today: without a title they name nobody.
static ALONE: Words = LazyLock::new(|| {
    words(
        "adamkiewicz alport apgar apley aschoff babinski bankart bartholin bartter basedow bechterew \
         behçet billroth bitot bochdalek boerhaave bosniak broca brodmann brudzinski brugada charcot \
         cheyne chiari chopart chvostek clavien codman courvoisier creutzfeldt crohn danlos dejerine \
         descemet devic dieulafoy duchenne dupuytren ebstein ehlers eisenmenger epley eustachi fabry \
         fallot fanconi fazekas felty ficat fontan froment frykman galeazzi gartland gaucher giemsa \
         gitelman golgi goodpasture gottron groshong grynfeltt guillain gustilo guyon hachinski \
         haglund hamman hashimoto hassall heberden heimlich henoch heubner hinchey hirschsprung \
         hodgkin holter ishihara jamshidi jendrassik kaposi karnofsky kawasaki kegel kellgren kernig \
         kienböck killip klinefelter klippel koplik korotkoff korsakoff krukenberg kupffer kussmaul \
         lachman laennec lambl langerhans lasegue lasègue ledderhose lemierre leriche lesch lhermitte \
         libman lisfranc luschka maisonneuve mallampati mantoux marfan mcburney mcmurray meniere \
         meyerding mirizzi mobitz modic mohs mondor monteggia morgagni munchausen ménière naegele \
         naffziger nelaton niemann nikolsky nissl ortolani osgood outerbridge pancoast papanicolaou \
         parinaud patau pauwels peutz peyer peyronie pfannenstiel pfirrmann phalen ponseti prehn \
         purkinje quincke ranson ranvier raynaud redon rockwood rokitansky romberg rorschach rovsing \
         scarpa schatzker schellong scheuermann schlatter schlemm schober schwann sengstaken \
         sgarbossa shaldon shenton sistrunk snellen spurling steinmann stensen sudeck sydenham \
         takayasu takotsubo tenckhoff tinel tourette treitz trendelenburg trousseau valsalva virchow \
         waldenstrom waldenström waldeyer wernicke whipple wilms wirsung zenker zollinger",
    )
});
/// Months, weekdays and feasts, which rules for dates find, and whom letters to many greet.
static NOBODY: Words = LazyLock::new(|| {
    words(
        "admin amigos angehörige author bewohner bewohnerin christmas clientes clients colegas \
         colleague colleagues company compañeros customer customers dad damen december dezember \
         diario diary diciembre dienstag doctor doctora donnerstag easter editor eltern enero \
         everyone facilities familiares fasching febrero februar february feiertag feiertage \
         feiertagen freitag freunde friday frühjahr frühling gäste halloween hanukkah \
         hausgemeinschaft herbst hiring innen interessenten januar jueves juli juni karfreitag \
         karneval kinder kollegen kunde kunden kundin leser lunes martes members mieter \
         mitarbeiter mitglieder mittwoch miércoles mom monday montag mum märz nachbarn navidad \
         neighbor neighbors neighbour neighbours neujahr nochebuena nochevieja november noviembre \
         october octubre oktober ostern pacientes padres parents patienten patients pfingsten \
         ramadan reception recipient residents samstag saturday septiembre silvester sirs socios \
         sonnabend sonntag staff studierende sunday support sábado tagebuch team teilnehmer \
         tenants thanksgiving thursday tuesday usuario usuarios vecinos versicherte viernes \
         viewers wednesday weihnachten zusammen all there",
    )
});
/// What joins two of a kind.
const JOINS: &[&str] = &["and", "e", "o", "oder", "or", "plus", "u", "und", "versus", "vs", "y"];
/// Units of a drug's dose.
const DOSES: &[&str] =
    &["g", "ie", "iu", "mcg", "mg", "ml", "tabletten", "tablets", "ui", "units", "µg"];
const MONTHS: &[&str] = &[
    "abril",
    "agosto",
    "dezember",
    "diciembre",
    "december",
    "enero",
    "febrero",
    "februar",
    "february",
    "january",
    "januar",
    "juli",
    "july",
    "juni",
    "junio",
    "marzo",
    "märz",
    "november",
    "noviembre",
    "october",
    "octubre",
    "oktober",
    "september",
    "septiembre",
];
/// Grades of a classification: `Kellgren III`.
const GRADES: &[&str] = &["I", "IA", "IB", "II", "IIA", "IIB", "III", "IIIA", "IIIB", "IV", "V"];

/// Whether `find` is a disease, a test or a device that is called after somebody.
pub(super) fn is_eponym(text: &str, find: &Find) -> bool {
    let found = &text[find.start..find.end];
    let before = text[..find.start].trim_end_matches(' ');
    let rest = &text[find.end..];
    let rest = rest.strip_prefix("'s").or_else(|| rest.strip_prefix("’s")).unwrap_or(rest);
    let after = text.len() - rest.len();
    if found.contains(' ') {
        // "Ramsay Hunt syndrome": two names, and a word that no person is followed by.
        return found.matches(' ').count() == 1 && is_before(text, after, &SURE_HEADS);
    }
    is_before_head(text, after)
        || is_before_result(text, after)
        || is_behind_result(before)
        || is_behind_lead(before)
        || is_alone(found, before)
}

/// Whether a word is a month, a weekday, a feast, or everybody: "Eltern", "Patientinnen".
pub(super) fn is_nobody(word: &str) -> bool {
    holds(&NOBODY, word) || word.ends_with("innen")
}

/// Whether `find` is a drug, behind no title and no initial: by a list, or by the dose behind it.
pub(super) fn is_drug(text: &str, find: &Find) -> bool {
    let found = &text[find.start..find.end];
    (is_known_drug(found) || is_dosed(text, find))
        && !is_named(text[..find.start].trim_end_matches(' '))
}

fn is_known_drug(word: &str) -> bool {
    is_line(DRUGS, &word.to_lowercase())
}

/// `Trelegy 20 mg`: one word before a number of a drug's unit.
fn is_dosed(text: &str, find: &Find) -> bool {
    let one = !text[find.start..find.end].contains(' ');
    let rest = text[find.end..].trim_start_matches(' ');
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    let space = unit.trim_start_matches(' ');
    one && unit.len() < rest.len()
        && Word::at(space, 0).is_some_and(|word| DOSES.contains(&word.text.to_lowercase().as_str()))
}

/// Whether `find` stands in a list with a drug, an eponym or a month: `Plavix and Brilinta`,
/// `Bartter versus Gitelman`, `Juli und August`.
pub(super) fn is_listed(text: &str, find: &Find) -> bool {
    let known = |word: Word<'_>| {
        is_known_drug(word.text) || holds(&ALONE, word.text) || is_month(word.text)
    };
    let found = &text[find.start..find.end];
    if found.contains(' ') {
        return false;
    }
    let joins = |word: &Word<'_>| JOINS.contains(&word.text);
    let before = text[..find.start].trim_end_matches(' ');
    let first = Word::before(before, before.len()).filter(joins).and_then(|word| {
        let rest = before[..word.start].trim_end_matches(' ');
        Word::before(rest, rest.len())
    });
    let second = Word::at(text, skip_spaces(text, find.end, 1))
        .filter(joins)
        .and_then(|word| Word::at(text, skip_spaces(text, word.end(), 1)));
    (first.is_some_and(known) || second.is_some_and(known)) && !is_named(before)
}

/// Whether a word is a month, in any of the languages. Those that are people's names too are months
/// beside another one only.
fn is_month(word: &str) -> bool {
    MONTHS.contains(&word.to_lowercase().as_str())
}

/// `disease`, `-Katheter`, `-B-Fraktur`: of a compound, its last part. Or, behind one other word, what
/// no person is followed by: `Duke treadmill score`.
fn is_before_head(text: &str, at: usize) -> bool {
    let between = Word::at(text, skip_spaces(text, at, 1));
    is_before(text, at, &HEADS)
        || between
            .filter(|word| word.start > at && !word.is_capitalised() && word.text.len() > 3)
            .is_some_and(|word| is_before(text, word.end(), &SURE_HEADS))
}

fn is_before(text: &str, at: usize, heads: &Words) -> bool {
    let hyphen = usize::from(text[at..].starts_with('-'));
    Word::at(text, skip_spaces(text, at + hyphen, 1))
        .and_then(|word| word.text.rsplit('-').next())
        .is_some_and(|head| holds(heads, head))
}

/// `Negative Hoffmann`: a sign behind what it turned out to be, at the start of a sentence.
fn is_behind_result(before: &str) -> bool {
    Word::before(before, before.len())
        .is_some_and(|word| word.is_capitalised() && holds(&RESULTS, word.text))
}

/// `positive`, `IV`. But "Roe positive for flu" is somebody.
fn is_before_result(text: &str, at: usize) -> bool {
    let next = Word::at(text, skip_spaces(text, at, 1)).filter(|word| word.start > at);
    let Some(word) = next else { return false };
    let rest = text[word.end()..].trim_start();
    let somebodys = ["for ", "für ", "para ", "auf "].iter().any(|sign| rest.starts_with(sign));
    GRADES.contains(&word.text) || !somebodys && holds(&RESULTS, word.text)
}

fn is_behind_lead(before: &str) -> bool {
    let before = before.strip_suffix(" de").unwrap_or(before);
    before == "M."
        || before.ends_with(" M.")
        || Word::before(before, before.len()).is_some_and(|word| holds(&LEADS, word.text))
}

/// A word of [`ALONE`], or one with a hyphen and such a part, behind no title and no initial.
fn is_alone(found: &str, before: &str) -> bool {
    found.split('-').any(|part| holds(&ALONE, part)) && !is_named(before)
}

/// Whether `before` ends with a title or an initial.
fn is_named(before: &str) -> bool {
    let dotted = before.strip_suffix('.');
    let before = dotted.unwrap_or(before);
    Word::before(before, before.len())
        .is_some_and(|word| word.is_in(TITLES) || dotted.is_some() && word.is_initial())
}

/// Whether a sorted text has the line `wanted`.
fn is_line(text: &str, wanted: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = bytes[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let length = bytes[start..].iter().position(|byte| *byte == b'\n');
        let end = length.map_or(bytes.len(), |length| start + length);
        match bytes[start..end].cmp(wanted.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = start,
        }
    }
    false
}

fn words(list: &'static str) -> HashSet<&'static str> {
    list.split_ascii_whitespace().collect()
}

fn holds(words: &Words, word: &str) -> bool {
    words.contains(word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Kind;

    fn find(text: &str, name: &str) -> Find {
        let start = text.find(name).unwrap();
        Find { start, end: start + name.len(), kind: Kind::Name, score: 0.5 }
    }

    #[test]
    fn what_stands_around_a_name_tells_an_eponym() {
        for (text, name, eponym) in [
            ("the Foley catheter", "Foley", true),
            ("Parkinson's disease", "Parkinson", true),
            ("Anlage einer Redon-Drainage", "Redon", true),
            ("eine Weber-B-Fraktur", "Weber", true),
            ("Murphy negative, abdomen soft", "Murphy", true),
            ("Murphy negative for flu", "Murphy", false),
            ("Fuhrman III", "Fuhrman", true),
            ("signo de Blumberg", "Blumberg", true),
            ("Morbus Winter", "Winter", true),
            ("Valsalva did not help", "Valsalva", true),
            ("seen by Dr. Valsalva", "Valsalva", false),
            ("seen by E. Valsalva", "Valsalva", false),
            ("Müller-Thurgau", "Müller", false),
            ("Weber kam", "Weber", false),
        ] {
            assert_eq!(is_eponym(text, &find(text, name)), eponym, "{text}");
        }
    }

    #[test]
    fn every_drug_is_found_in_its_list() {
        assert!(DRUGS.lines().is_sorted());
        assert!(DRUGS.lines().all(|drug| is_line(DRUGS, drug)));
        for other in ["", "a", "plavi", "plavixx", "zzzz", "\n", "jane"] {
            assert!(!is_line(DRUGS, other), "{other:?}");
        }
    }

    #[test]
    fn one_of_a_kind_tells_of_the_other() {
        for (text, name, listed) in [
            ("ASA, Plavix and Brilinta daily", "Brilinta", true),
            ("Bartter versus Gitelman", "Bartter", true),
            ("Dienstplan für Juli und August", "August", true),
            ("Juni war August da", "August", false),
            ("seen by Brilinta, Plavix held", "Brilinta", false),
            ("Mr. Brilinta and Plavix", "Brilinta", false),
            ("Roe and Brilinta", "Brilinta", false),
        ] {
            assert_eq!(is_listed(text, &find(text, name)), listed, "{text}");
        }
    }

    #[test]
    fn a_dose_tells_a_drug() {
        for (text, drug) in [
            ("Zosyqq 3,5 mg daily", true),
            ("Zosyqq 20mg", true),
            ("Zosyqq 20 min late", false),
            ("Zosyqq mg", false),
            ("Mr. Zosyqq 20 mg", false),
        ] {
            assert_eq!(is_drug(text, &find(text, "Zosyqq")), drug, "{text}");
        }
    }

    #[test]
    fn a_drug_is_nobody_without_a_title() {
        assert!(is_drug("Hold Plavix today", &find("Hold Plavix today", "Plavix")));
        assert!(!is_drug("Mrs. Plavix came", &find("Mrs. Plavix came", "Plavix")));
    }

    #[test]
    fn feasts_and_groups_are_nobody() {
        for word in ["Weihnachten", "März", "Monday", "Eltern", "Patientinnen"] {
            assert!(is_nobody(word), "{word}");
        }
        assert!(!is_nobody("Roe") && !is_nobody("April"));
    }
}
