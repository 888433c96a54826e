//! Whole files: what goes in, what comes out, and what no file may do.

mod burned;
mod frames;
mod headers;
mod hostile;
mod markings;
mod others;
mod pixels;

use std::borrow::Cow;

use super::*;
use crate::data::{DataSet, Element, Value};
use crate::profile::listed;
use crate::read::Syntax;
use crate::vr::{Class, Shape, Vr};

/// Masks what the file's own attributes name, and every word with CANARY in it.
#[derive(Default)]
struct Mask {
    person: Person,
    surrogates: bool,
}

impl Substitute for Mask {
    fn about(&mut self, person: &Person) {
        self.person = person.clone();
    }

    fn text(&mut self, _: &str, text: &str) -> Result<String, Unclean> {
        let words = self.person.names.iter().flat_map(|name| name.split(' '));
        let words: Vec<&str> = words.filter(|word| word.len() > 2).collect();
        let known = |word: &str| {
            words.iter().any(|name| word.eq_ignore_ascii_case(name))
                || self.person.identifiers.iter().any(|id| word.contains(id.as_str()))
                || word.contains("CANARY")
        };
        let masked = text.split(' ').map(|word| if known(word) { "[ID]" } else { word });
        Ok(masked.collect::<Vec<_>>().join(" "))
    }

    fn stand_in(&mut self, what: What, original: &str) -> Option<String> {
        self.surrogates.then(|| format!("{what:?}{}", original.len()))
    }

    fn date(&mut self, date: &str) -> Option<String> {
        (date.len() == 8).then(|| format!("1999{}", &date[4..]))
    }

    fn kinds(&mut self, text: &str) -> Vec<&'static str> {
        text.split(' ').filter(|word| *word == "CANARY").map(|_| "NAME").collect()
    }

    fn is_left(&mut self, text: &str) -> Result<bool, Unclean> {
        Ok(self.text("", text)? != text)
    }
}

const UID: &str = "1.2.276.0.77.1";

fn cleaner(retain: &[Retain]) -> Cleaner {
    let settings = Settings { retain: retain.to_vec(), ..Settings::default() };
    Cleaner::new(settings, [7; 32])
}

fn bytes(tag: u32, vr: Vr, bytes: Vec<u8>) -> Element<'static> {
    Element::new(Tag(tag), vr, Value::Bytes(Cow::Owned(bytes)))
}

fn text(tag: u32, vr: Vr, value: &str) -> Element<'static> {
    Element::text(Tag(tag), vr, value)
}

fn set(mut elements: Vec<Element<'static>>) -> DataSet<'static> {
    elements.push(text(0x0008_0016, Vr::Ui, "1.2.840.10008.5.1.4.1.1.2"));
    elements.push(text(0x0008_0018, Vr::Ui, UID));
    let mut set = DataSet { elements };
    set.elements.reverse();
    set.sort();
    set
}

fn file(elements: Vec<Element<'static>>) -> Vec<u8> {
    write::file(&set(elements), Syntax::ExplicitLittle).unwrap()
}

#[track_caller]
fn clean(file: &[u8], retain: &[Retain]) -> DataSet<'static> {
    let cleaned = cleaner(retain).clean(file, &mut Mask::default()).unwrap();
    owned(&cleaned.bytes)
}

fn owned(file: &[u8]) -> DataSet<'static> {
    fn own(set: &DataSet<'_>) -> DataSet<'static> {
        let element = |element: &Element<'_>| {
            let value = match &element.value {
                Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.to_vec())),
                Value::Items(items) => Value::Items(items.iter().map(own).collect()),
                Value::Fragments(fragments) => {
                    Value::Fragments(fragments.iter().map(|f| Cow::Owned(f.to_vec())).collect())
                }
            };
            Element::new(element.tag, element.vr, value)
        };
        DataSet { elements: set.elements.iter().map(element).collect() }
    }
    own(&read::file(file).unwrap().data_set().unwrap())
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A value of a representation that can be found again.
fn canary(vr: Vr) -> Vec<u8> {
    match vr.class() {
        Class::Ascii(Shape::Date) => b"19510829".to_vec(),
        Class::Ascii(Shape::DateTime) => b"19510829092847.123456".to_vec(),
        Class::Ascii(Shape::Time) => b"092847.123456".to_vec(),
        Class::Ascii(Shape::Age) => b"087Y".to_vec(),
        Class::Ascii(Shape::Decimal | Shape::Integer) => b"8700087".to_vec(),
        Class::Ascii(Shape::Uid) => b"1.2.276.7777777.19510829".to_vec(),
        Class::Binary => [0xca, 0xfe, 0xba, 0xbe].repeat(4),
        Class::Ascii(Shape::Title | Shape::Code | Shape::Link) | Class::Text | Class::Sequence => {
            b"CANARY87".to_vec()
        }
    }
}

const CANARIES: [&[u8]; 7] =
    [b"19510829", b"092847", b"087Y", b"8700087", b"7777777", &[0xca, 0xfe, 0xba, 0xbe], b"CANARY"];

/// Every attribute of the table, nested ones in each sequence, and private ones.
fn everything() -> Vec<Element<'static>> {
    let mut elements: Vec<Element<'static>> = vec![
        bytes(0x5004_3000, Vr::Ow, canary(Vr::Ow)),
        bytes(0x6000_3000, Vr::Ow, canary(Vr::Ow)),
        text(0x6000_4000, Vr::Lt, "CANARY"),
        text(0x0009_0010, Vr::Lo, "CANARY MAKER"),
        text(0x0009_1001, Vr::Pn, "CANARY"),
        bytes(0x0008_2112, Vr::Un, b"CANARY".to_vec()),
        text(0xfffc_fffc, Vr::Ob, "CANARY"),
    ];
    for (tag, _) in listed() {
        let Some(&[vr, ..]) = tag.representations() else { continue };
        if tag.group() <= 4 || tag == Tag::SOP_INSTANCE {
            continue;
        }
        let value = if vr == Vr::Sq {
            let inner = |vr: Vr, tag| bytes(tag, vr, canary(vr));
            let nested = DataSet {
                elements: vec![
                    inner(Vr::Sh, 0x0008_0050),
                    inner(Vr::Ui, 0x0008_1155),
                    inner(Vr::Lo, 0x0009_1001),
                    inner(Vr::Pn, 0x0010_0010),
                    inner(Vr::Lo, 0x0010_0020),
                    inner(Vr::Da, 0x0010_0030),
                ],
            };
            Value::Items(vec![nested.clone(), nested])
        } else {
            Value::Bytes(Cow::Owned(canary(vr)))
        };
        elements.push(Element::new(tag, vr, value));
    }
    elements
}
