//! Drafts of spans, by a head of tokens.

use insitu_models::text::words::Words;
use insitu_models::tokens;
use insitu_protocol::ids::Digest;

use super::{Draft, Model, ModelError, Prelabel};
use crate::item::CleanItem;
use crate::label::{Label, MARKS_MAX, Span};

impl Model {
    /// Prelabels a text; `None` of one that the backbone fails on.
    pub(super) fn mark(&mut self, item: &CleanItem) -> Option<Draft> {
        let marked = self.marked(std::slice::from_ref(item)).ok()?;
        marked.first().map(|(spans, confidence)| draft(spans, *confidence, self.bundle))
    }

    /// The spans of items, in their order, for a head of tokens, and how sure those of each are.
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn marked(
        &mut self,
        items: &[CleanItem],
    ) -> Result<Vec<(Vec<tokens::Span>, f64)>, ModelError> {
        let texts = self.texts(items).unwrap_or_default();
        // Probabilities of every word's tags would be much to keep for many texts.
        let marked = |text| {
            let (spans, prediction) = self.predictor.mark(text)?;
            Ok((spans, prediction.confidence))
        };
        texts.into_iter().map(marked).collect()
    }

    /// An item's words with their features, for a head of tokens; `None` where the backbone fails.
    pub fn words_of(&mut self, item: &CleanItem) -> Option<Words> {
        let texts = self.texts(std::slice::from_ref(item)).unwrap_or_default();
        self.predictor.words(texts.first().unwrap_or(&"")).ok()
    }
}

/// The draft of a text's spans. A label has [`MARKS_MAX`] at most: of a text with more the rest is
/// missing, and nothing is sure.
fn draft(spans: &[tokens::Span], confidence: f64, bundle: Digest) -> Draft {
    let number = |place: usize| u32::try_from(place).ok();
    let span = |span: &tokens::Span| {
        let class = u16::try_from(span.class).ok()?;
        Some(Span { start: number(span.start)?, end: number(span.end)?, class })
    };
    let kept: Vec<Span> = spans.iter().take(MARKS_MAX).filter_map(span).collect();
    let confidence = if kept.len() == spans.len() { confidence } else { 0.0 };
    let label =
        Label::spans(kept, Vec::new()).expect("only a relation can name a span that is not there");
    Prelabel { label, confidence, bundle }.into()
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;

    #[test]
    fn a_draft_of_too_many_spans_has_the_first_and_is_not_sure() {
        let span = |start| tokens::Span { start, end: start + 1, class: 1 };
        for (count, confidence) in [(0, 0.75), (MARKS_MAX, 0.75), (MARKS_MAX + 1, 0.0)] {
            let spans: Vec<tokens::Span> = (0..count).map(span).collect();
            let found = draft(&spans, 0.75, Fixed([7; 32]));
            let Label::Spans(label) = found.prelabel.label() else { panic!("{count}") };
            assert_eq!(label.spans().len(), count.min(MARKS_MAX));
            assert!((found.prelabel.confidence() - confidence).abs() < 1e-12);
        }
    }
}
