//! What is sealed in an annotation's row.
//!
//! A row begins as it always did, with a class where the label is one; what has been added since
//! follows. So rows of every age are read.

use serde::{Deserialize, Serialize};

use super::{Decision, Reason};
use crate::label::Label;
use crate::prelabel::{Prelabel, Stub};
use crate::store::StoreError;

const CORRUPT: StoreError = StoreError::Corrupt { table: "annotations", column: "label" };

/// What a person said of an item, and of what.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) label: Option<Label>,
    pub(super) decision: Decision,
    /// Active time spent.
    pub(super) seconds: f32,
    pub(super) comment: Option<String>,
    /// The prelabel that it answers, seen or not.
    pub(super) prelabel: Option<Prelabel>,
    /// Whether the item looked real, where that was asked and answered.
    pub(super) looks_real: Option<bool>,
    /// Why it was skipped, where that was said.
    pub(super) reason: Option<Reason>,
    /// `None` in rows of before this was kept.
    pub(super) made: Option<Made>,
}

/// With what an annotation was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Version of the project: its taxonomy and its instructions.
    pub project_version: u32,
    /// The program that served the item, with its version.
    pub tool: String,
}

impl Made {
    /// By this program, now.
    pub(super) fn here(project_version: u32) -> Self {
        Self {
            project_version,
            tool: concat!("insitu-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What every row begins with. One byte follows in older rows of judgements that have it: whether
/// the item looked real.
#[derive(Serialize, Deserialize)]
struct Row {
    class: Option<u16>,
    decision: Decision,
    seconds: f32,
    comment: Option<String>,
    prelabel: Option<Stub>,
}

/// What follows in newer rows, which is more than one byte.
#[derive(Serialize, Deserialize)]
struct More {
    looks_real: Option<bool>,
    made: Option<Made>,
    /// A label that is not one class.
    label: Option<Label>,
    /// The label of a prelabel that is not one class.
    prelabel: Option<Label>,
}

impl Sealed {
    /// The bytes that are stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub(super) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let class = self.label.as_ref().and_then(Label::class);
        let row = Row {
            class,
            decision: self.decision,
            seconds: self.seconds,
            comment: self.comment.clone(),
            prelabel: self.prelabel.as_ref().map(Prelabel::stub),
        };
        let more = More {
            looks_real: self.looks_real,
            made: self.made.clone(),
            label: self.label.clone().filter(|_| class.is_none()),
            prelabel: self.prelabel.as_ref().and_then(Prelabel::beside_stub).cloned(),
        };
        // Last, and only where there is one: rows of before there were reasons end without.
        let mut bytes = postcard::to_allocvec(&(row, more)).map_err(|_| CORRUPT)?;
        if let Some(reason) = self.reason {
            bytes.extend(postcard::to_allocvec(&reason).map_err(|_| CORRUPT)?);
        }
        Ok(bytes)
    }

    /// Reads what [`Sealed::encode`] of this version or an earlier one wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (row, rest): (Row, &[u8]) = postcard::take_from_bytes(bytes).map_err(|_| CORRUPT)?;
        let (more, rest): (More, &[u8]) = match rest {
            [] => (More { looks_real: None, made: None, label: None, prelabel: None }, &[]),
            [real] => {
                let looks_real = Some(*real == 1);
                (More { looks_real, made: None, label: None, prelabel: None }, &[])
            }
            rest => postcard::take_from_bytes(rest).map_err(|_| CORRUPT)?,
        };
        let reason = match rest {
            [] => None,
            rest => Some(postcard::from_bytes(rest).map_err(|_| CORRUPT)?),
        };
        let Row { class, decision, seconds, comment, prelabel } = row;
        let prelabel = match prelabel {
            Some(stub) => Some(stub.with(more.prelabel).ok_or(CORRUPT)?),
            None => None,
        };
        Ok(Self {
            label: class.map(Label::Class).or(more.label),
            decision,
            seconds,
            comment,
            prelabel,
            looks_real: more.looks_real,
            reason,
            made: more.made,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Segment;

    fn sealed(label: Option<Label>, prelabel: Option<Prelabel>) -> Sealed {
        Sealed {
            label,
            decision: Decision::Correct,
            seconds: 1.5,
            comment: Some("so".to_owned()),
            prelabel,
            looks_real: None,
            reason: None,
            made: Some(Made::here(3)),
        }
    }

    #[test]
    fn what_was_said_survives() {
        let segment = Segment { class: 1, start: 0.5, end: 2.0, channel: None };
        let segments = Label::segments(vec![segment]);
        let prelabels = [
            None,
            Some(Prelabel::for_test(1, 0.75, 7)),
            Some(Prelabel::of_label_for_test(segments.clone(), 0.5)),
        ];
        for label in [None, Some(Label::Class(1)), Some(segments)] {
            for prelabel in prelabels.clone() {
                for looks_real in [None, Some(true), Some(false)] {
                    let reason = looks_real.map(|_| Reason::NotEnough);
                    let said =
                        Sealed { looks_real, reason, ..sealed(label.clone(), prelabel.clone()) };
                    let read = Sealed::decode(&said.encode().unwrap()).unwrap();
                    assert_eq!((&read.label, &read.prelabel), (&label, &prelabel));
                    assert_eq!((read.looks_real, read.made), (looks_real, Some(Made::here(3))));
                    assert_eq!(read.reason, reason);
                    assert_eq!(read.comment.as_deref(), Some("so"));
                }
            }
        }
    }

    #[test]
    fn rows_of_before_there_were_kinds_are_read() {
        let mut bytes = vec![
            1, 1, // some class: 1
            1, // decision: correct
            0, 0, 192, 63, // 1.5 s
            1, 2, b's', b'o', // comment
            1, 0, // some prelabel of class 0
        ];
        bytes.extend(0.75_f64.to_le_bytes());
        bytes.extend([7; 32]);
        for (more, looks_real) in [(&[][..], None), (&[1][..], Some(true)), (&[0], Some(false))] {
            let read = Sealed::decode(&[&bytes, more].concat()).unwrap();
            assert_eq!(read.label, Some(Label::Class(1)));
            assert_eq!(read.prelabel, Some(Prelabel::for_test(0, 0.75, 7)));
            assert_eq!((read.looks_real, read.made), (looks_real, None));
        }
        assert!(Sealed::decode(&bytes[..20]).is_err());
    }
}
