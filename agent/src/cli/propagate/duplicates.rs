//! Drafts from equal and nearly equal items: texts, pictures, a project's own.

use std::collections::{BTreeMap, HashMap};

use insitu_measure::InvalidInput;
use insitu_measure::propagation::{hamming, near_duplicates, near_images, similarity};

use super::arguments::PropagateArguments;
use super::source::{Items, Source};
use super::{Claim, Finding, LISTED_MAX, Origin};
use crate::cli::columns::{Fault, InputError};
use crate::cli::sample::duplicates::{TEXTS_MAX, signatures};

/// Most comparisons of a text with a labeled one that is in its group (about half a minute).
const COMPARISONS_MAX: usize = 1 << 30;

/// Bits of a picture's fingerprint, and most in which near ones may differ.
const BITS: f64 = 64.0;
const BITS_MAX: f64 = 15.0;

/// A text that occurs, with the items that have it and the labels among them.
struct Text<'a> {
    value: &'a str,
    rows: Vec<usize>,
    labels: BTreeMap<u32, Support>,
}

/// Which items stand for a label.
#[derive(Clone, Debug)]
struct Support {
    similarity: f64,
    equal: bool,
    items: usize,
    /// At most [`LISTED_MAX`], the closest first.
    rows: Vec<usize>,
}

/// Drafts and conflicts in the order of the file.
///
/// # Errors
/// [`InputError`] without a column `text` of a file, or above a limit.
pub(super) fn find(
    items: &Items<'_>,
    arguments: &PropagateArguments,
) -> Result<Vec<Finding>, InputError> {
    let texts = texts(items)?;
    let mut found = Vec::new();
    for (text, near) in texts.iter().zip(near(items, &texts, arguments)?) {
        let support = support(text, &texts, &near);
        for &row in &text.rows {
            found.extend(finding(items, row, &support).map(|finding| (row, finding)));
        }
    }
    found.sort_by_key(|(row, _)| *row);
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

fn texts<'a>(items: &'a Items<'_>) -> Result<Vec<Text<'a>>, InputError> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<Text<'a>> = Vec::new();
    for ((row, label), value) in items.labels.iter().enumerate().zip(items.source.values()?) {
        // A gap is like nothing, not even like another gap.
        let Some(value) = value else { continue };
        let at = *index.entry(value).or_insert(texts.len());
        if at == texts.len() {
            texts.push(Text { value, rows: Vec::new(), labels: BTreeMap::new() });
        }
        texts[at].rows.push(row);
        if let Some(label) = label {
            let none = Support { similarity: 1.0, equal: true, items: 0, rows: Vec::new() };
            let support = texts[at].labels.entry(*label).or_insert(none);
            support.items += 1;
            support.list(&[row]);
        }
    }
    Ok(texts)
}

/// How alike texts or pictures are.
enum Likeness {
    Signatures(Vec<Vec<u32>>),
    Fingerprints(Vec<u64>),
}

impl Likeness {
    fn new(items: &Items<'_>, texts: &[Text<'_>], seed: u64) -> Result<Self, InvalidInput> {
        // Equal items have equal signatures: that of the first stands for all.
        let first = || texts.iter().map(|text| text.rows[0]);
        Ok(match &items.source {
            Source::File(_) => Self::Signatures(signatures(texts.iter().map(|t| t.value), seed)?),
            Source::Store(stored) => {
                Self::Signatures(first().map(|row| stored.signatures[row].clone()).collect())
            }
            Source::Pictures(pictures) => {
                Self::Fingerprints(first().map(|row| pictures.fingerprints[row]).collect())
            }
        })
    }

    /// Groups of what is alike, directly or by way of others.
    fn groups(&self, least: f64) -> Result<Vec<usize>, InvalidInput> {
        match self {
            Self::Signatures(signatures) => near_duplicates(signatures, least),
            Self::Fingerprints(fingerprints) => near_images(fingerprints, bits(least)),
        }
    }

    fn similarity(&self, a: usize, b: usize) -> Result<f64, InvalidInput> {
        match self {
            Self::Signatures(signatures) => similarity(&signatures[a], &signatures[b]),
            Self::Fingerprints(fingerprints) => {
                Ok(1.0 - f64::from(hamming(fingerprints[a], fingerprints[b])) / BITS)
            }
        }
    }
}

/// Bits in which fingerprints may differ at a least share of equal ones.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 64, clamped; far-off pictures are not sought"
)]
fn bits(least: f64) -> u32 {
    ((1.0 - least) * BITS + 1e-9).clamp(0.0, BITS_MAX) as u32
}

/// For each text the labeled ones that are like it, the closest first.
fn near(
    items: &Items<'_>,
    texts: &[Text<'_>],
    arguments: &PropagateArguments,
) -> Result<Vec<Vec<(f64, usize)>>, InputError> {
    let mut near = vec![Vec::new(); texts.len()];
    let least = arguments.least_similarity();
    if least >= 1.0 {
        return Ok(near);
    }
    let too_many = |what, found, limit| items.source.unfit(Fault::TooMany { what, found, limit });
    if texts.len() > TEXTS_MAX {
        return Err(too_many("texts", texts.len(), TEXTS_MAX));
    }
    let unfit = |error: InvalidInput| items.source.shape(error);
    let likeness = Likeness::new(items, texts, arguments.seed).map_err(unfit)?;
    let group = likeness.groups(least).map_err(unfit)?;
    let mut labeled: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut labels: HashMap<usize, usize> = HashMap::new();
    for (text, group) in group.iter().enumerate().filter(|(at, _)| !texts[*at].labels.is_empty()) {
        labeled.entry(*group).or_default().push(text);
        *labels.entry(*group).or_default() += texts[text].labels.len();
    }
    let comparisons = group.iter().filter_map(|group| labels.get(group)).sum();
    if comparisons > COMPARISONS_MAX {
        return Err(too_many("comparisons of near-duplicates", comparisons, COMPARISONS_MAX));
    }
    for (text, near) in near.iter_mut().enumerate() {
        // A group is a chain: its ends need not be like each other.
        for &other in labeled.get(&group[text]).into_iter().flatten().filter(|&&at| at != text) {
            let alike = likeness.similarity(text, other).map_err(unfit)?;
            if alike >= least {
                near.push((alike, other));
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    Ok(near)
}

/// The labels of a text's duplicates, its own items among them, and who stands for each.
fn support(text: &Text<'_>, texts: &[Text<'_>], near: &[(f64, usize)]) -> BTreeMap<u32, Support> {
    let mut all = text.labels.clone();
    for &(similarity, other) in near {
        for (label, theirs) in &texts[other].labels {
            let none = Support { similarity, equal: false, items: 0, rows: Vec::new() };
            let support = all.entry(*label).or_insert(none);
            support.items += theirs.items;
            support.list(&theirs.rows);
        }
    }
    all
}

fn finding(items: &Items<'_>, row: usize, support: &BTreeMap<u32, Support>) -> Option<Finding> {
    let id = items.names[row].clone();
    let given = items.labels[row].map(|label| items.category(label));
    if support.len() < 2 {
        let (label, support) = support.first_key_value().filter(|_| given.is_none())?;
        let (category, score) = (*label, support.similarity);
        let label = items.category(category);
        let from = support.origin(items);
        return Some(Finding::Draft { row, category, shares: Vec::new(), id, label, score, from });
    }
    let mut closest: Vec<(&u32, &Support)> = support.iter().collect();
    closest.sort_by(|a, b| b.1.similarity.total_cmp(&a.1.similarity).then(a.0.cmp(b.0)));
    let claim = |(label, support): (&u32, &Support)| Claim {
        label: items.category(*label),
        from: support.origin(items),
    };
    let conflict = closest.into_iter().take(LISTED_MAX).map(claim).collect();
    Some(Finding::Conflict { id, label: None, given, labels: support.len(), conflict })
}

impl Support {
    fn list(&mut self, rows: &[usize]) {
        self.rows.extend(rows.iter().take(LISTED_MAX.saturating_sub(self.rows.len())));
    }

    fn origin(&self, items: &Items<'_>) -> Origin {
        Origin {
            method: if self.equal { "duplicate" } else { "near-duplicate" },
            ids: items.ids(&self.rows),
            items: self.items,
            similarity: self.similarity,
        }
    }
}
