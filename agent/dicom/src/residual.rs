//! The residual check: the file as it would be written is read again, and every attribute must be
//! what the profile lets stand.

use crate::Unclean;
use crate::clean::{Run, fitting, is_technical};
use crate::data::{DataSet, Element, Value};
use crate::error::Error;
use crate::form;
use crate::profile::{self, Rule};
use crate::read::{self, PREAMBLE_BYTES};
use crate::statement::METHOD;
use crate::tag::Tag;
use crate::text::CharacterSet;
use crate::uid;
use crate::vr::{Class, Vr};

/// Attributes of the file itself that are written.
const META: &[u32] =
    &[0x0002_0000, 0x0002_0001, 0x0002_0002, 0x0002_0003, 0x0002_0010, 0x0002_0012, 0x0002_0013];

/// Reads a file that `run` has cleaned; tells how many texts were read.
///
/// # Errors
/// [`Error::Residue`] with what is left; what reading says, which means that writing is wrong.
pub(crate) fn check(bytes: &[u8], run: &mut Run<'_>) -> Result<u64, Error> {
    let file = read::file(bytes)?;
    let set = file.data_set()?;
    let mut check = Check { run, texts: 0, left: 0, first: None };
    if bytes[..PREAMBLE_BYTES].iter().any(|byte| *byte != 0) {
        check.left(Tag(0));
    }
    for element in &file.meta.elements {
        let own = element.tag != Tag(0x0002_0003)
            || set.ascii(Tag::SOP_INSTANCE) == file.meta.ascii(element.tag);
        if META.binary_search(&element.tag.0).is_err() || !own {
            check.left(element.tag);
        }
    }
    check.data_set(&set)?;
    match check.first {
        Some(tag) => Err(Error::Residue { left: check.left, tag }),
        None => Ok(check.texts),
    }
}

struct Check<'c, 'r> {
    run: &'c mut Run<'r>,
    texts: u64,
    left: usize,
    first: Option<Tag>,
}

impl Check<'_, '_> {
    fn left(&mut self, tag: Tag) {
        self.left += 1;
        self.first.get_or_insert(tag);
    }

    fn data_set(&mut self, set: &DataSet<'_>) -> Result<(), Error> {
        for element in &set.elements {
            if !self.is_clean(element)? {
                self.left(element.tag);
            }
            if let Value::Items(items) = &element.value {
                for item in items {
                    self.data_set(item)?;
                }
            }
        }
        Ok(())
    }

    fn is_clean(&mut self, element: &Element<'_>) -> Result<bool, Error> {
        let tag = element.tag;
        if tag == Tag::CHARACTER_SET || tag.group() == Tag::PIXELS.group() {
            return Ok(true);
        }
        let representations = tag.representations().unwrap_or_default();
        let Some(vr) = fitting(element.vr, representations).filter(|vr| *vr == element.vr) else {
            return Ok(false);
        };
        let rule = profile::rule(tag, vr, self.run.retain);
        let bytes = match &element.value {
            Value::Items(items) => {
                return Ok(rule != Rule::Remove && (rule != Rule::Empty || items.is_empty()));
            }
            Value::Fragments(_) => return Ok(false),
            Value::Bytes(bytes) => bytes,
        };
        if vr.class() == Class::Binary {
            let zeros = bytes.iter().all(|byte| *byte == 0);
            return Ok(matches!(rule, Rule::Keep | Rule::Clean | Rule::Unlisted) || zeros);
        }
        let unicode = CharacterSet::new(crate::text::UNICODE);
        let Some(text) = unicode.decode(bytes) else { return Ok(false) };
        self.is_clean_text(tag, vr, rule, &text)
    }

    fn is_clean_text(&mut self, tag: Tag, vr: Vr, rule: Rule, text: &str) -> Result<bool, Error> {
        let given = self.run.given.contains(text);
        let nothing = text.is_empty() || text.split('\\').all(|value| value == form::dummy(vr));
        Ok(match rule {
            Rule::Remove => false,
            Rule::Keep => true,
            Rule::Empty | Rule::Dummy | Rule::Shift => nothing || given,
            Rule::Uid => self.are_own(text),
            Rule::Clean | Rule::Unlisted if vr == Vr::Ui => self.are_own(text),
            Rule::Clean | Rule::Unlisted if nothing || tag == METHOD => true,
            Rule::Unlisted if is_technical(tag) => !self.run.known.hits(text),
            Rule::Clean | Rule::Unlisted if vr.class() == Class::Text => {
                self.texts += 1;
                // As they were read: one value at a time.
                for value in vr.values(text) {
                    let left = self.run.substitute.is_left(value);
                    if left.map_err(|Unclean| Error::Unclean { tag })? {
                        return Ok(false);
                    }
                }
                given || !self.run.known.hits(text)
            }
            Rule::Clean | Rule::Unlisted => given || !self.run.known.hits(text),
        })
    }

    fn are_own(&self, text: &str) -> bool {
        text.split('\\')
            .all(|uid| uid.is_empty() || uid::is_registered(uid) || self.run.uids.is_own(uid))
    }
}
