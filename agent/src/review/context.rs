//! What applications and imports said unasked, as it is kept until its item has a draft and after, and
//! where and when that was: as an application told it, and redacted.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::item::{Dirty, beside_of};
use crate::label::Label;
use crate::prelabel::NO_CLASS;
use crate::store::corrections::{CorrectionRow, Redaction};
use crate::store::items::ItemRow;
use crate::store::labels::AnnotationRow;
use crate::store::{StoreError, Tx};

const CORRUPT: StoreError = StoreError::Corrupt { table: "corrections", column: "body" };

/// Most annotations of an item of which a card says where and when they were made: the newest.
const SHOWN_MAX: usize = 4;

/// The parts of a context.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Such as a part of the day or a shift.
    #[serde(default)]
    time: Option<String>,
    /// Such as a ward, or a cell of a coarse grid.
    #[serde(default)]
    place: Option<String>,
    /// Such as how a device was set up.
    #[serde(default)]
    sensor: Option<String>,
}

/// Where and when a user said something, as an application told it: in `time`, `place` and `sensor`,
/// each of which may be absent. Not redacted: it goes into the store and nowhere else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawContext(Parts);

/// Where and when a user said something, redacted.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CleanContext(Parts);

/// What people may know of where and when something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// This.
    Told(CleanContext),
    /// Nothing yet: it waits to be redacted.
    Waiting,
    /// Nothing: it could not be redacted.
    Withheld,
}

impl std::fmt::Debug for RawContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawContext(..)")
    }
}

impl std::fmt::Debug for CleanContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CleanContext(..)")
    }
}

impl RawContext {
    /// The longest part, code points.
    pub(crate) fn chars(&self) -> usize {
        let Parts { time, place, sensor } = &self.0;
        let parts = [time, place, sensor].into_iter().flatten();
        parts.map(|part| part.chars().count()).max().unwrap_or(0)
    }

    /// How it is stored: what says nothing is clean.
    pub(crate) fn redaction(&self) -> Redaction {
        if *self == Self::default() { Redaction::Clean } else { Redaction::Raw }
    }
}

impl CleanContext {
    /// The one maker: redacts each part as a text field of the item, named `context.time`,
    /// `context.place` and `context.sensor`. A part for which there is nothing is left out.
    ///
    /// # Errors
    /// What `redact` says of a part: nothing of the context must then be shown to anybody.
    /// [`StoreError::Corrupt`] when the item's content does not decode.
    pub(crate) fn redact<E: From<StoreError>>(
        raw: RawContext,
        item: &ItemRow,
        mut redact: impl FnMut(Dirty<'_>, &str) -> Result<Option<String>, E>,
    ) -> Result<Self, E> {
        let beside = beside_of(item)?;
        let mut clean = |field: &str, part: Option<String>| {
            let dirty = Dirty { field, is_text: true, beside: &beside };
            part.map_or(Ok(None), |part| redact(dirty, &part))
        };
        let RawContext(Parts { time, place, sensor }) = raw;
        Ok(Self(Parts {
            time: clean("context.time", time)?,
            place: clean("context.place", place)?,
            sensor: clean("context.sensor", sensor)?,
        }))
    }

    /// What was told, each part with its title for people.
    fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Parts { time, place, sensor } = &self.0;
        let parts = [
            ("Time of the correction", time),
            ("Place of the correction", place),
            ("Sensor at the correction", sensor),
        ];
        parts.into_iter().filter_map(|(title, part)| Some((title, part.as_deref()?)))
    }
}

impl Context {
    /// What people may know of the context of a correction; `None` where nothing was told.
    fn of(row: &CorrectionRow) -> Result<Option<Self>, StoreError> {
        let context = match row.context {
            Redaction::Withheld => Self::Withheld,
            Redaction::Raw => Self::Waiting,
            Redaction::Clean => {
                let RawContext(clean) = Unasked::decode(&row.body)?.context;
                Self::Told(CleanContext(clean))
            }
        };
        Ok(Some(context).filter(|context| *context != Self::Told(CleanContext(Parts::default()))))
    }

    /// What a card says of it, each part with its title.
    pub(super) fn shown(&self) -> Vec<(&'static str, &str)> {
        const TITLE: &str = "Context of the correction";
        match self {
            Self::Told(context) => context.told().collect(),
            Self::Waiting => vec![(TITLE, "not shown yet: it waits to be redacted")],
            Self::Withheld => vec![(TITLE, "not shown: it could not be redacted")],
        }
    }

    /// The same in a record of who said what.
    pub(crate) fn recorded(&self) -> serde_json::Value {
        match self {
            Self::Told(context) => serde_json::json!(context),
            Self::Waiting => "waits to be redacted".into(),
            Self::Withheld => "could not be redacted".into(),
        }
    }
}

/// What is sealed in a correction's row.
pub(crate) struct Unasked {
    /// What was said.
    pub(crate) label: Label,
    /// When, Unix seconds.
    pub(crate) at: i64,
    /// How long it took.
    pub(crate) seconds: f32,
    /// Where and when, as far as that was told. Whether it is redacted, the row says: nobody is shown it
    /// but through [`Context`].
    pub(crate) context: RawContext,
}

/// The bytes of a body whose label is one class. One of another kind follows, with [`NO_CLASS`]
/// where the class would be.
#[derive(Serialize, Deserialize)]
struct BodyRow {
    class: u16,
    at: i64,
    seconds: f32,
    context: RawContext,
}

impl Unasked {
    /// The bytes that are stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let Self { label, at, seconds, context } = self;
        let class = label.class().unwrap_or(NO_CLASS);
        let row = BodyRow { class, at: *at, seconds: *seconds, context: context.clone() };
        let mut bytes = postcard::to_allocvec(&row).map_err(|_| CORRUPT)?;
        if label.class().is_none() {
            bytes.extend(postcard::to_allocvec(label).map_err(|_| CORRUPT)?);
        }
        Ok(bytes)
    }

    /// Reads what [`Unasked::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (row, rest): (BodyRow, _) = postcard::take_from_bytes(bytes).map_err(|_| CORRUPT)?;
        let BodyRow { class, at, seconds, context } = row;
        let label = match class {
            NO_CLASS => postcard::from_bytes(rest).map_err(|_| CORRUPT)?,
            class => Label::Class(class),
        };
        Ok(Self { label, at, seconds, context })
    }

    /// The same with its context redacted.
    pub(crate) fn cleaned(self, CleanContext(context): CleanContext) -> Self {
        Self { context: RawContext(context), ..self }
    }
}

/// Where and when each correction of an item was made, by who sent it and its name; of those of which
/// that was said.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn contexts(
    tx: &Tx<'_>,
    item: i64,
) -> Result<HashMap<(i64, String), Context>, StoreError> {
    let mut all = HashMap::new();
    for correction in tx.corrections_of(item)? {
        if let Some(context) = Context::of(&correction)? {
            all.insert((correction.person, correction.key), context);
        }
    }
    Ok(all)
}

/// Where and when the newest of an item's annotations were made, oldest first, as far as that was told.
///
/// # Errors
/// [`StoreError`].
pub(super) fn of_annotations(
    tx: &Tx<'_>,
    item: i64,
    annotations: &[AnnotationRow],
) -> Result<Vec<Context>, StoreError> {
    let mut told = contexts(tx, item)?;
    let told = annotations.iter().filter_map(|said| told.remove(&(said.person, said.key.clone())));
    let mut told: Vec<Context> = told.collect();
    told.drain(..told.len().saturating_sub(SHOWN_MAX));
    Ok(told)
}
