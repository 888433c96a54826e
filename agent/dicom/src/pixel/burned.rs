//! Text that nobody knew of: it is looked for in every frame, blackened in all, and looked for again.
//! Lines that may stay are read again with every look: nothing that was read once is believed later.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::display::Display;
use super::fill::fill;
use super::form::Form;
use super::regions::{is_painted, paint};
use crate::data::DataSet;
use crate::error::PixelError;
use crate::{READ_PIXELS_MAX, TextFinder, TextLine, TextRead};

/// How often text is blackened: what is beside text that was large is found when that is gone.
const PASSES_MAX: usize = 4;

/// What looking for text came to.
#[derive(Default)]
pub(crate) struct Looked {
    pub(crate) read: TextRead,
    /// What the blackened lines said, and how many did. It must not be told.
    pub(crate) said: BTreeMap<String, u64>,
}

/// Looks for text in uncompressed frames, and blackens it until none is found that is neither black nor
/// read as what `stays`.
///
/// Text that stands in one frame goes in all of them: in some it may be harder to see.
///
/// # Errors
/// [`PixelError`]: nobody knows then what the frames show.
pub(super) fn blacken(
    bytes: &mut Cow<'_, [u8]>,
    form: Form,
    set: &DataSet<'_>,
    finder: &dyn TextFinder,
    stays: &dyn Fn(&str) -> bool,
) -> Result<Looked, PixelError> {
    let display = Display::of(set, form)?;
    let size = bytes.len() / form.frames;
    if size * form.frames != bytes.len()
        || form.allocated == 1 && !(form.rows * form.columns).is_multiple_of(8)
    {
        return Err(PixelError::NotDecodable);
    }
    let mut one = form;
    one.frames = 1;
    let mut looked = Looked::default();
    // What was found so far: it is black in the file, and shown as what is around it.
    let mut hidden = vec![false; form.rows * form.columns];
    let mut unread: Vec<usize> = (0..form.frames).collect();
    // Of each frame, the lines that stay, as it was last looked at.
    let mut markings = vec![0; form.frames];
    let pixels = (form.rows * form.columns) as u64;
    for _ in 0..=PASSES_MAX {
        let got_pixels = pixels * (looked.read.frames + unread.len() as u64);
        if got_pixels > READ_PIXELS_MAX {
            return Err(PixelError::TooMuchToRead { got_pixels });
        }
        let mut found = Vec::new();
        for frame in &unread {
            for mut picture in display.pictures(&bytes[frame * size..(frame + 1) * size])? {
                if hidden.contains(&true) {
                    fill(&mut picture, &hidden);
                }
                let lines = finder.find(&picture);
                let lines = lines.map_err(|_| PixelError::Unread { frame: frame + 1 })?;
                found.extend(lines.into_iter().map(|line| (*frame, line)));
            }
            looked.read.frames += 1;
            markings[*frame] = 0;
        }
        let (staying, going) = part(found, form, stays);
        staying.iter().for_each(|frame| markings[*frame] += 1);
        looked.read.markings = markings.iter().sum();
        let places: Vec<_> = going.iter().flat_map(|line| line.parts.iter().copied()).collect();
        if places.is_empty() {
            return Ok(looked);
        }
        paint(&mut hidden, form.columns, &places, true);
        unread.clear();
        for (frame, pixels) in bytes.to_mut().chunks_exact_mut(size).enumerate() {
            let before = pixels.to_vec();
            one.blacken(pixels, &hidden)?;
            if *pixels != before[..] {
                unread.push(frame);
            }
        }
        if unread.is_empty() {
            // What is found is black already.
            return Ok(looked);
        }
        looked.read.regions += places.len() as u64;
        if finder.reads() {
            looked.count(going);
        }
    }
    Err(PixelError::TextLeft { passes: PASSES_MAX })
}

/// The frames of lines that stay, and the lines that go. A line goes, too, where another goes that was
/// found at its place: in another frame, or in the same one, shown brighter.
fn part(
    found: Vec<(usize, TextLine)>,
    form: Form,
    stays: &dyn Fn(&str) -> bool,
) -> (Vec<usize>, Vec<TextLine>) {
    let (may_stay, mut going): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(_, line)| line.text.as_deref().is_some_and(stays));
    let mut struck = vec![false; form.rows * form.columns];
    let middles: Vec<_> = going.iter().map(|(_, line)| middle(line.place)).collect();
    paint(&mut struck, form.columns, &middles, true);
    let (strike, staying): (Vec<_>, Vec<_>) = may_stay
        .into_iter()
        .partition(|(_, line)| is_painted(&struck, form.columns, middle(line.place)));
    going.extend(strike);
    let staying = staying.into_iter().map(|(frame, _)| frame).collect();
    (staying, going.into_iter().map(|(_, line)| line).collect())
}

/// The middle rows of a line: those above and below it may have rows in common with it.
fn middle([left, top, right, bottom]: [u32; 4]) -> [u32; 4] {
    let quarter = bottom.saturating_sub(top) / 4;
    [left, top + quarter, right, bottom - quarter]
}

impl Looked {
    fn count(&mut self, lines: Vec<TextLine>) {
        for line in lines {
            match line.text {
                Some(text) => {
                    self.read.lines += 1;
                    *self.said.entry(text).or_default() += 1;
                }
                None => self.read.unread += 1,
            }
        }
    }
}
