//! Cleaning a data set, attribute by attribute.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::data::{DataSet, Element, Value};
use crate::error::Error;
use crate::form;
use crate::known::{Known, NOBODY, character_set, is_identifier};
use crate::profile::{self, Retain, Rule};
use crate::read::{META_GROUP, ascii};
use crate::tag::Tag;
use crate::text::CharacterSet;
use crate::uid::{self, Uids};
use crate::vr::{Class, Vr};
use crate::{Counts, Substitute, Unclean, What};

/// The name of the institution.
const INSTITUTION: Tag = Tag(0x0008_0080);
/// Pixels: `pixel` cleans them.
const PIXEL_GROUP: u32 = Tag::PIXELS.group();
/// Text of machines, without which an image cannot be used: it stays when it names nobody that the
/// file names. Manufacturer, model, software, coding schemes and codes, units and kernels. Sorted.
const TECHNICAL: &[u32] = &[
    0x0008_0070,
    0x0008_0100,
    0x0008_0102,
    0x0008_0103,
    0x0008_0104,
    0x0008_0119,
    0x0008_0120,
    0x0008_1090,
    0x0018_1020,
    0x0018_1160,
    0x0018_1210,
    0x0018_1250,
    0x0018_1251,
    0x0018_5010,
    0x0028_1054,
    0x0028_1055,
    0x0040_08ea,
    0x0062_0006,
    0x0062_0020,
];

/// Cleans one file.
pub(crate) struct Run<'r> {
    pub(crate) retain: &'r [Retain],
    pub(crate) uids: &'r Uids,
    pub(crate) substitute: &'r mut dyn Substitute,
    pub(crate) known: Known,
    pub(crate) counts: Counts,
    /// Texts that this run has written in place of others.
    pub(crate) given: HashSet<String>,
}

/// Where an element stands.
#[derive(Clone, Copy)]
struct Place {
    characters: CharacterSet,
    /// Nothing of it may be told, only that it is there.
    dummy: bool,
}

impl Run<'_> {
    /// All of a data set but its pixels.
    pub(crate) fn data_set<'a>(&mut self, set: DataSet<'a>) -> Result<DataSet<'a>, Error> {
        let place = Place { characters: CharacterSet::DEFAULT, dummy: false };
        self.elements(set, place)
    }

    fn elements<'a>(&mut self, set: DataSet<'a>, place: Place) -> Result<DataSet<'a>, Error> {
        let place = Place { characters: character_set(&set, place.characters), ..place };
        let mut clean = DataSet::default();
        for element in set.elements {
            clean.elements.extend(self.element(element, place)?);
        }
        Ok(clean)
    }

    fn element<'a>(
        &mut self,
        element: Element<'a>,
        place: Place,
    ) -> Result<Option<Element<'a>>, Error> {
        let Element { tag, value, .. } = element;
        if tag.is_private() {
            self.counts.private += 1;
            return Ok(None);
        }
        // Text is written in another character set than it was read in, and lengths change.
        if tag == Tag::CHARACTER_SET || tag.element() == 0 || tag.group() == PIXEL_GROUP {
            return Ok(None);
        }
        let representations = tag.representations().unwrap_or_default();
        let vr = fitting(element.vr, representations).filter(|_| tag.group() != META_GROUP);
        let Some(vr) = vr else {
            self.counts.unknown += 1;
            return Ok(None);
        };
        let mut rule = profile::rule(tag, vr, self.retain);
        if place.dummy && matches!(rule, Rule::Clean | Rule::Unlisted) {
            rule = Rule::Dummy;
        }
        if rule == Rule::Remove {
            self.counts.removed += 1;
            return Ok(None);
        }
        let value = match value {
            Value::Items(items) => Value::Items(self.items(items, rule, place)?),
            Value::Bytes(bytes) => {
                Value::Bytes(self.value(Attribute { tag, vr, rule }, bytes, place)?)
            }
            Value::Fragments(_) => return Ok(None),
        };
        Ok(Some(Element::new(tag, vr, value)))
    }

    fn items<'a>(
        &mut self,
        mut items: Vec<DataSet<'a>>,
        rule: Rule,
        place: Place,
    ) -> Result<Vec<DataSet<'a>>, Error> {
        let place = match rule {
            Rule::Remove | Rule::Empty => {
                self.counts.emptied += 1;
                return Ok(Vec::new());
            }
            Rule::Dummy => {
                self.counts.replaced += 1;
                // How many there were may tell something.
                items.truncate(1);
                Place { dummy: true, ..place }
            }
            Rule::Uid | Rule::Shift | Rule::Keep | Rule::Clean | Rule::Unlisted => place,
        };
        items.into_iter().map(|item| self.elements(item, place)).collect()
    }

    fn value<'a>(
        &mut self,
        attribute: Attribute,
        bytes: Cow<'a, [u8]>,
        place: Place,
    ) -> Result<Cow<'a, [u8]>, Error> {
        let Attribute { vr, rule, .. } = attribute;
        if vr.class() == Class::Binary {
            return Ok(match rule {
                Rule::Dummy => Cow::Owned(vec![0; bytes.len().min(8) / vr.unit() * vr.unit()]),
                Rule::Remove | Rule::Empty | Rule::Uid | Rule::Shift => Cow::Owned(Vec::new()),
                // Half a number is none.
                Rule::Keep | Rule::Clean | Rule::Unlisted => match bytes.len() % vr.unit() {
                    0 => bytes,
                    _ => Cow::Owned(Vec::new()),
                },
            });
        }
        let text = match vr.class() {
            Class::Text => place.characters.decode(&bytes),
            Class::Ascii(_) | Class::Binary | Class::Sequence => ascii(&bytes).map(str::to_owned),
        };
        // What cannot be read is treated as if it were not there.
        let text = text.unwrap_or_default();
        if text.is_empty() && rule != Rule::Dummy {
            return Ok(Cow::Owned(Vec::new()));
        }
        let clean = self.text(attribute, &text)?;
        self.counts.replaced += u64::from(clean != text);
        self.given.insert(clean.clone());
        Ok(Cow::Owned(clean.into_bytes()))
    }

    fn text(&mut self, attribute: Attribute, text: &str) -> Result<String, Error> {
        let Attribute { tag, vr, rule } = attribute;
        match rule {
            Rule::Remove => Ok(String::new()),
            Rule::Empty => Ok(self.stand_in(attribute, text).unwrap_or_default()),
            Rule::Dummy => {
                let stand_in = self.stand_in(attribute, text);
                Ok(stand_in.unwrap_or_else(|| self.dummy(vr, text)))
            }
            Rule::Uid => Ok(each(text, |uid| self.uid(uid))),
            Rule::Shift => Ok(each(text, |date| self.shifted(vr, date))),
            Rule::Keep if vr == Vr::As => Ok(form::age(formed(vr, text))),
            Rule::Keep if vr.class() == Class::Text || matches!(vr, Vr::Ae | Vr::Ur) => {
                Ok(text.to_owned())
            }
            Rule::Keep => Ok(formed(vr, text).to_owned()),
            Rule::Clean | Rule::Unlisted if vr == Vr::Ui => Ok(each(text, |uid| self.uid(uid))),
            Rule::Unlisted if is_technical(tag) => Ok(self.unless_known(text)),
            Rule::Clean | Rule::Unlisted if vr.class() == Class::Text || vr == Vr::Ae => {
                let read = vr.values(text).into_iter().map(|value| self.read(tag, vr, value));
                Ok(read.collect::<Result<Vec<_>, _>>()?.join("\\"))
            }
            Rule::Clean | Rule::Unlisted => Ok(self.unless_known(formed(vr, text))),
        }
    }

    /// What stands for a name, a number of a patient or the like; `None` when nothing does.
    fn stand_in(&mut self, attribute: Attribute, text: &str) -> Option<String> {
        let Attribute { tag, vr, .. } = attribute;
        let what = match tag {
            _ if vr == Vr::Pn => What::Name,
            Tag::PATIENT_ID => What::PatientId,
            INSTITUTION => What::Organization,
            tag if is_identifier(tag) => What::Identifier,
            _ => return None,
        };
        if text.is_empty() || NOBODY.contains(&text) {
            return None;
        }
        let mut values = Vec::new();
        for value in text.split('\\') {
            // Of a name in several scripts the first is enough; its parts stay in their places.
            let value = value.split('=').next().unwrap_or_default();
            let mut parts = Vec::new();
            for part in value.split('^') {
                let stand_in = match part.trim() {
                    "" => String::new(),
                    part => self.substitute.stand_in(what, part)?,
                };
                parts.push(stand_in);
            }
            values.push(parts.join("^"));
        }
        values.iter().all(|value| value.chars().count() <= vr.limit()).then(|| values.join("\\"))
    }

    /// As many values as there were, of nothing.
    fn dummy(&self, vr: Vr, text: &str) -> String {
        if vr == Vr::Cs {
            self.unless_known(formed(vr, text))
        } else if vr == Vr::Ui {
            each(text, |uid| self.uids.replace(uid))
        } else if vr.class() == Class::Text {
            form::dummy(vr).to_owned()
        } else {
            each(text, |_| form::dummy(vr).to_owned())
        }
    }

    fn uid(&mut self, uid: &str) -> String {
        let uid = uid.trim_matches(['\0', ' ']);
        if uid.is_empty() || uid::is_registered(uid) {
            return uid.to_owned();
        }
        self.counts.uids += 1;
        self.uids.replace(uid)
    }

    /// A date of the subject's own calendar; empty when it is none. A time of day stays.
    fn shifted(&mut self, vr: Vr, value: &str) -> String {
        let value = value.trim();
        let day = if vr == Vr::Tm { 0 } else { 8 };
        let parts = value.split_at_checked(day).filter(|_| form::is_right(vr, value));
        let Some((date, time)) = parts else { return String::new() };
        if date.is_empty() {
            return time.to_owned();
        }
        self.counts.dates += 1;
        self.substitute.date(date).map_or_else(String::new, |moved| format!("{moved}{time}"))
    }

    /// One value as the engine leaves it, cut where its representation ends it.
    fn read(&mut self, tag: Tag, vr: Vr, value: &str) -> Result<String, Error> {
        if value.trim().is_empty() {
            return Ok(String::new());
        }
        let clean = self.substitute.text(profile::name(tag), value.trim());
        let clean = clean.map_err(|Unclean| Error::Unclean { tag })?.replace('\\', "/");
        let limit = vr.limit().max(value.chars().count());
        if vr.limit() == 0 || clean.chars().count() <= limit {
            return Ok(clean);
        }
        let end = clean.char_indices().nth(limit).map_or(clean.len(), |(at, _)| at);
        // Half a mask would be text.
        let end =
            clean[..end].rfind('[').filter(|at| !clean[*at..end].contains(']')).unwrap_or(end);
        Ok(clean[..end].trim_end().to_owned())
    }

    /// A text that names nobody whom the file names; else nothing.
    fn unless_known(&self, text: &str) -> String {
        if self.known.hits(text) { String::new() } else { text.to_owned() }
    }
}

/// An attribute whose value is cleaned.
#[derive(Clone, Copy)]
struct Attribute {
    tag: Tag,
    vr: Vr,
    rule: Rule,
}

/// Whether an attribute holds text of machines.
pub(crate) fn is_technical(tag: Tag) -> bool {
    TECHNICAL.binary_search(&tag.0).is_ok()
}

/// What the dictionary calls a value that a file calls `vr`; `None` when it is something else.
/// Text and codes are mixed up often, and cleaned by what they should be.
pub(crate) fn fitting(vr: Vr, representations: &[Vr]) -> Option<Vr> {
    let strings = |vr: Vr| matches!(vr.class(), Class::Text | Class::Ascii(_));
    match representations {
        vrs if vrs.contains(&vr) => (vr != Vr::Un).then_some(vr),
        [only] if strings(*only) && strings(vr) => Some(*only),
        _ => None,
    }
}

/// The values as they stand, when each has its form.
fn formed(vr: Vr, text: &str) -> &str {
    if text.split('\\').all(|value| form::is_right(vr, value)) { text } else { "" }
}

/// Each of the values, changed.
fn each(text: &str, change: impl FnMut(&str) -> String) -> String {
    text.split('\\').map(change).collect::<Vec<_>>().join("\\")
}
