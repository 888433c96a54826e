//! Corrections: what tallies and lessons are made of.

use insitu_privacy::contribution::{ItemRef, SubjectRef};

use super::{PastRead, answered, past_reads};
use crate::prelabel::personal::of_bundle;
use crate::route::{Read, label_of_record};
use crate::store::items::ItemRow;
use crate::store::labels::Reading;
use crate::store::{StoreError, Tx};

/// A person's answer to a prelabel, with everything a tally needs: the next type of the privacy
/// boundary. Made from the store's annotations alone.
#[derive(Clone)]
pub struct Correction {
    item: ItemRef,
    subject: SubjectRef,
    confidence: f64,
    kept: bool,
    classes: Option<(u16, u16)>,
    pair: Option<(u16, u16)>,
}

impl std::fmt::Debug for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Correction(..)")
    }
}

impl Correction {
    /// The correction of an item that has a prelabel and a label of record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(tx: &Tx<'_>, row: &ItemRow) -> Result<Option<Self>, StoreError> {
        let past = past_reads(&tx.annotations_of(row.item)?)?;
        let reads: Vec<Read> = past.iter().map(|past| past.read.clone()).collect();
        let Some(record) = label_of_record(&reads) else { return Ok(None) };
        let Some(answered) = answered(&past) else { return Ok(None) };
        // Without a prelabel of the bundle's, what was answered is not for it to be judged by.
        let Some(own) = of_bundle(row)? else { return Ok(None) };
        let answered = if row.of_bundle.is_some() { &own } else { answered };
        let class = |wanted| {
            past.iter()
                .find(|past| past.read.reading == wanted && past.label().is_some())
                .and_then(PastRead::class)
        };
        Ok(Some(Self {
            item: ItemRef(item_ref(&row.opaque)),
            subject: SubjectRef(row.subject),
            confidence: answered.confidence(),
            kept: answered.label().agrees(record),
            classes: answered.class().zip(record.class()),
            pair: class(Reading::First).zip(class(Reading::Second)),
        }))
    }

    /// The item, as the contribution bound sees it.
    pub fn item(&self) -> ItemRef {
        self.item
    }

    /// The subject, as the contribution bound sees it.
    pub fn subject(&self) -> SubjectRef {
        self.subject
    }

    /// Whether the label of record says what the prelabel said that was answered, or the bundle's own
    /// where a personal head made that one. Of every kind of label ([`Label::agrees`]).
    ///
    /// [`Label::agrees`]: crate::label::Label::agrees
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The confidence of that prelabel, in [0, 1].
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// Classes of that prelabel and of the label of record, where both are exactly one.
    pub fn classes(&self) -> Option<(u16, u16)> {
        self.classes
    }

    /// First and second reader's classes, of an item that two people read.
    pub fn pair(&self) -> Option<(u16, u16)> {
        self.pair
    }
}

/// An item's name as the contribution bound takes it.
pub fn item_ref(opaque: &[u8; 16]) -> [u8; 32] {
    let mut reference = [0; 32];
    reference[..16].copy_from_slice(opaque);
    reference
}
