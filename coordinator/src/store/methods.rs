//! How a run turns updates into steps.

use insitu_models::optimiser::Optimiser;
use insitu_models::robust::Rule;
use insitu_privacy::SquaredSensitivity;
use insitu_privacy::clip::{ClipError, ClipShape};
use insitu_protocol::ids::RunId;
use insitu_protocol::project::Training;
use rusqlite::{Row, params};

use super::row::{word, word_or_null};
use super::{StoreError, Tx};

/// What a run asks of its sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// In each round the gradient at its head.
    #[default]
    Gradient,
    /// In its one round the features' sums by class ([`insitu_models::class_means`]).
    ClassMeans,
}

impl Mechanism {
    /// The mechanism on the command line, in the store and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::ClassMeans => "class-means",
        }
    }

    /// The mechanism of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Gradient, Self::ClassMeans].into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// How a run turns updates into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Method {
    /// What its rounds ask for.
    pub mechanism: Mechanism,
    /// What moves the head, instead of steps with the project's momentum.
    pub optimiser: Option<Optimiser>,
    /// How far a step goes, instead of the project's learning rate.
    pub learning_rate: Option<f64>,
    /// What updates come to.
    pub aggregation: Rule,
    /// Whether sites round what they have noised to one byte a coordinate.
    pub coarse: bool,
    /// Longest update that counts, L2, in thousandths of the gradient's unit, noise aside.
    pub norm_max_milli: Option<u64>,
    /// Steps from buffers instead of rounds.
    pub buffering: Option<Buffering>,
    /// How subjects' parts are clipped, instead of as the project says.
    pub clipping: Option<Clipping>,
    /// What else was chosen for the run, when its schedule was.
    pub tuned: Option<Tuned>,
}

/// How a subject's part in an update is clipped, and on what grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clipping {
    /// L2 norm, in thousandths.
    pub clip_milli: u32,
    /// Bits after the point of a released coordinate.
    pub fraction_bits: u8,
}

/// A schedule that was chosen for a run by its budget and a count of subjects
/// ([`insitu_models::schedule`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// Last rounds whose iterates are averaged.
    pub averaged: u32,
    /// τ of adaptive optimisers, in the unit of the mean over the sites.
    pub floor: Option<f64>,
    /// Subjects for which it was chosen: public, or noised.
    pub subjects: f64,
}

/// Steps that do not wait for every site (Nguyen et al., *Federated learning with buffered
/// asynchronous aggregation*, AISTATS 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// Updates of a step, K.
    pub size: u32,
    /// Most steps since the one at whose head an update was computed.
    pub staleness_max: u32,
}

impl Clipping {
    /// D² of an update, however many coordinates it has.
    ///
    /// # Errors
    /// [`ClipError`] for a clipping that no round may have.
    pub fn sensitivity(self) -> Result<SquaredSensitivity, ClipError> {
        let norm = f64::from(self.clip_milli) / 1000.0;
        Ok(ClipShape::new(1, norm, self.fraction_bits.into())?.sensitivity())
    }
}

impl Method {
    /// How a run of a project with this plan clips.
    pub fn clipping(&self, training: &Training) -> Clipping {
        let Training { clip_milli, fraction_bits, .. } = *training;
        self.clipping.unwrap_or(Clipping { clip_milli, fraction_bits })
    }

    /// Why sites cannot add their updates up masked, if they cannot.
    pub fn needs_each_update(&self) -> Option<&'static str> {
        if self.buffering.is_some() {
            return Some("updates count as they come");
        }
        if self.aggregation != Rule::Mean {
            return Some("its aggregation looks at each update");
        }
        self.norm_max_milli.map(|_| "the norm of each update is looked at")
    }
}

impl Tx<'_> {
    /// Records how a new run turns updates into steps.
    pub(super) fn set_method(&self, run: RunId, method: &Method) -> Result<(), StoreError> {
        let sql = "UPDATE run SET optimiser = $2, aggregation = $3, coarse = $4, \
                   norm_max_milli = $5, buffer = $6, staleness_max = $7, learning_rate = $8, \
                   clip_milli = $9, fraction_bits = $10, averaged = $11, floor = $12, \
                   subjects = $13, mechanism = $14 WHERE id = $1";
        let Method { optimiser, learning_rate, aggregation, coarse, norm_max_milli, .. } = *method;
        let (buffering, clipping, tuned) = (method.buffering, method.clipping, method.tuned);
        self.execute(
            sql,
            params![
                run.0,
                optimiser.map(|optimiser| optimiser.to_string()),
                aggregation.to_string(),
                i64::from(coarse),
                norm_max_milli,
                buffering.map(|buffering| buffering.size),
                buffering.map(|buffering| buffering.staleness_max),
                learning_rate,
                clipping.map(|clipping| clipping.clip_milli),
                clipping.map(|clipping| clipping.fraction_bits),
                tuned.map(|tuned| tuned.averaged),
                tuned.and_then(|tuned| tuned.floor),
                tuned.map(|tuned| tuned.subjects),
                method.mechanism.name()
            ],
        )
        .map(drop)
    }
}

/// The columns of [`method`], in its order.
pub(super) const METHOD_COLUMNS: &str = "optimiser, aggregation, coarse, norm_max_milli, buffer, \
                                         staleness_max, learning_rate, clip_milli, \
                                         fraction_bits, averaged, floor, subjects, \
                                         mechanism";

/// Reads [`METHOD_COLUMNS`], of which the first is column `first`.
pub(super) fn method(row: &Row<'_>, first: usize) -> rusqlite::Result<Method> {
    let size: Option<u32> = row.get(first + 4)?;
    let staleness_max: Option<u32> = row.get(first + 5)?;
    let clip_milli: Option<u32> = row.get(first + 7)?;
    let fraction_bits: Option<u8> = row.get(first + 8)?;
    let averaged: Option<u32> = row.get(first + 9)?;
    let floor = row.get(first + 10)?;
    let subjects: Option<f64> = row.get(first + 11)?;
    Ok(Method {
        mechanism: word(row, first + 12, Mechanism::from_name)?,
        optimiser: word_or_null(row, first, |word| word.parse().ok())?,
        learning_rate: row.get(first + 6)?,
        aggregation: word(row, first + 1, |word| word.parse().ok())?,
        coarse: row.get::<_, i64>(first + 2)? != 0,
        norm_max_milli: row.get(first + 3)?,
        buffering: size
            .zip(staleness_max)
            .map(|(size, staleness_max)| Buffering { size, staleness_max }),
        clipping: clip_milli
            .zip(fraction_bits)
            .map(|(clip_milli, fraction_bits)| Clipping { clip_milli, fraction_bits }),
        tuned: averaged.zip(subjects).map(|(averaged, subjects)| Tuned {
            averaged,
            floor,
            subjects,
        }),
    })
}
