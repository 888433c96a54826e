//! The confidentiality profile: what happens to an attribute (PS3.15, table E.1-1).
//!
//! Where the table leaves a choice to what the kind of object asks for (`X/Z/D`: absent, else empty,
//! else a dummy), the last is taken: it is right for every kind of object, and neither an empty value
//! nor a dummy tells anything. References (`X/Z/U*`) stay, with their identifiers replaced.
//!
//! The table lists what may identify; what it does not list stays, where the standard's dictionary has
//! it. Three things are stricter here: a name, a date, an address of a machine and a bare link that are
//! not listed are treated as if they were; text that is not listed is read by the engine; and what the
//! dictionary has not is removed, be it private or newer than the dictionary.
//!
//! Two things that the table's options leave open are decided here. Dates are what has a date's
//! representation, apart from the patient's own (group 0010), whether or not the row says so; and
//! identifiers that are kept are all of those which would be replaced, for they refer to each other.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::tag::Tag;
use crate::vr::Vr;

/// Tag, action, options and name on each line.
const TABLE: &str = include_str!("../data/annex_e.tsv");
/// The edition of the standard that the table is of.
pub(crate) const EDITION: &str = "2026c";
/// The content of structured reports, which E.3.4 names.
const CONTENT: Tag = Tag(0x0040_a730);
/// Refers to the patient: removed even where identifiers are kept.
const PATIENT_REFERENCE: Tag = Tag(0x0008_1120);
/// The group of the patient's own attributes.
const PATIENT_GROUP: u32 = 0x0010;

/// An option of the profile: what is not removed. Its text form is the name in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Retain {
    /// Dates and times as they are (E.3.6, full dates).
    Dates,
    /// Dates moved by a secret number of days of the patient (E.3.6, modified dates).
    ShiftedDates,
    /// What tells the device (E.3.8).
    Device,
    /// What the institution is (E.3.11).
    Institution,
    /// Sex, age, size, weight and the like (E.3.7); an age over 89 becomes 90.
    Patient,
    /// Identifiers of studies, series and objects (E.3.9).
    Uids,
    /// Descriptions and comments, cleaned as text (E.3.5).
    Descriptors,
    /// The content of reports, cleaned as text (E.3.4).
    Structured,
    /// Annotations drawn on images, cleaned as text (E.3.3). Overlays and curves are removed.
    Graphics,
}

/// No such option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is none of: {}", Retain::ALL.map(Retain::as_str).join(", "))]
pub struct RetainError {
    /// As written.
    pub name: String,
}

impl Retain {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Dates,
        Self::ShiftedDates,
        Self::Device,
        Self::Institution,
        Self::Patient,
        Self::Uids,
        Self::Descriptors,
        Self::Structured,
        Self::Graphics,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dates => "dates",
            Self::ShiftedDates => "shifted-dates",
            Self::Device => "device",
            Self::Institution => "institution",
            Self::Patient => "patient",
            Self::Uids => "uids",
            Self::Descriptors => "descriptors",
            Self::Structured => "structured",
            Self::Graphics => "graphics",
        }
    }

    /// Code and meaning in CID 7050.
    pub(crate) const fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::Dates => ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
            Self::ShiftedDates => {
                ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
            }
            Self::Device => ("113109", "Retain Device Identity Option"),
            Self::Institution => ("113112", "Retain Institution Identity Option"),
            Self::Patient => ("113108", "Retain Patient Characteristics Option"),
            Self::Uids => ("113110", "Retain UIDs Option"),
            Self::Descriptors => ("113105", "Clean Descriptors Option"),
            Self::Structured => ("113104", "Clean Structured Content Option"),
            Self::Graphics => ("113103", "Clean Graphics Option"),
        }
    }
}

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Retain {
    type Err = RetainError;

    fn from_str(name: &str) -> Result<Self, RetainError> {
        let found = Self::ALL.into_iter().find(|option| option.as_str() == name);
        found.ok_or_else(|| RetainError { name: name.to_owned() })
    }
}

impl TryFrom<String> for Retain {
    type Error = RetainError;

    fn try_from(name: String) -> Result<Self, RetainError> {
        name.parse()
    }
}

/// What happens to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It is removed.
    Remove,
    /// It is left empty, or gets a stand-in.
    Empty,
    /// It gets a stand-in or a dummy.
    Dummy,
    /// Its identifiers are replaced.
    Uid,
    /// Its date is moved.
    Shift,
    /// It stays, at the steward's wish.
    Keep,
    /// It is read as text, or its items are.
    Clean,
    /// The table says nothing: it stays as far as its form says what it is.
    Unlisted,
}

/// An action of the table, with the choices that it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Remove,
    Empty,
    Dummy,
    Uid,
    /// `X/Z/U*`.
    References,
}

#[derive(Debug)]
struct Row {
    tag: Tag,
    action: Action,
    /// Options under any of which it stays.
    kept: Vec<Retain>,
    /// Options under any of which it is cleaned.
    cleaned: Vec<Retain>,
    name: &'static str,
}

/// Rows by tag, as in the file. The rows of groups and of private attributes are in the code below.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| TABLE.lines().filter_map(row).collect());

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let (tag, action) = (cells.next()?, cells.next()?);
    let (options, name) = (cells.next()?, cells.next()?);
    let tag = Tag(u32::from_str_radix(tag, 16).ok()?);
    let action = resolved(action)?;
    let (mut kept, mut cleaned) = (Vec::<Retain>::new(), Vec::<Retain>::new());
    for option in options.split(',').filter(|option| *option != "-") {
        match option.strip_suffix(":clean") {
            Some(option) => cleaned.push(option.parse().ok()?),
            None => kept.push(option.parse().ok()?),
        }
    }
    if tag == PATIENT_REFERENCE {
        kept.retain(|option| *option != Retain::Uids);
    }
    if action == Action::Uid {
        kept.push(Retain::Uids);
    }
    if tag == CONTENT {
        cleaned.push(Retain::Structured);
    }
    Some(Row { tag, action, kept, cleaned, name })
}

fn resolved(action: &str) -> Option<Action> {
    Some(match action {
        "X" => Action::Remove,
        "Z" | "X/Z" => Action::Empty,
        "D" | "Z/D" | "X/D" | "X/Z/D" => Action::Dummy,
        "U" => Action::Uid,
        "X/Z/U*" => Action::References,
        _ => return None,
    })
}

fn find(tag: Tag) -> Option<&'static Row> {
    ROWS.binary_search_by_key(&tag, |row| row.tag).ok().map(|at| &ROWS[at])
}

/// What the table calls an attribute; empty when it is not listed.
pub(crate) fn name(tag: Tag) -> &'static str {
    find(tag).map_or("", |row| row.name)
}

/// What happens to the attribute `tag`, of a representation that the dictionary gives it.
pub(crate) fn rule(tag: Tag, vr: Vr, retain: &[Retain]) -> Rule {
    let wants = |option| retain.contains(&option);
    let time = if wants(Retain::ShiftedDates) {
        Some(Rule::Shift)
    } else {
        wants(Retain::Dates).then_some(Rule::Keep)
    };
    if tag.is_private() || tag.is_graphic() {
        return Rule::Remove;
    }
    let Some(row) = find(tag) else {
        return if vr.is_time() {
            time.unwrap_or(Rule::Remove)
        } else if vr == Vr::Pn {
            Rule::Empty
        } else if vr == Vr::Ae && wants(Retain::Device) {
            Rule::Clean
        } else if matches!(vr, Vr::Ae | Vr::Ur | Vr::Un) {
            Rule::Remove
        } else {
            Rule::Unlisted
        };
    };
    if vr.is_time()
        && tag.group() != PATIENT_GROUP
        && let Some(rule) = time
    {
        return rule;
    }
    let wanted = |options: &[Retain]| options.iter().any(|option| wants(*option));
    if wanted(&row.kept) {
        return Rule::Keep;
    }
    if wanted(&row.cleaned) {
        return Rule::Clean;
    }
    match row.action {
        Action::Remove => Rule::Remove,
        Action::Empty => Rule::Empty,
        Action::Dummy => Rule::Dummy,
        Action::Uid => Rule::Uid,
        Action::References => Rule::Clean,
    }
}

/// Every row's tag and name.
#[cfg(test)]
pub(crate) fn listed() -> impl Iterator<Item = (Tag, &'static str)> {
    ROWS.iter().map(|row| (row.tag, row.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_655_rows_are_understood() {
        assert_eq!(TABLE.lines().count(), 655);
        let special: Vec<&str> = TABLE.lines().filter(|line| row(line).is_none()).collect();
        let tags: Vec<&str> = special.iter().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(tags, ["50xxxxxx", "60xx3000", "60xx4000", "private"]);
        assert!(special.iter().all(|line| line.split('\t').nth(1) == Some("X")));
        assert!(ROWS.is_sorted_by(|a, b| a.tag < b.tag), "out of order, or a tag twice");
        let count = |action: Action| ROWS.iter().filter(|row| row.action == action).count();
        assert_eq!(count(Action::Remove), 412);
        assert_eq!(count(Action::Empty), 42 + 11);
        assert_eq!(count(Action::Dummy), 93 + 6 + 23 + 8);
        assert_eq!((count(Action::Uid), count(Action::References)), (54, 2));
    }

    #[test]
    fn every_option_is_known_and_every_row_has_a_representation() {
        const OPTIONS: &str = "- dates device device:clean institution patient patient:clean uids \
                               descriptors:clean structured:clean graphics:clean";
        for (line, row) in TABLE.lines().filter_map(|line| Some((line, row(line)?))) {
            let options = line.split('\t').nth(2).unwrap();
            assert!(options.split(',').all(|o| OPTIONS.split(' ').any(|known| known == o)));
            let command = matches!(row.tag.group(), 0 | 4) || row.tag == Tag(0xfffc_fffc);
            assert!(command || row.tag.representations().is_some(), "{} has none", row.tag);
        }
    }

    #[test]
    fn the_basic_profile() {
        for (tag, vr, rule) in [
            (0x0010_0010, Vr::Pn, Rule::Empty),
            (0x0010_0020, Vr::Lo, Rule::Dummy),
            (0x0010_0030, Vr::Da, Rule::Empty),
            (0x0008_0080, Vr::Lo, Rule::Dummy),
            (0x0008_1048, Vr::Pn, Rule::Remove),
            (0x0008_0018, Vr::Ui, Rule::Uid),
            (0x0008_1140, Vr::Sq, Rule::Clean),
            (0x0008_0070, Vr::Lo, Rule::Unlisted),
            (0x0009_0010, Vr::Lo, Rule::Remove),
            (0x6000_3000, Vr::Ow, Rule::Remove),
            (0x5012_0010, Vr::Us, Rule::Remove),
            (0x0040_a730, Vr::Sq, Rule::Dummy),
        ] {
            assert_eq!(super::rule(Tag(tag), vr, &[]), rule, "{}", Tag(tag));
        }
    }

    #[test]
    fn options_retain_what_they_name_and_no_more() {
        let check = |option, tag, vr, rule| {
            assert_eq!(super::rule(Tag(tag), vr, &[option]), rule, "{option} {}", Tag(tag));
        };
        check(Retain::Dates, 0x0008_0020, Vr::Da, Rule::Keep);
        check(Retain::ShiftedDates, 0x0008_0020, Vr::Da, Rule::Shift);
        check(Retain::ShiftedDates, 0x0008_002a, Vr::Dt, Rule::Shift);
        check(Retain::Dates, 0x0010_0030, Vr::Da, Rule::Empty);
        check(Retain::ShiftedDates, 0x0010_0030, Vr::Da, Rule::Empty);
        check(Retain::Device, 0x0008_1010, Vr::Sh, Rule::Keep);
        check(Retain::Device, 0x0008_0055, Vr::Ae, Rule::Clean);
        check(Retain::Device, 0x0008_0080, Vr::Lo, Rule::Dummy);
        check(Retain::Institution, 0x0008_0080, Vr::Lo, Rule::Keep);
        check(Retain::Patient, 0x0010_0040, Vr::Cs, Rule::Keep);
        check(Retain::Patient, 0x0010_0010, Vr::Pn, Rule::Empty);
        check(Retain::Uids, 0x0008_0018, Vr::Ui, Rule::Keep);
        check(Retain::Uids, 0x300a_0083, Vr::Ui, Rule::Keep);
        check(Retain::Uids, 0x0008_1120, Vr::Sq, Rule::Remove);
        check(Retain::Descriptors, 0x0008_1030, Vr::Lo, Rule::Clean);
        check(Retain::Structured, 0x0040_a730, Vr::Sq, Rule::Clean);
        check(Retain::Graphics, 0x0070_0001, Vr::Sq, Rule::Clean);
        check(Retain::Graphics, 0x6000_3000, Vr::Ow, Rule::Remove);
    }

    #[test]
    fn options_have_names() {
        for option in Retain::ALL {
            assert_eq!(option.as_str().parse(), Ok(option));
        }
        let error = "date".parse::<Retain>().unwrap_err().to_string();
        assert!(error.contains("shifted-dates") && error.contains("\"date\""), "{error}");
    }
}
