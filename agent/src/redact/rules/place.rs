//! Street addresses whose shape gives them away; what follows them is read by `places`.

use super::super::kind::Kind;
use super::super::labels::Labels;
use super::{Edge, Rule};

const fn street(alone: f32, pattern: &'static str) -> Rule {
    Rule::new(Kind::Address, alone, pattern).labels(Labels::ADDRESS).edge(Edge::Word)
}

pub(super) const RULES: &[Rule] = &[
    // Number, name, and one of the words of United States Postal Service Publication 28, C1.
    street(
        0.8,
        r"[0-9]{1,6}[A-Za-z]?(?:-[0-9]{1,5})? (?:[NSEW]{1,2}\.? )?(?:[A-Z][A-Za-z'’.\-]{0,19} ){1,4}(?:Alley|Ally|Annex|Arcade|Avenue|Ave|Bayou|Beach|Bend|Bluffs?|Boulevard|Blvd|Branch|Bridge|Brooks?|Bypass|Camp|Canyon|Cape|Causeway|Centers?|Circles?|Cir|Cliffs?|Club|Common|Corners?|Course|Courts?|Ct|Coves?|Creek|Crescent|Cres|Crest|Crossing|Crossroad|Curve|Dale|Dam|Divide|Drives?|Dr|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Gardens?|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mews|Mills?|Mission|Motorway|Mountains?|Mount|Neck|Orchard|Oval|Overpass|Parkways?|Pkwy|Park|Pass|Passage|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Stream|Streets?|St|Summit|Terrace|Ter|Throughway|Trace|Track|Trail|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?)(?:\.? (?i:apt|suite|ste|unit|apartment|floor)\.? ?#?[0-9A-Za-z]{1,6})?",
    ),
    // German and Dutch: the word for the street is the end of its name.
    street(
        0.75,
        r"[A-ZÄÖÜ][A-Za-zäöüßÄÖÜéè\-]{1,30}(?:straße|strasse|str\.|gasse|weg|platz|allee|ring|damm|ufer|chaussee|steig|markt|straat|laan|gracht|plein|kade) ?[0-9]{1,4} ?(?:[a-zA-Z]|[\-/\u{2013}] ?[0-9]{1,4}[a-z]?)?",
    ),
    street(
        0.75,
        r"[A-ZÄÖÜ][A-Za-zäöüßÄÖÜéè\-]{1,30} (?:Straße|Strasse|Str\.|Gasse|Weg|Platz|Allee|Ring|Damm|Ufer|Chaussee) ?[0-9]{1,4} ?(?:[a-zA-Z]|[\-/\u{2013}] ?[0-9]{1,4}[a-z]?)?",
    ),
    // French: number first, word for the street next.
    street(
        0.75,
        r"[0-9]{1,4}(?: (?i:bis|ter))?,? (?i:rue|avenue|av\.|boulevard|bd|place|chemin|impasse|allée|quai|route|passage|cours|square) (?:(?i:de la |de l'|du |des |de |d')?[A-ZÀ-Ý][A-Za-zÀ-ÿ'’\-]{1,24} ?){1,4}",
    ),
    // Military mail of the United States (Publication 28, 225): the unit, and the last line.
    street(
        0.8,
        r"(?i:(?:(?:PSC|CMR|OMC|UMR|Unit) [0-9]{1,5},? Box [0-9]{1,6},?|(?:USS|USNS|USNV|USCGC) [A-Z][A-Za-zÀ-ž'’.\-]{1,24}(?: [A-Z][A-Za-zÀ-ž'’.\-]{1,24})?,?)[ \r\n]{1,4})?(?i:[AFD]PO,? A[AEP] [0-9]{5}(?:-[0-9]{4})?)",
    ),
    street(0.8, r"(?i:p\.? ?o\.? box|postfach|apartado(?: de correos)?|apdo\.?) [0-9]{1,6}"),
];
