//! What to hide, how to replace it, and what is known about an item beforehand.

use super::kind::{Kind, KindSet};

/// What happens to ages and bare years, which tell less than a full date of birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coarse {
    /// Ages up to 89 and years stay: HIPAA Safe Harbor (45 CFR 164.514(b)(2)(i)(C)).
    SafeHarbor,
    /// As `SafeHarbor` in English phrases; hidden in German and Spanish ones, where the rule of
    /// the United States does not apply.
    Local,
    /// All are hidden.
    Hidden,
}

/// What a site hides.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Kinds that are looked for.
    pub kinds: KindSet,
    /// Lowest score of a reported span, in `[0, 1]`.
    pub min_score: f32,
    /// Which ages and years are hidden.
    pub coarse: Coarse,
    /// Whether running text is read by the statistical tagger too, not only by rules.
    pub tagger: bool,
}

impl Default for Profile {
    /// Everything, at an even chance or better.
    fn default() -> Self {
        Self { kinds: KindSet::ALL, min_score: 0.5, coarse: Coarse::Local, tagger: true }
    }
}

impl Profile {
    /// The eighteen identifiers of Safe Harbor, with its rules on ages and years.
    pub fn safe_harbor() -> Self {
        Self { coarse: Coarse::SafeHarbor, ..Self::default() }
    }

    /// Everything, with every age and year.
    pub fn strict() -> Self {
        Self { coarse: Coarse::Hidden, ..Self::default() }
    }

    /// Whether spans of `kind` are reported.
    pub(super) fn hides(&self, kind: Kind) -> bool {
        self.kinds.contains(kind)
    }
}

/// What replaces a span.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// The kind: `[NAME]`. Masking what is masked changes nothing.
    Mask,
    /// The kind and a keyed hash: `[NAME:5f0c…]`. Equal text of a kind has an equal hash at a site,
    /// and nobody without the site's key can compute or compare it.
    Hash(&'a SiteKey),
    /// Nothing: the text stays, the spans are reported.
    None,
}

/// A site's secret for hashes.
pub struct SiteKey([u8; 32]);

impl SiteKey {
    /// Wraps 32 bytes that were drawn at random and are kept with the site's secrets.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SiteKey(..)")
    }
}

/// What the structured fields beside a text say about the people in it.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Names of the subject and others: each is hidden wherever it stands, in whole and by its
    /// parts of three letters or more, in any letter case.
    pub names: Vec<String>,
    /// Record numbers and the like: hidden wherever they stand.
    pub identifiers: Vec<String>,
}
