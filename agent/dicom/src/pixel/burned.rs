//! Text that nobody knew of: it is looked for in every frame, blackened in all, and looked for again.

use std::borrow::Cow;

use super::display::Display;
use super::fill::fill;
use super::form::Form;
use super::regions::paint;
use crate::data::DataSet;
use crate::error::PixelError;
use crate::{READ_PIXELS_MAX, TextFinder, TextRead};

/// How often text is blackened: what is beside text that was large is found when that is gone.
const PASSES_MAX: usize = 4;

/// Looks for text in uncompressed frames, and blackens it until none is found that is not black.
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
) -> Result<TextRead, PixelError> {
    let display = Display::of(set, form)?;
    let size = bytes.len() / form.frames;
    if size * form.frames != bytes.len()
        || form.allocated == 1 && !(form.rows * form.columns).is_multiple_of(8)
    {
        return Err(PixelError::NotDecodable);
    }
    let mut one = form;
    one.frames = 1;
    let mut read = TextRead::default();
    // What was found so far: it is black in the file, and shown as what is around it.
    let mut hidden = vec![false; form.rows * form.columns];
    let mut unread: Vec<usize> = (0..form.frames).collect();
    let pixels = (form.rows * form.columns) as u64;
    for _ in 0..=PASSES_MAX {
        let got_pixels = pixels * (read.frames + unread.len() as u64);
        if got_pixels > READ_PIXELS_MAX {
            return Err(PixelError::TooMuchToRead { got_pixels });
        }
        let mut places = Vec::new();
        for frame in &unread {
            for mut picture in display.pictures(&bytes[frame * size..(frame + 1) * size])? {
                if hidden.contains(&true) {
                    fill(&mut picture, &hidden);
                }
                let found = finder.find(&picture);
                places.extend(found.map_err(|_| PixelError::Unread { frame: frame + 1 })?);
            }
            read.frames += 1;
        }
        if places.is_empty() {
            return Ok(read);
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
            return Ok(read);
        }
        read.regions += places.len() as u64;
    }
    Err(PixelError::TextLeft { passes: PASSES_MAX })
}
