//! Agreement of spans in texts.

use std::collections::BTreeMap;

use super::boxes::f1;
use crate::input::{InvalidInput, MeasureError, Undefined, at_most, same_length};

/// Longest text, in tokens.
pub const TOKENS_MAX: usize = 1 << 26;

/// A labeled span of a text; `end` is exclusive. The unit may be tokens or code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First position.
    pub start: usize,
    /// Position behind the last; an empty span agrees with nothing but itself.
    pub end: usize,
    /// What it is.
    pub label: u32,
}

/// Agreement of two annotators' spans over documents; the first is the reference.
///
/// Sums of different documents and sites may be added field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanAgreement {
    /// Spans of the first.
    pub first: usize,
    /// Spans of the second.
    pub second: usize,
    /// Spans with equal start, end and label.
    pub exact: usize,
    /// Spans of the first that overlap one of the second with the same label.
    pub first_partial: usize,
    /// Spans of the second that overlap one of the first with the same label.
    pub second_partial: usize,
}

/// Precision, recall and their harmonic mean, each in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanScore {
    /// Share of the second's spans that agree; 1 if there are none.
    pub precision: f64,
    /// Share of the first's spans that agree; 1 if there are none.
    pub recall: f64,
    /// Harmonic mean.
    pub f1: f64,
}

impl SpanAgreement {
    /// Compares document by document.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if the numbers of documents differ, [`InvalidInput::Order`] if a
    /// span ends before it starts.
    ///
    /// ```
    /// use insitu_measure::agreement::{Span, SpanAgreement};
    ///
    /// let span = |start, end| Span { start, end, label: 0 };
    /// let both = SpanAgreement::new(&[vec![span(0, 3), span(5, 6)]], &[vec![span(1, 3)]])?;
    /// assert_eq!((both.exact_score().f1, both.partial_score().precision), (0.0, 1.0));
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    pub fn new(first: &[Vec<Span>], second: &[Vec<Span>]) -> Result<Self, InvalidInput> {
        same_length("second", first.len(), second.len())?;
        let mut sums = Self::default();
        for (a, b) in first.iter().zip(second) {
            for (index, span) in a.iter().chain(b).enumerate() {
                if span.end < span.start {
                    return Err(InvalidInput::Order { what: "span ends", index });
                }
            }
            sums.first += a.len();
            sums.second += b.len();
            sums.exact += equal(a, b);
            sums.first_partial += overlapping(a, b);
            sums.second_partial += overlapping(b, a);
        }
        Ok(sums)
    }

    /// By spans that are equal.
    #[must_use]
    pub fn exact_score(&self) -> SpanScore {
        SpanScore {
            precision: share(self.exact, self.second),
            recall: share(self.exact, self.first),
            f1: f1(self.exact, self.first + self.second),
        }
    }

    /// By spans that overlap with the same label.
    #[must_use]
    pub fn partial_score(&self) -> SpanScore {
        let precision = share(self.second_partial, self.second);
        let recall = share(self.first_partial, self.first);
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        SpanScore { precision, recall, f1 }
    }
}

/// The label of each token of a text, `outside` where no span is; of overlapping spans the later
/// in the list counts. With [`Confusion`](super::Confusion) this gives agreement by token.
///
/// # Errors
/// [`MeasureError::Invalid`] if a span reaches beyond `tokens` or there are more than
/// [`TOKENS_MAX`]; [`Undefined::NoData`] without tokens.
pub fn token_labels(spans: &[Span], tokens: usize, outside: u32) -> Result<Vec<u32>, MeasureError> {
    at_most("tokens", TOKENS_MAX, tokens)?;
    if tokens == 0 {
        return Err(Undefined::NoData.into());
    }
    let mut labels = vec![outside; tokens];
    for (index, span) in spans.iter().enumerate() {
        match labels.get_mut(span.start..span.end) {
            Some(covered) => covered.fill(span.label),
            None => {
                let found = span.end.max(span.start);
                let what = "span ends";
                return Err(InvalidInput::Unknown { what, index, found, count: tokens }.into());
            }
        }
    }
    Ok(labels)
}

#[expect(clippy::cast_precision_loss, reason = "counts of spans stay far below 2^53")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Number of equal spans; one span answers for one only.
fn equal(a: &[Span], b: &[Span]) -> usize {
    let mut open: BTreeMap<Span, usize> = BTreeMap::new();
    a.iter().for_each(|span| *open.entry(*span).or_default() += 1);
    let takes = |span: &&Span| match open.get_mut(span) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    b.iter().filter(takes).count()
}

/// Spans of `a` that overlap a span of `b` with the same label.
fn overlapping(a: &[Span], b: &[Span]) -> usize {
    // By label, spans by start with the greatest end so far: those that start early enough
    // overlap if the greatest end among them is late enough.
    let mut by_label: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
    b.iter().for_each(|s| by_label.entry(s.label).or_default().push((s.start, s.end)));
    for spans in by_label.values_mut() {
        spans.sort_unstable();
        let mut furthest = 0;
        for (_, end) in spans {
            furthest = furthest.max(*end);
            *end = furthest;
        }
    }
    let overlaps = |span: &&Span| {
        let spans = by_label.get(&span.label).map_or(&[][..], Vec::as_slice);
        let early = spans.partition_point(|(start, _)| *start < span.end);
        early > 0 && span.start < span.end && spans[early - 1].1 > span.start
    };
    a.iter().filter(overlaps).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_spans_match_once() {
        let span = Span { start: 0, end: 2, label: 1 };
        let both = SpanAgreement::new(&[vec![span]], &[vec![span, span]]).unwrap();
        assert_eq!((both.exact, both.second_partial), (1, 2));
    }

    #[test]
    fn nothing_on_both_sides_agrees() {
        let none = SpanAgreement::new(&[vec![]], &[vec![]]).unwrap();
        assert!((none.exact_score().f1 - 1.0).abs() < 1e-12);
        let backwards = Span { start: 2, end: 1, label: 0 };
        assert!(SpanAgreement::new(&[vec![backwards]], &[vec![]]).is_err());
        assert!(token_labels(&[backwards], 5, 0).is_err());
        assert!(token_labels(&[Span { start: 0, end: 9, label: 0 }], 5, 0).is_err());
    }
}
