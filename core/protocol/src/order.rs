//! What the coordinator tells a site: a durable, numbered list that the agent polls.
//!
//! Applying an order is idempotent, and every order is a proposal: the site's policy decides.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::ids::{CampaignId, Digest, EvaluationId, FunctionsName, ProjectName, RunId, Signature};
use crate::project::Project;
use crate::session::SessionOrder;
use crate::text::Line;

/// Most orders in one answer.
pub const ORDERS_MAX: usize = 16;
/// Longest answer with orders, in bytes. One order alone always fits: the longest compares two heads in
/// a session of 255 sites, which takes less than 128 KiB beside them.
pub const ORDERS_BYTES_MAX: usize = EVALUATION_HEADS_BYTES_MAX + 128 * 1024;
/// Longest answer with more than one order, in bytes.
pub const SEVERAL_ORDERS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest head in a round's order, in bytes.
pub const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// Longest heads of an evaluation, both together, in bytes: what can be trained can be evaluated.
pub const EVALUATION_HEADS_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;
/// Longest calibration of an evaluated head, in bytes.
pub const CALIBRATION_BYTES_MAX: usize = 16 * 1024;
/// Longest bundle manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// Longest set of labeling functions, in bytes.
pub const FUNCTIONS_BYTES_MAX: u64 = 1024 * 1024;
/// Longest manifest of one, in bytes.
pub const FUNCTIONS_MANIFEST_BYTES_MAX: usize = 256;
/// Most clauses of a selector.
pub const CLAUSES_MAX: usize = 3;

/// An order and its place in the site's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberedOrder {
    /// Ascends by time, with gaps.
    pub number: u64,
    /// The order.
    pub order: Order,
}

impl Eq for NumberedOrder {}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Set a project up, or bring it to a new version; a plain one.
    Project(#[serde(with = "crate::project::plain")] Project),
    /// Use a model bundle for a project.
    Bundle(BundleOrder),
    /// Contribute to a training round.
    Round(RoundOrder),
    /// Label the items that a selector matches, and say how far it got.
    Campaign(CampaignOrder),
    /// Add something over sites, so that only the sum is seen.
    Session(SessionOrder),
    /// Contribute to a training round with an update of one byte a coordinate.
    CoarseRound(RoundOrder),
    /// Let the site's steward decide about a set of labeling functions.
    Functions(FunctionsOrder),
    /// Compare two heads on what is held out of training.
    Evaluation(EvaluationOrder),
    /// Set a project up, or bring it to a new version; a uniform one that is not plain.
    TaskProject(#[serde(with = "crate::project::uniform")] Project),
    /// Fetch and verify a bundle that is to be evaluated, and do not put it to use.
    Candidate(BundleOrder),
    /// Set a project up, or bring it to a new version; one whose classes have thresholds.
    ThresholdProject(Project),
}

impl Order {
    /// The order to set `project` up, such that as many agents as can be understand it.
    pub fn to_set_up(project: Project) -> Self {
        if project.is_plain() {
            Self::Project(project)
        } else if project.is_uniform() {
            Self::TaskProject(project)
        } else {
            Self::ThresholdProject(project)
        }
    }
}

/// A signed bundle to fetch, verify and use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleOrder {
    /// The project it serves.
    pub project: ProjectName,
    /// The bundle's manifest, exactly the signed bytes; names every object by digest.
    pub manifest: Bytes,
    /// Signature over the manifest by the federation's bundle key.
    pub signature: Signature,
}

/// A signed set of labeling functions to fetch and verify. It votes on nothing before the steward
/// approves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionsOrder {
    /// An encoded [`FunctionsManifest`], exactly the signed bytes.
    pub manifest: Bytes,
    /// Signature over the manifest by the federation's bundle key.
    pub signature: Signature,
}

/// What a set of labeling functions is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionsManifest {
    /// The project whose items it may vote on.
    pub project: ProjectName,
    /// Its name, which its next version has, too.
    pub name: FunctionsName,
    /// BLAKE3 of the set's text (TOML).
    pub object: Digest,
    /// Bytes of the text.
    pub bytes: u64,
}

/// Why bytes are no manifest of a set of labeling functions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionsError {
    /// They do not decode to one manifest and nothing else.
    #[error("the manifest of {got_bytes} bytes is malformed")]
    Malformed {
        /// Bytes given.
        got_bytes: usize,
    },
    /// A set over its limit, or empty.
    #[error("the set has {got_bytes} bytes where 1 to {FUNCTIONS_BYTES_MAX} are allowed")]
    Size {
        /// Bytes of the set.
        got_bytes: u64,
    },
}

impl FunctionsManifest {
    /// The bytes to sign.
    ///
    /// # Panics
    /// Never: names and numbers always encode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("names and numbers encode")
    }

    /// Reads what [`FunctionsManifest::encode`] wrote.
    ///
    /// # Errors
    /// [`FunctionsError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FunctionsError> {
        let malformed = FunctionsError::Malformed { got_bytes: bytes.len() };
        if bytes.len() > FUNCTIONS_MANIFEST_BYTES_MAX {
            return Err(malformed);
        }
        match postcard::take_from_bytes::<Self>(bytes) {
            Ok((manifest, [])) if (1..=FUNCTIONS_BYTES_MAX).contains(&manifest.bytes) => {
                Ok(manifest)
            }
            Ok((manifest, [])) => Err(FunctionsError::Size { got_bytes: manifest.bytes }),
            Ok(_) | Err(_) => Err(malformed),
        }
    }
}

/// One step of federated gradient descent on a head; or, without one, the sums of which a head is
/// made at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundOrder {
    /// The run the round belongs to.
    pub run: RunId,
    /// 1 for the first.
    pub round: u32,
    /// Rounds of the run.
    pub rounds: u32,
    /// The project whose corrections are learned from.
    pub project: ProjectName,
    /// The backbone under the head: must be one the site's steward approved.
    pub backbone: Digest,
    /// The head at which to take the gradient, `f32` little-endian, in the order of its kind; the
    /// kind is that of the bundle in use, and row-major `[classes, features]` for one linear layer.
    /// Empty where no gradient is asked for: each subject's part is then the features of its items,
    /// added up by class, row-major `[classes, features]`. An agent that knows of no such rounds
    /// declines them, since it finds an update without coordinates.
    pub head: Bytes,
    /// Classes of the head.
    pub classes: u16,
    /// Features that the head takes.
    pub features: u32,
    /// L2 norm to which each subject's part is clipped, in thousandths.
    pub clip_milli: u32,
    /// Fixed-point fraction bits of a released coordinate.
    pub fraction_bits: u8,
    /// What the round costs, nano-ρ. The agent derives the noise from it, never the reverse.
    pub nano_rho: u64,
    /// The round closes at this time, Unix seconds.
    pub closes_unix_s: i64,
}

impl RoundOrder {
    /// Weights of the head, and so coordinates of the answer, whatever the head's kind. Without a
    /// head `classes · features`, and 0 when a head of so many could not be ordered.
    #[must_use]
    pub fn parameters(&self) -> usize {
        if !self.asks_for_class_sums() {
            return self.head.0.len() / size_of::<f32>();
        }
        let features = usize::try_from(self.features).unwrap_or(usize::MAX);
        let parameters = usize::from(self.classes).saturating_mul(features);
        if parameters > HEAD_BYTES_MAX / size_of::<f32>() { 0 } else { parameters }
    }

    /// Whether it asks for sums of features by class instead of a gradient.
    #[must_use]
    pub fn asks_for_class_sums(&self) -> bool {
        self.head.0.is_empty()
    }
}

/// Two heads to be compared on the items that a site holds out of training: over one backbone, or the
/// candidate's over its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationOrder {
    /// The evaluation.
    pub evaluation: EvaluationId,
    /// The project whose corrections are the truth.
    pub project: ProjectName,
    /// Its version: fixes the shape of the answer.
    pub project_version: u32,
    /// The backbone in use, under every head that is in the order: must be one the site's steward
    /// approved, and so must the candidate's own.
    pub backbone: Digest,
    /// Features that it gives.
    pub features: u32,
    /// What is in use.
    pub current: Contender,
    /// What may take its place.
    pub candidate: Contender,
    /// What the answer costs, nano-ρ.
    pub nano_rho: u64,
    /// Sites answer until this time, Unix seconds.
    pub closes_unix_s: i64,
}

/// A head in an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contender {
    /// The bundle that it is of.
    pub bundle: Digest,
    /// The head, `f32` little-endian, as in a round. Empty of a candidate that has a backbone of its
    /// own: an [`Order::Candidate`] of before brought its bundle, which is judged as it is. An agent
    /// that knows of no such evaluations declines them, since it finds a head without weights.
    pub head: Bytes,
    /// From its probabilities to a confidence: JSON, as in the bundle's manifest. Empty with the head.
    pub calibration: Bytes,
}

impl Contender {
    /// Whether it is a whole bundle, backbone and all, instead of a head over the backbone in use.
    #[must_use]
    pub fn is_bundle(&self) -> bool {
        self.head.0.is_empty()
    }
}

/// In the answer to an evaluation, the table of who was right counts in steps of this; the others
/// count in ones. It is read the most, and so has the least noise.
pub const EVALUATION_STEP: u8 = 2;

/// Where the parts of the answer to an evaluation begin. Row-major, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationShape {
    /// Classes of the project.
    pub classes: usize,
    /// Bins of the confidence.
    pub bins: usize,
}

impl EvaluationShape {
    /// That of a project.
    pub fn of(project: &Project) -> Self {
        let bins = usize::from(project.statistics.calibration_bins);
        Self { classes: project.classes.len(), bins }
    }

    /// Items by who was right, in steps of [`EVALUATION_STEP`]: both, the head in use alone, the
    /// candidate alone, neither.
    pub fn right(&self) -> Range<usize> {
        0..4
    }

    /// Items by prelabel and label of record, `[classes, classes]`, of contender 0 or 1.
    pub fn confusion(&self, contender: usize) -> Range<usize> {
        let start = self.right().end + contender * self.classes * self.classes;
        start..start + self.classes * self.classes
    }

    /// Items by confidence bin and whether the prelabel was right, `[bins, 2]`, of contender 0 or 1.
    pub fn calibration(&self, contender: usize) -> Range<usize> {
        let start = self.confusion(1).end + contender * 2 * self.bins;
        start..start + 2 * self.bins
    }

    /// All values.
    pub fn values(&self) -> usize {
        self.calibration(1).end
    }
}

/// A targeted request for labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignOrder {
    /// The campaign.
    pub campaign: CampaignId,
    /// The project.
    pub project: ProjectName,
    /// For people at the site.
    pub title: Line,
    /// Which items.
    pub selector: Selector,
    /// Most items to queue at one site.
    pub items_max: u32,
    /// What the progress report costs, nano-ρ.
    pub nano_rho: u64,
    /// When every site answers with noised progress, whether or not it matched; Unix seconds.
    pub answers_unix_s: i64,
}

/// A conjunction over coarse metadata. It cannot name an item, a subject or a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Clause>", into = "Vec<Clause>")]
pub struct Selector(Vec<Clause>);

/// One condition on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// The project's feature number `feature` falls into one of the bins whose bit is set.
    Feature {
        /// Position in [`Project::features`].
        feature: u16,
        /// Bit `b` stands for bin `b`.
        bins: u64,
    },
    /// The prelabel is this class.
    Prelabel {
        /// Position in [`Project::classes`].
        class: u16,
    },
    /// The calibrated confidence of the prelabel is below this many thousandths.
    ConfidenceBelow {
        /// Thousandths.
        milli: u16,
    },
}

/// Why a selector is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// None, or too many clauses.
    #[error("a selector has 1 to {CLAUSES_MAX} clauses, not {got}")]
    Clauses {
        /// Clauses found.
        got: usize,
    },
    /// A feature, bin or class that the project does not have.
    #[error("clause number {clause} names a feature, bin or class that the project does not have")]
    Unknown {
        /// Position, from 1.
        clause: usize,
    },
}

impl Selector {
    /// Makes a selector.
    ///
    /// # Errors
    /// [`SelectorError::Clauses`].
    pub fn new(clauses: Vec<Clause>) -> Result<Self, SelectorError> {
        if clauses.is_empty() || clauses.len() > CLAUSES_MAX {
            return Err(SelectorError::Clauses { got: clauses.len() });
        }
        Ok(Self(clauses))
    }

    /// The clauses; an item matches when all of them hold.
    pub fn clauses(&self) -> &[Clause] {
        &self.0
    }

    /// Checks that the selector makes sense for `project`.
    ///
    /// # Errors
    /// [`SelectorError::Unknown`].
    pub fn check(&self, project: &Project) -> Result<(), SelectorError> {
        let known = |clause: &Clause| match *clause {
            Clause::Feature { feature, bins } => {
                project.features.get(usize::from(feature)).is_some_and(|feature| {
                    bins != 0 && bins.leading_zeros() as usize + feature.bin_count() >= 64
                })
            }
            Clause::Prelabel { class } => project.class(class).is_some(),
            Clause::ConfidenceBelow { milli } => milli <= 1000,
        };
        match self.0.iter().position(|clause| !known(clause)) {
            Some(index) => Err(SelectorError::Unknown { clause: index + 1 }),
            None => Ok(()),
        }
    }

    /// Whether an item matches: `bins` holds its bin of each feature, in the project's order. One
    /// without a prelabel, or whose prelabel is not one class, matches no clause about that.
    pub fn matches(
        &self,
        bins: &[usize],
        prelabel: Option<u16>,
        confidence_milli: Option<u16>,
    ) -> bool {
        self.0.iter().all(|clause| match *clause {
            Clause::Feature { feature, bins: mask } => {
                bins.get(usize::from(feature)).is_some_and(|bin| {
                    mask.checked_shr(u32::try_from(*bin).unwrap_or(64)).unwrap_or(0) & 1 == 1
                })
            }
            Clause::Prelabel { class } => prelabel == Some(class),
            Clause::ConfidenceBelow { milli } => confidence_milli.is_some_and(|is| is < milli),
        })
    }
}

impl TryFrom<Vec<Clause>> for Selector {
    type Error = SelectorError;

    fn try_from(clauses: Vec<Clause>) -> Result<Self, SelectorError> {
        Self::new(clauses)
    }
}

impl From<Selector> for Vec<Clause> {
    fn from(selector: Selector) -> Self {
        selector.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_must_hold() {
        let selector = Selector::new(vec![
            Clause::Feature { feature: 1, bins: 0b101 },
            Clause::ConfidenceBelow { milli: 900 },
        ])
        .unwrap();
        assert!(selector.matches(&[7, 0], Some(0), Some(899)));
        assert!(selector.matches(&[7, 2], Some(0), Some(0)));
        assert!(!selector.matches(&[7, 1], Some(0), Some(0)));
        assert!(!selector.matches(&[7, 0], Some(0), Some(900)));
        assert!(!selector.matches(&[7], Some(0), Some(0)));
        assert!(!selector.matches(&[7, 64], Some(0), Some(0)));
        assert!(!selector.matches(&[7, 0], None, None));
        let selector = Selector::new(vec![Clause::Feature { feature: 1, bins: 0b101 }]).unwrap();
        assert!(selector.matches(&[7, 0], None, None));
        let selector = Selector::new(vec![Clause::Prelabel { class: 0 }]).unwrap();
        assert!(selector.matches(&[], Some(0), None) && !selector.matches(&[], None, Some(0)));
    }

    #[test]
    fn a_manifest_of_functions_is_bounded() {
        let manifest = FunctionsManifest {
            project: "p".repeat(63).parse().unwrap(),
            name: "n".repeat(63).parse().unwrap(),
            object: crate::bytes::Fixed([7; 32]),
            bytes: FUNCTIONS_BYTES_MAX,
        };
        let bytes = manifest.encode();
        assert!(bytes.len() <= FUNCTIONS_MANIFEST_BYTES_MAX);
        assert_eq!(FunctionsManifest::decode(&bytes), Ok(manifest.clone()));
        let malformed = |bytes: &[u8]| {
            assert_eq!(
                FunctionsManifest::decode(bytes),
                Err(FunctionsError::Malformed { got_bytes: bytes.len() })
            );
        };
        malformed(&[&bytes[..], &[0]].concat());
        malformed(&bytes[..40]);
        malformed(&[0; 300]);
        for got_bytes in [0, FUNCTIONS_BYTES_MAX + 1] {
            let other = FunctionsManifest { bytes: got_bytes, ..manifest.clone() };
            let refused = FunctionsManifest::decode(&other.encode());
            assert_eq!(refused, Err(FunctionsError::Size { got_bytes }));
        }
    }

    #[test]
    fn a_selector_has_few_clauses_even_on_the_wire() {
        assert_eq!(Selector::new(vec![]), Err(SelectorError::Clauses { got: 0 }));
        let bytes = postcard::to_allocvec(&vec![Clause::Prelabel { class: 0 }; 4]).unwrap();
        assert!(postcard::from_bytes::<Selector>(&bytes).is_err());
    }
}
