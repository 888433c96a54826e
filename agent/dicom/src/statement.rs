//! What a cleaned file says of its cleaning (PS3.15, E.1.1 and E.3; PS3.16, CID 7050).
//!
//! It does not claim the Clean Pixel Data Option, nor that nothing is burned in: rules name where text
//! is, and no detector finds all that there is more.

use crate::TextRead;
use crate::data::{DataSet, Element, Value};
use crate::pixel::PixelOutcome;
use crate::profile::{EDITION, Retain};
use crate::tag::Tag;
use crate::text::UNICODE;
use crate::vr::{Class, Vr};

const IDENTITY_REMOVED: Tag = Tag(0x0012_0062);
pub(crate) const METHOD: Tag = Tag(0x0012_0063);
const METHOD_CODES: Tag = Tag(0x0012_0064);
const TIMES_MODIFIED: Tag = Tag(0x0028_0303);
const BASIC: (&str, &str) = ("113100", "Basic Application Confidentiality Profile");

/// Adds what the standard asks for, in place of what stood there.
pub(crate) fn put(set: &mut DataSet<'_>, retain: &[Retain], pixels: PixelOutcome, text: &TextRead) {
    let options: Vec<Retain> =
        Retain::ALL.into_iter().filter(|option| retain.contains(option)).collect();
    let mut codes = vec![BASIC];
    codes.extend(options.iter().map(|option| option.code()));
    let times = if options.contains(&Retain::ShiftedDates) {
        "MODIFIED"
    } else if options.contains(&Retain::Dates) {
        "UNMODIFIED"
    } else {
        "REMOVED"
    };
    let mut method =
        format!("Insitu {}\\PS3.15 {EDITION} Basic Profile", env!("CARGO_PKG_VERSION"));
    for option in &options {
        method.push_str("\\Retain ");
        method.push_str(option.as_str());
    }
    if matches!(pixels, PixelOutcome::Blackened { .. }) {
        method.push_str("\\Regions of pixels blackened");
    }
    if text.frames > 0 {
        method.push_str("\\Text in pixels looked for by PP-OCRv4");
    }
    if text.markings > 0 {
        method.push_str("\\Text in pixels kept where it was read as a marking");
    }
    if text.unread > 0 {
        method.push_str(&format!("\\Blackened lines not read: {}", text.unread));
    }
    for (kind, count) in &text.found {
        method.push_str(&format!("\\Read in blackened lines: {kind} {count}"));
    }
    set.put(Element::text(IDENTITY_REMOVED, Vr::Cs, "YES"));
    set.put(Element::text(METHOD, Vr::Lo, method));
    let codes = codes.into_iter().map(code).collect();
    set.put(Element::new(METHOD_CODES, Vr::Sq, Value::Items(codes)));
    set.put(Element::text(TIMES_MODIFIED, Vr::Cs, times));
    if !is_ascii(set) {
        set.put(Element::text(Tag::CHARACTER_SET, Vr::Cs, UNICODE));
    }
}

fn code((value, meaning): (&str, &str)) -> DataSet<'static> {
    DataSet {
        elements: vec![
            Element::text(Tag(0x0008_0100), Vr::Sh, value),
            Element::text(Tag(0x0008_0102), Vr::Sh, "DCM"),
            Element::text(Tag(0x0008_0104), Vr::Lo, meaning),
        ],
    }
}

/// Whether all text is ASCII.
fn is_ascii(set: &DataSet<'_>) -> bool {
    set.elements.iter().all(|element| match &element.value {
        Value::Bytes(bytes) => element.vr.class() != Class::Text || bytes.is_ascii(),
        Value::Items(items) => items.iter().all(is_ascii),
        Value::Fragments(_) => true,
    })
}
