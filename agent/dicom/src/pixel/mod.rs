//! Pixels: what is burned in is blacked out, in every frame, where rules say that it is.
//!
//! The rules are the image's own (the regions of an ultrasound image that hold echoes: all outside of
//! them goes) and the steward's, by kind of image. Images of kinds that often have text in them need
//! a rule, or somebody who looks for text, frame by frame; of what is found, markings may stay. Frames
//! that change are written uncompressed; of compressed frames that do not change, what is not image is
//! left out (comments, EXIF and the like), and so is whatever follows the last pixel.

mod burned;
mod compression;
mod display;
mod fill;
mod form;
mod frames;
mod huffman;
mod jpeg;
mod jpeg2000;
mod jpeg_extended;
mod jpeg_lossless;
mod jpeg_ls;
mod marking;
mod regions;
mod rle;
mod segments;

use std::borrow::Cow;

use crate::data::{DataSet, Element, Value};
use crate::error::PixelError;
use crate::known::Known;
use crate::read::Syntax;
use crate::tag::Tag;
use crate::vr::Vr;
use crate::{PixelText, Pixels, Settings, TextFinder, TextRead};

use burned::Looked;
use compression::Compression;
use form::{Form, Photometric};
use regions::Plan;
pub use regions::Region;

/// Pixels as floating-point numbers, and places of frames that are written anew.
const FLOATS: [Tag; 2] = [Tag(0x7fe0_0008), Tag(0x7fe0_0009)];
const PHOTOMETRIC: Tag = Tag(0x0028_0004);
const PLANAR: Tag = Tag(0x0028_0006);
/// Whether pixels were compressed with loss, ever.
const LOSSY: Tag = Tag(0x0028_2110);

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
    /// Text was looked for in every frame, and none was found but markings that stay; no rule is about
    /// them.
    ReadClean,
    /// What rules name, and what was found to be text, is black in so many frames.
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
    pub(crate) text: Looked,
}

/// What is to be done to an image's frames.
struct Work<'w, 'a> {
    set: &'w DataSet<'a>,
    plan: Plan,
    /// Who looks for text, unless the pixels stay as they are.
    finder: Option<&'w dyn TextFinder>,
    /// Of what is found, what becomes black, and whom the file names.
    text: PixelText,
    known: &'w Known,
}

/// Takes the pixels out of a data set, and cleans them.
pub(crate) fn clean<'a>(
    set: &mut DataSet<'a>,
    syntax: Syntax,
    settings: &Settings,
    finder: Option<&dyn TextFinder>,
    known: &Known,
) -> Result<Clean<'a>, PixelError> {
    let finder = finder.filter(|_| settings.pixels != Pixels::Keep);
    let floats: Vec<Element<'a>> = FLOATS.iter().filter_map(|tag| set.take(*tag)).collect();
    let Some(element) = set.take(Tag::PIXELS) else {
        let outcome = match (floats.is_empty(), settings.pixels) {
            (true, _) => PixelOutcome::Absent,
            (false, Pixels::Keep) => PixelOutcome::Kept,
            (false, Pixels::Ocr) => return Err(PixelError::NotDecodable),
            (false, Pixels::Rules) if finder.is_some() => return Err(PixelError::NotDecodable),
            (false, Pixels::Rules) if regions::needs_rule(set) => return Err(PixelError::NoRule),
            (false, Pixels::Rules) => PixelOutcome::NoRule,
        };
        return Ok(Clean { elements: floats, syntax, outcome, text: Looked::default() });
    };
    let plan = regions::plan(set, &settings.regions)?;
    if settings.pixels == Pixels::Rules && !plan.is_ruled() && regions::needs_rule(set) {
        return Err(PixelError::NoRule);
    }
    if settings.pixels == Pixels::Ocr && finder.is_none() {
        return Err(PixelError::NoFinder);
    }
    if settings.pixel_text == PixelText::Markers && finder.is_some_and(|finder| !finder.reads()) {
        return Err(PixelError::NoReader);
    }
    let form = Form::of(set)?;
    let outcome = match (settings.pixels, plan.is_ruled(), plan.is_black()) {
        (_, _, true) => PixelOutcome::Blackened { frames: form.frames },
        (Pixels::Keep, _, false) => PixelOutcome::Kept,
        (Pixels::Rules | Pixels::Ocr, true, false) => PixelOutcome::RuledClean,
        (Pixels::Rules | Pixels::Ocr, false, false) => PixelOutcome::NoRule,
    };
    let work = Work { set, plan, finder, text: settings.pixel_text, known };
    match element.value {
        Value::Bytes(bytes) => {
            let (bytes, text) = work.native(bytes, form)?;
            let element = Element::new(Tag::PIXELS, element.vr, Value::Bytes(bytes));
            let outcome = after(outcome, &text.read, form);
            Ok(Clean { elements: vec![element], syntax, outcome, text })
        }
        Value::Fragments(fragments) => work.compressed(fragments, form, (syntax, outcome)),
        Value::Items(_) => Err(PixelError::Form),
    }
}

/// What was done, when text was looked for too.
fn after(outcome: PixelOutcome, text: &TextRead, form: Form) -> PixelOutcome {
    if text.regions > 0 {
        PixelOutcome::Blackened { frames: form.frames }
    } else if text.frames > 0 && outcome == PixelOutcome::NoRule {
        PixelOutcome::ReadClean
    } else {
        outcome
    }
}

impl Work<'_, '_> {
    fn native<'b>(
        &self,
        bytes: Cow<'b, [u8]>,
        form: Form,
    ) -> Result<(Cow<'b, [u8]>, Looked), PixelError> {
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
        if self.plan.is_black() {
            form.blacken(bytes.to_mut(), &self.plan.mask(form.rows, form.columns)?)?;
        }
        let text = match self.finder {
            Some(finder) => {
                let stays = |text: &str| {
                    self.text == PixelText::Markers
                        && marking::is_marking(text)
                        && !self.known.may_hit(text)
                };
                burned::blacken(&mut bytes, form, self.set, finder, &stays)?
            }
            None => Looked::default(),
        };
        Ok((bytes, text))
    }

    fn compressed<'b>(
        &self,
        fragments: Vec<Cow<'b, [u8]>>,
        form: Form,
        (syntax, outcome): (Syntax, PixelOutcome),
    ) -> Result<Clean<'b>, PixelError> {
        let Syntax::Encapsulated(codec) = syntax else { return Err(PixelError::Form) };
        let as_is = |fragments, text: Looked| Clean {
            elements: vec![Element::new(Tag::PIXELS, Vr::Ob, Value::Fragments(fragments))],
            syntax,
            outcome: after(outcome, &text.read, form),
            text,
        };
        let Some(compression) = Compression::of(codec) else {
            let kept = outcome == PixelOutcome::Kept;
            let kept = kept.then(|| as_is(fragments, Looked::default()));
            return kept.ok_or(PixelError::NotDecodable);
        };
        let frames = frames::of(fragments, form.frames)?;
        let strips = compression != Compression::Rle;
        let stripped = || {
            let frames = frames.iter().zip(1..).map(|(bytes, frame)| {
                let stripped = compression.stripped(bytes);
                stripped.map(Cow::Owned).map_err(|damage| PixelError::Frame { frame, damage })
            });
            frames.collect::<Result<Vec<_>, _>>()
        };
        if strips && !self.plan.is_black() && self.finder.is_none() {
            return Ok(as_is(stripped()?, Looked::default()));
        }
        let mut pixels = Vec::with_capacity(form.bytes()?);
        for (bytes, frame) in frames.iter().zip(1..) {
            let decoded = compression.decode(bytes, form);
            pixels.extend(decoded.map_err(|damage| PixelError::Frame { frame, damage })?);
        }
        let mut decoded = form;
        let mut elements = Vec::new();
        if form.samples == 3 {
            decoded.planar = false;
            decoded.photometric = compression.colours(form.photometric);
            elements.push(Element::new(PLANAR, Vr::Us, Value::Bytes(Cow::Owned(vec![0, 0]))));
            if decoded.photometric == Photometric::Rgb {
                elements.push(Element::text(PHOTOMETRIC, Vr::Cs, "RGB"));
            }
        }
        let (pixels, text) = self.native(Cow::Owned(pixels), decoded)?;
        if strips && !self.plan.is_black() && text.read.regions == 0 {
            return Ok(as_is(stripped()?, text));
        }
        // The transfer syntax does not say so any more.
        if compression.is_lossy(&frames[0]) {
            elements.push(Element::text(LOSSY, Vr::Cs, "01"));
        }
        let vr = if form.allocated > 8 { Vr::Ow } else { Vr::Ob };
        elements.push(Element::new(Tag::PIXELS, vr, Value::Bytes(pixels)));
        let outcome = after(outcome, &text.read, form);
        Ok(Clean { elements, syntax: Syntax::ExplicitLittle, outcome, text })
    }
}
