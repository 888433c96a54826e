//! `[[project.review.stages]]`: whom a label goes through before it is final.

use serde::Deserialize;

/// Most stages of review of a project.
const STAGES_MAX: usize = 8;

/// `[project.review]`: the steward's settings of one project. Without them a label is final when its
/// readers agree, or an expert has decided.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// In the order in which a label goes through them.
    pub stages: Vec<ReviewStage>,
}

/// A stage of review.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewStage {
    /// Who may review.
    pub role: ReviewerRole,
    /// Share of the labels that come here, chosen by a keyed hash of the item's name.
    #[serde(default = "all")]
    pub share: f64,
    /// Classes whose labels come here; those of every class where it is empty.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// The roles that may label, and so review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewerRole {
    /// Annotators, experts and leads.
    Annotator,
    /// Experts and leads.
    Expert,
    /// Leads.
    Lead,
}

/// Why stages of review cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Too many stages, or none.
    #[error("review has {got} stages, allowed are 1 to {STAGES_MAX}")]
    Stages {
        /// How many there are.
        got: usize,
    },
    /// A stage to which nothing comes, or a share that is none.
    #[error("stage {stage} of review has share = {got}, allowed is 0.001 to 1")]
    Share {
        /// The stage, from 1.
        stage: usize,
        /// Its share.
        got: f64,
    },
}

fn all() -> f64 {
    1.0
}

impl ReviewStage {
    /// [`ReviewStage::share`] in thousandths, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1 to 1000 first; NaN is refused"
    )]
    pub fn share_milli(&self) -> u16 {
        (self.share * 1000.0).round().clamp(1.0, 1000.0) as u16
    }
}

impl Review {
    pub(super) fn check(&self) -> Result<(), ReviewError> {
        let got = self.stages.len();
        if !(1..=STAGES_MAX).contains(&got) {
            return Err(ReviewError::Stages { got });
        }
        for (stage, &ReviewStage { share: got, .. }) in (1..).zip(&self.stages) {
            if !(1e-3..=1.0).contains(&got) {
                return Err(ReviewError::Share { stage, got });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Review, String> {
        let review: Review = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        review.check().map_err(|error| error.to_string())?;
        Ok(review)
    }

    #[test]
    fn a_stage_is_for_all_labels_unless_it_says_otherwise() {
        let review =
            read("[[stages]]\nrole = \"expert\"\n[[stages]]\nrole = \"lead\"\nshare = 0.25")
                .unwrap();
        let [first, second] = review.stages.as_slice() else { panic!("{review:?}") };
        assert_eq!((first.role, first.share_milli()), (ReviewerRole::Expert, 1000));
        assert!(first.classes.is_empty());
        assert_eq!((second.role, second.share_milli()), (ReviewerRole::Lead, 250));
    }

    #[test]
    fn stages_that_make_no_sense_are_refused() {
        let stage = "[[stages]]\nrole = \"expert\"\n";
        for (text, expected) in [
            ("stages = []".to_owned(), "review has 0 stages, allowed are 1 to 8"),
            (stage.repeat(9), "review has 9 stages, allowed are 1 to 8"),
            (
                format!("{stage}{stage}share = 0.0"),
                "stage 2 of review has share = 0, allowed is 0.001 to 1",
            ),
            (
                format!("{stage}share = nan"),
                "stage 1 of review has share = NaN, allowed is 0.001 to 1",
            ),
            (
                "[[stages]]\nrole = \"steward\"".to_owned(),
                "unknown variant `steward`, expected one of `annotator`, `expert`, `lead`",
            ),
        ] {
            assert_eq!(read(&text).unwrap_err(), expected, "{text}");
        }
    }
}
