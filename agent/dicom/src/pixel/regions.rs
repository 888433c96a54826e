//! Which pixels may show text: what the image says of its regions, and what the steward knows of a
//! device's images.

use serde::Deserialize;

use crate::data::{DataSet, Element, Value};
use crate::error::PixelError;
use crate::known::character_set;
use crate::tag::Tag;
use crate::text::CharacterSet;

/// Regions of an ultrasound image, and where each lies (PS3.3, C.8.5.5).
const ULTRASOUND_REGIONS: Tag = Tag(0x0018_6011);
const REGION_PLACE: [Tag; 4] =
    [Tag(0x0018_6018), Tag(0x0018_601a), Tag(0x0018_601c), Tag(0x0018_601e)];
const IMAGE_TYPE: Tag = Tag(0x0008_0008);
const MODALITY: Tag = Tag(0x0008_0060);
const CONVERSION: Tag = Tag(0x0008_0064);
const MANUFACTURER: Tag = Tag(0x0008_0070);
const MODEL: Tag = Tag(0x0008_1090);
const ROWS: Tag = Tag(0x0028_0010);
const COLUMNS: Tag = Tag(0x0028_0011);
const BURNED_IN: Tag = Tag(0x0028_0301);

/// Kinds of images that often have text in them: ultrasound, endoscopes, photographs, documents,
/// captures of screens and of what is nothing else.
const MODALITIES: &[&str] = &["US", "IVUS", "ES", "XC", "DOC", "HC", "OT", "SC"];
/// Classes of ultrasound images and captures (PS3.6, annex A).
const CLASSES: &[&str] = &[
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.6.2",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
];
/// Words in the type of images of screens, and of slides with their labels.
const TYPES: &[&str] = &["SCREEN", "LABEL", "OVERVIEW"];

/// A rule of the steward's: what is burned in on images of a kind. What it does not name may be
/// anything; all rules that fit an image hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Manufacturer's model name (0008,1090).
    pub model: Option<String>,
    /// Rows (0028,0010).
    pub rows: Option<u32>,
    /// Columns (0028,0011).
    pub columns: Option<u32>,
    /// Left, top, right and bottom in pixels, the last two exclusive; without it, nothing is burned
    /// in on these images.
    pub black: Option<[u32; 4]>,
}

impl Region {
    /// Whether it is about this image; an attribute that it names and that cannot be read could be.
    fn fits(&self, set: &DataSet<'_>) -> Result<bool, PixelError> {
        let characters = character_set(set, CharacterSet::DEFAULT);
        let texts = [
            (&self.modality, MODALITY, "Modality"),
            (&self.manufacturer, MANUFACTURER, "Manufacturer"),
            (&self.model, MODEL, "Manufacturer's Model Name"),
        ];
        for (wanted, tag, attribute) in texts {
            let Some(wanted) = wanted else { continue };
            let Some(bytes) = set.find(tag).and_then(Element::bytes) else { return Ok(false) };
            let is = characters.decode(bytes).ok_or(PixelError::Unreadable { attribute })?;
            if is.to_lowercase() != wanted.trim().to_lowercase() {
                return Ok(false);
            }
        }
        let number =
            |wanted: Option<u32>, tag| wanted.is_none_or(|wanted| set.number(tag) == Some(wanted));
        Ok(number(self.rows, ROWS) && number(self.columns, COLUMNS))
    }
}

/// What rules say of an image. Places are left, top, right, bottom; the last two exclusive.
#[derive(Debug, Default)]
pub(super) struct Plan {
    ruled: bool,
    /// If there are any, all else is black.
    shown: Vec<[u32; 4]>,
    black: Vec<[u32; 4]>,
}

/// Whether images of this kind are refused when no rule is about them.
pub(super) fn needs_rule(set: &DataSet<'_>) -> bool {
    let is = |tag, values: &[&str]| set.ascii(tag).is_some_and(|value| values.contains(&value));
    is(MODALITY, MODALITIES)
        || is(Tag::SOP_CLASS, CLASSES)
        || is(BURNED_IN, &["YES"])
        || set.ascii(CONVERSION).is_some_and(|how| !how.is_empty())
        || set.ascii(IMAGE_TYPE).is_some_and(|kind| TYPES.iter().any(|word| kind.contains(word)))
}

/// What the image and the rules say.
pub(super) fn plan(set: &DataSet<'_>, rules: &[Region]) -> Result<Plan, PixelError> {
    let mut plan = Plan::default();
    if let Some(Value::Items(items)) = set.find(ULTRASOUND_REGIONS).map(|element| &element.value) {
        for item in items {
            let mut place = [0; 4];
            for (corner, tag) in place.iter_mut().zip(REGION_PLACE) {
                *corner = item.number(tag).ok_or(PixelError::Form)?;
            }
            // The last pixel is inside.
            place[2] = place[2].saturating_add(1);
            place[3] = place[3].saturating_add(1);
            plan.shown.push(place);
        }
        plan.ruled = !items.is_empty();
    }
    for rule in rules {
        if rule.fits(set)? {
            plan.ruled = true;
            plan.black.extend(rule.black);
        }
    }
    Ok(plan)
}

impl Plan {
    /// Whether any rule is about the image.
    pub(super) const fn is_ruled(&self) -> bool {
        self.ruled
    }

    /// Whether any pixel goes.
    pub(super) const fn is_black(&self) -> bool {
        !self.shown.is_empty() || !self.black.is_empty()
    }

    /// Row by row, whether a pixel goes.
    pub(super) fn mask(&self, rows: usize, columns: usize) -> Result<Vec<bool>, PixelError> {
        let count = rows.checked_mul(columns).ok_or(PixelError::Form)?;
        let mut mask = vec![!self.shown.is_empty(); count];
        paint(&mut mask, columns, &self.shown, false);
        paint(&mut mask, columns, &self.black, true);
        Ok(mask)
    }
}

/// Sets what `places` cover of a mask, row by row.
pub(super) fn paint(mask: &mut [bool], columns: usize, places: &[[u32; 4]], value: bool) {
    for place in places {
        for row in rows(mask.len(), columns, *place) {
            mask[row].fill(value);
        }
    }
}

/// Whether anything that `place` covers of a mask is set.
pub(super) fn is_painted(mask: &[bool], columns: usize, place: [u32; 4]) -> bool {
    rows(mask.len(), columns, place).any(|row| mask[row].contains(&true))
}

/// The parts of a mask's rows that a place covers.
fn rows(
    pixels: usize,
    columns: usize,
    place: [u32; 4],
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let at = |edge: u32, limit: usize| usize::try_from(edge).unwrap_or(limit).min(limit);
    let [left, top, right, bottom] = place;
    let (left, right) = (at(left, columns), at(right, columns));
    let (top, bottom) = (at(top, pixels / columns), at(bottom, pixels / columns));
    (top..bottom).map(move |row| row * columns + left.min(right)..row * columns + right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vr::Vr;

    #[test]
    fn what_is_shown_is_left_and_what_is_black_goes() {
        let plan = Plan { ruled: true, shown: vec![[1, 0, 9, 2]], black: vec![[2, 1, 3, 9]] };
        let mask = plan.mask(2, 4).unwrap();
        assert_eq!(mask, [true, false, false, false, true, false, true, false]);
        let plan = Plan { ruled: true, shown: vec![], black: vec![[9, 9, 1, 1]] };
        assert!(!plan.mask(2, 4).unwrap().contains(&true));
    }

    #[test]
    fn a_place_is_painted_where_it_covers_what_is() {
        let mut mask = vec![false; 12];
        paint(&mut mask, 4, &[[1, 1, 3, 2]], true);
        let painted = |place| is_painted(&mask, 4, place);
        assert!(painted([2, 0, 9, 9]) && painted([0, 1, 2, 2]));
        assert!(!painted([3, 0, 4, 3]) && !painted([0, 0, 4, 1]) && !painted([2, 1, 2, 2]));
    }

    #[test]
    fn a_rule_fits_what_it_names() {
        let set = DataSet {
            elements: vec![
                Element::text(MODALITY, Vr::Cs, "US"),
                Element::text(MANUFACTURER, Vr::Lo, "Acme Sound "),
            ],
        };
        assert!(needs_rule(&set));
        let rule = |modality: &str, manufacturer: &str| Region {
            modality: Some(modality.to_owned()),
            manufacturer: Some(manufacturer.to_owned()),
            ..Region::default()
        };
        assert!(plan(&set, &[rule("US", "ACME SOUND")]).unwrap().is_ruled());
        assert!(!plan(&set, &[rule("CT", "ACME SOUND")]).unwrap().is_ruled());
        let latin = DataSet {
            elements: vec![
                Element::text(Tag::CHARACTER_SET, Vr::Cs, "ISO_IR 100"),
                Element::text(MODALITY, Vr::Cs, "CR"),
                Element::new(MANUFACTURER, Vr::Lo, Value::Bytes(b"B\xf6blingen"[..].into())),
            ],
        };
        assert!(plan(&latin, &[rule("CR", "böblingen")]).unwrap().is_ruled());
        let mut unknown = latin.clone();
        unknown.put(Element::text(Tag::CHARACTER_SET, Vr::Cs, "ISO_IR 999"));
        let refused = plan(&unknown, &[rule("CR", "böblingen")]);
        assert!(matches!(refused, Err(PixelError::Unreadable { attribute: "Manufacturer" })));
        let sized = Region { rows: Some(480), ..rule("US", "Acme Sound") };
        assert!(!plan(&set, &[sized]).unwrap().is_ruled());
    }
}
