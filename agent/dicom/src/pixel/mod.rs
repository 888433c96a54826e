//! Pixels: what is burned in is blacked out, in every frame, where rules say that it is.
//!
//! The rules are the image's own (the regions of an ultrasound image that hold echoes: all outside of
//! them goes) and the steward's, by kind of image. Images of kinds that often have text in them need
//! a rule. Frames that change are written uncompressed; of compressed frames that do not change, what
//! is not image is left out (comments, EXIF and the like), and so is whatever follows the last pixel.

mod form;
mod frames;
mod jpeg;
mod regions;
mod rle;

use std::borrow::Cow;

use crate::data::{DataSet, Element, Value};
use crate::error::PixelError;
use crate::read::Syntax;
use crate::tag::Tag;
use crate::vr::Vr;
use crate::{Pixels, Settings};

use form::Form;
pub use regions::Region;

/// Pixels as floating-point numbers, and places of frames that are written anew.
const FLOATS: [Tag; 2] = [Tag(0x7fe0_0008), Tag(0x7fe0_0009)];
const PHOTOMETRIC: Tag = Tag(0x0028_0004);
const PLANAR: Tag = Tag(0x0028_0006);
const JPEG_BASELINE: &str = "4.50";
/// Compressions of the first JPEG standard.
const JPEG_FAMILY: &[&str] = &[JPEG_BASELINE, "4.51", "4.57", "4.70"];
const RLE: &str = "5";

/// What was done to the pixels of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelOutcome {
    /// There are none.
    Absent,
    /// They stay as they are, because the steward says so.
    Kept,
    /// They are of a kind that seldom has text in it, and no rule is about them.
    NoRule,
    /// A rule of the steward's says that nothing is burned in.
    RuledClean,
    /// What rules name is black in so many frames.
    Blackened {
        /// Frames.
        frames: usize,
    },
}

/// Cleaned pixels, and what must be said of them.
pub(crate) struct Clean<'a> {
    /// To be put into the data set.
    pub(crate) elements: Vec<Element<'a>>,
    pub(crate) syntax: Syntax,
    pub(crate) outcome: PixelOutcome,
}

/// Takes the pixels out of a data set, and cleans them.
pub(crate) fn clean<'a>(
    set: &mut DataSet<'a>,
    syntax: Syntax,
    settings: &Settings,
) -> Result<Clean<'a>, PixelError> {
    let floats: Vec<Element<'a>> = FLOATS.iter().filter_map(|tag| set.take(*tag)).collect();
    let Some(element) = set.take(Tag::PIXELS) else {
        let outcome = match (floats.is_empty(), settings.pixels) {
            (true, _) => PixelOutcome::Absent,
            (false, Pixels::Keep) => PixelOutcome::Kept,
            (false, Pixels::Rules) if regions::needs_rule(set) => return Err(PixelError::NoRule),
            (false, Pixels::Rules) => PixelOutcome::NoRule,
        };
        return Ok(Clean { elements: floats, syntax, outcome });
    };
    let plan = regions::plan(set, &settings.regions)?;
    if settings.pixels == Pixels::Rules && !plan.is_ruled() && regions::needs_rule(set) {
        return Err(PixelError::NoRule);
    }
    let form = Form::of(set)?;
    let outcome = match (settings.pixels, plan.is_ruled(), plan.is_black()) {
        (_, _, true) => PixelOutcome::Blackened { frames: form.frames },
        (Pixels::Keep, _, false) => PixelOutcome::Kept,
        (Pixels::Rules, true, false) => PixelOutcome::RuledClean,
        (Pixels::Rules, false, false) => PixelOutcome::NoRule,
    };
    match element.value {
        Value::Bytes(bytes) => {
            let bytes = native(bytes, form, &plan)?;
            let element = Element::new(Tag::PIXELS, element.vr, Value::Bytes(bytes));
            Ok(Clean { elements: vec![element], syntax, outcome })
        }
        Value::Fragments(fragments) => compressed(fragments, form, &plan, (syntax, outcome)),
        Value::Items(_) => Err(PixelError::Form),
    }
}

fn native<'a>(
    bytes: Cow<'a, [u8]>,
    form: Form,
    plan: &regions::Plan,
) -> Result<Cow<'a, [u8]>, PixelError> {
    let needed = form.bytes()?;
    if bytes.len() < needed {
        let (got_bytes, needed_bytes) = (bytes.len() as u64, needed as u64);
        return Err(PixelError::Short { got_bytes, needed_bytes });
    }
    let mut bytes = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..needed]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(needed);
            Cow::Owned(bytes)
        }
    };
    form.clear_unused_bits(&mut bytes);
    if plan.is_black() {
        form.blacken(bytes.to_mut(), &plan.mask(form.rows, form.columns)?)?;
    }
    Ok(bytes)
}

fn compressed<'a>(
    fragments: Vec<Cow<'a, [u8]>>,
    form: Form,
    plan: &regions::Plan,
    (syntax, outcome): (Syntax, PixelOutcome),
) -> Result<Clean<'a>, PixelError> {
    let Syntax::Encapsulated(codec) = syntax else { return Err(PixelError::Form) };
    let kept = outcome == PixelOutcome::Kept;
    let is_jpeg = JPEG_FAMILY.contains(&codec);
    let decodable = codec == RLE || codec == JPEG_BASELINE;
    if !decodable && !kept {
        return Err(PixelError::NotDecodable);
    }
    let as_is = |fragments| Clean {
        elements: vec![Element::new(Tag::PIXELS, Vr::Ob, Value::Fragments(fragments))],
        syntax,
        outcome,
    };
    if !is_jpeg && codec != RLE {
        return Ok(as_is(fragments));
    }
    let frames = frames::of(fragments, form.frames)?;
    if is_jpeg && !plan.is_black() {
        let stripped = frames.iter().enumerate().map(|(at, frame)| {
            jpeg::without_comments(frame).ok_or(PixelError::Frame { frame: at + 1 }).map(Cow::Owned)
        });
        return Ok(as_is(stripped.collect::<Result<_, _>>()?));
    }
    let mut pixels = Vec::with_capacity(form.bytes()?);
    let mut decoded = form;
    for (at, frame) in frames.iter().enumerate() {
        let bytes = if codec == RLE { rle::decode(frame, form) } else { jpeg::decode(frame, form) };
        pixels.extend(bytes.ok_or(PixelError::Frame { frame: at + 1 })?);
    }
    let mut elements = Vec::new();
    if form.samples == 3 {
        decoded.planar = false;
        elements.push(Element::new(PLANAR, Vr::Us, Value::Bytes(Cow::Owned(vec![0, 0]))));
        if is_jpeg {
            decoded.photometric = form::Photometric::Rgb;
            elements.push(Element::text(PHOTOMETRIC, Vr::Cs, "RGB"));
        }
    }
    let pixels = native(Cow::Owned(pixels), decoded, plan)?;
    let vr = if form.allocated > 8 { Vr::Ow } else { Vr::Ob };
    elements.push(Element::new(Tag::PIXELS, vr, Value::Bytes(pixels)));
    Ok(Clean { elements, syntax: Syntax::ExplicitLittle, outcome })
}
