//! Corrections: what tallies and lessons are made of.

use insitu_privacy::contribution::{ItemRef, SubjectRef};

use super::{PastRead, answered, past_reads};
use crate::label::Label;
use crate::prelabel::personal::of_bundle;
use crate::route::{Read, label_of_record};
use crate::store::items::ItemRow;
use crate::store::labels::Reading;
use crate::store::{StoreError, Tx};

/// A person's answer to a prelabel, with everything a tally needs: the next type of the privacy
/// boundary. Made from the store's annotations alone, and only where prelabel and label of record
/// are exactly one class: what is counted and learned from is classes.
#[derive(Clone)]
pub struct Correction {
    item: ItemRef,
    subject: SubjectRef,
    prelabel: u16,
    confidence: f64,
    first: Option<u16>,
    second: Option<u16>,
    record: u16,
}

impl std::fmt::Debug for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Correction(..)")
    }
}

impl Correction {
    /// The correction of an item that has a prelabel and a label of record, both exactly one class.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(tx: &Tx<'_>, row: &ItemRow) -> Result<Option<Self>, StoreError> {
        let past = past_reads(&tx.annotations_of(row.item)?)?;
        let reads: Vec<Read> = past.iter().map(|past| past.read.clone()).collect();
        let Some(record) = label_of_record(&reads).and_then(Label::class) else { return Ok(None) };
        let Some(answered) = answered(&past) else { return Ok(None) };
        let own = row.of_bundle.as_ref().map(|_| of_bundle(row)).transpose()?.flatten();
        let answered = own.as_ref().unwrap_or(answered);
        let Some(prelabel) = answered.class() else { return Ok(None) };
        let class = |wanted| {
            past.iter()
                .find(|past| past.read.reading == wanted && past.label().is_some())
                .and_then(PastRead::class)
        };
        Ok(Some(Self {
            item: ItemRef(item_ref(&row.opaque)),
            subject: SubjectRef(row.subject),
            prelabel,
            confidence: answered.confidence(),
            first: class(Reading::First),
            second: class(Reading::Second),
            record,
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

    /// Class of the prelabel that was answered; of the bundle's own where a personal head made that
    /// one.
    pub fn prelabel(&self) -> u16 {
        self.prelabel
    }

    /// Its confidence, in [0, 1].
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// First and second reader's classes, of an item that two people read.
    pub fn pair(&self) -> Option<(u16, u16)> {
        self.first.zip(self.second)
    }

    /// The label of record.
    pub fn record(&self) -> u16 {
        self.record
    }
}

/// An item's name as the contribution bound takes it.
pub fn item_ref(opaque: &[u8; 16]) -> [u8; 32] {
    let mut reference = [0; 32];
    reference[..16].copy_from_slice(opaque);
    reference
}
