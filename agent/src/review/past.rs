//! Reads that are done, with who gave them and what they answered: for what judges labels at the
//! site and shows the result to the site's own people.

use super::sealed::Sealed;
use super::{Decision, Made, Reason};
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::route::Read;
use crate::store::StoreError;
use crate::store::labels::{AnnotationRow, Verdict};

/// A read of an item.
#[derive(Clone)]
pub struct PastRead {
    /// Key of the person.
    pub person: i64,
    /// When, Unix seconds.
    pub made_at: i64,
    /// What was said.
    pub read: Read,
    /// The prelabel that it answers, seen or not.
    pub prelabel: Option<Prelabel>,
    /// Whether it accepted what was shown, and so had seen it: that prelabel, or the label under
    /// review.
    pub accepted: bool,
    /// Whether the item looked real, where that was asked and answered.
    pub looks_real: Option<bool>,
    /// How long it took, seconds.
    pub seconds: f32,
    /// What the person wrote beside it.
    pub comment: Option<String>,
    /// Why it was skipped, where that was said.
    pub reason: Option<Reason>,
    /// With what it was made, where that was kept.
    pub made: Option<Made>,
}

impl std::fmt::Debug for PastRead {
    /// Without what the person said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PastRead(person {}, {:?})", self.person, self.read.reading)
    }
}

impl PastRead {
    /// The label, if the read gave one.
    pub fn label(&self) -> Option<&Label> {
        self.read.label.as_ref().filter(|_| self.read.verdict == Verdict::Label)
    }

    /// The class, if the read gave a label that is exactly one.
    pub fn class(&self) -> Option<u16> {
        self.label().and_then(Label::class)
    }
}

/// What an item's annotations say, oldest first.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn past_reads(annotations: &[AnnotationRow]) -> Result<Vec<PastRead>, StoreError> {
    annotations
        .iter()
        .map(|annotation| {
            let Sealed { label, prelabel, looks_real, seconds, comment, made, decision, reason } =
                Sealed::decode(&annotation.label)?;
            let AnnotationRow { person, made_at, reading, verdict, .. } = *annotation;
            let read = Read { reading, verdict, label };
            let accepted = decision == Decision::Accept;
            Ok(PastRead {
                person,
                made_at,
                read,
                prelabel,
                accepted,
                looks_real,
                seconds,
                comment,
                reason,
                made,
            })
        })
        .collect()
}

/// The prelabel that people answered, judgements beside synthetic items aside: the model may have changed since.
pub fn answered(past: &[PastRead]) -> Option<&Prelabel> {
    past.iter()
        .filter(|past| past.label().is_some() && past.read.reading.is_of_record())
        .find_map(|past| past.prelabel.as_ref())
}
