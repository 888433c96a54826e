//! `[project.acceptance]`: what prelabels must earn before they are accepted without a person.

use serde::Deserialize;

use super::ConfigError;

/// Most errors that accepted items may be allowed.
const ERROR_MAX: f64 = 0.5;

/// The steward's settings of one project. A project without them accepts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acceptance {
    /// Accept what the project's own routing accepts, although nothing was audited.
    pub assume: bool,
    /// Largest share of errors among the items of a class that are accepted.
    pub error_max: f64,
    /// With at least this probability the share stays below, over the audited sample.
    pub confidence: f64,
    /// Share of the items that could be accepted that people read blind instead.
    pub audit_share: f64,
}

impl Acceptance {
    /// Most probability with which more errors than allowed may be accepted.
    pub fn failure_max(&self) -> f64 {
        1.0 - self.confidence
    }

    /// [`Acceptance::audit_share`] in thousandths, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1 to 1000 first; NaN is refused"
    )]
    pub fn audit_milli(&self) -> u16 {
        (self.audit_share * 1000.0).round().clamp(1.0, 1000.0) as u16
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, got, min, max) in [
            ("project.acceptance.error_max", self.error_max, 1e-4, ERROR_MAX),
            ("project.acceptance.confidence", self.confidence, 0.5, 1.0 - 1e-6),
            ("project.acceptance.audit_share", self.audit_share, 1e-3, 1.0),
        ] {
            if !(min..=max).contains(&got) {
                return Err(ConfigError::Range { key, got, min, max });
            }
        }
        Ok(())
    }
}

impl Default for Acceptance {
    fn default() -> Self {
        Self { assume: false, error_max: 0.01, confidence: 0.95, audit_share: 0.05 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_held_is_refused() {
        Acceptance::default().check().unwrap();
        for bad in [
            Acceptance { error_max: 0.0, ..Acceptance::default() },
            Acceptance { error_max: f64::NAN, ..Acceptance::default() },
            Acceptance { confidence: 1.0, ..Acceptance::default() },
            Acceptance { audit_share: 0.0, ..Acceptance::default() },
        ] {
            assert!(matches!(bad.check(), Err(ConfigError::Range { .. })), "{bad:?}");
        }
        assert_eq!(Acceptance::default().audit_milli(), 50);
    }
}
