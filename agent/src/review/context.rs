//! What applications and imports said unasked, as it is kept until its item has a draft and after, and
//! where and when that was.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::label::Label;
use crate::prelabel::NO_CLASS;
use crate::store::labels::AnnotationRow;
use crate::store::{StoreError, Tx};

const CORRUPT: StoreError = StoreError::Corrupt { table: "corrections", column: "body" };

/// Most annotations of an item of which a card says where and when they were made: the newest.
const SHOWN_MAX: usize = 4;

/// Where and when a user said something: coarse, and kept at the site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circumstances {
    /// Such as a part of the day or a shift.
    #[serde(default)]
    pub time: Option<String>,
    /// Such as a ward, or a cell of a coarse grid.
    #[serde(default)]
    pub place: Option<String>,
    /// Such as how a device was set up.
    #[serde(default)]
    pub sensor: Option<String>,
}

/// What is sealed in a correction's row.
pub(crate) struct Unasked {
    /// What was said.
    pub(crate) label: Label,
    /// When, Unix seconds.
    pub(crate) at: i64,
    /// How long it took.
    pub(crate) seconds: f32,
    /// Where and when, as far as that was told.
    pub(crate) context: Circumstances,
}

/// The bytes of a body whose label is one class. One of another kind follows, with [`NO_CLASS`]
/// where the class would be.
#[derive(Serialize, Deserialize)]
struct BodyRow {
    class: u16,
    at: i64,
    seconds: f32,
    context: Circumstances,
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
}

/// Where and when each correction of an item was made, by who sent it and its name; of those of which
/// that was said.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn circumstances(
    tx: &Tx<'_>,
    item: i64,
) -> Result<HashMap<(i64, String), Circumstances>, StoreError> {
    let mut all = HashMap::new();
    for correction in tx.corrections_of(item)? {
        let said = Unasked::decode(&correction.body)?.context;
        if said != Circumstances::default() {
            all.insert((correction.person, correction.key), said);
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
) -> Result<Vec<Circumstances>, StoreError> {
    let mut told = circumstances(tx, item)?;
    let told = annotations.iter().filter_map(|said| told.remove(&(said.person, said.key.clone())));
    let mut told: Vec<Circumstances> = told.collect();
    told.drain(..told.len().saturating_sub(SHOWN_MAX));
    Ok(told)
}

impl Circumstances {
    /// What was told, each part with its title for people.
    pub(super) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let parts = [
            ("Time of the correction", &self.time),
            ("Place of the correction", &self.place),
            ("Sensor at the correction", &self.sensor),
        ];
        parts.into_iter().filter_map(|(title, part)| Some((title, part.as_deref()?)))
    }
}
