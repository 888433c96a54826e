//! Spans of texts: read from a column of JSON, told as tags of words, and counted when found again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use insitu_models::head::Head;
use insitu_models::text::words::Words;
use insitu_models::tokens::{self, Span, tag};
use serde::Deserialize;

use super::outcome::SpanFigures;
use super::records::{Cell, Records};
use super::training::{Items, Labels};

/// A text's spans, and its words once these are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// In code points, ascending.
    pub(crate) spans: Vec<Span>,
    ranges: Vec<std::ops::Range<usize>>,
    /// Of each word.
    pub(crate) tags: Vec<u16>,
    left_out: usize,
}

/// A span as a file has it.
#[derive(Debug, Deserialize)]
struct Written {
    start: usize,
    end: usize,
    label: String,
}

/// The classes that spans of training records have, in order of their names.
///
/// # Errors
/// For a record whose spans cannot be read, and when there is no span at all.
pub(super) fn classes(train: &Records, column: &str) -> Result<Vec<String>> {
    let mut all = BTreeSet::new();
    for row in 0..train.len() {
        all.extend(written(train, row, column)?.into_iter().map(|span| span.label));
    }
    ensure!(!all.is_empty(), "training records have no span in {column:?}");
    Ok(all.into_iter().collect())
}

/// The spans of each record, with their classes' positions in `classes`.
///
/// # Errors
/// For a record whose spans cannot be read, or are of none of the classes.
pub(super) fn labels(records: &Records, column: &str, classes: &[String]) -> Result<Labels> {
    let marked = |row| -> Result<Marked> {
        let mut spans = Vec::new();
        for Written { start, end, label } in written(records, row, column)? {
            spans.push(Span { start, end, class: records.class(row, &label, classes)? });
        }
        spans.sort_unstable();
        spans.dedup();
        Ok(Marked { spans, ..Marked::default() })
    };
    Ok(Labels::Marked((0..records.len()).map(marked).collect::<Result<_>>()?))
}

fn written(records: &Records, row: usize, column: &str) -> Result<Vec<Written>> {
    let text = match records.cell(row, column) {
        Cell::Missing => return Ok(Vec::new()),
        Cell::Vector(none) if none.is_empty() => return Ok(Vec::new()),
        Cell::Json(text) => text.clone(),
        Cell::Number(_) | Cell::Text(_) | Cell::Vector(_) => records.text(row, column)?,
    };
    let place = || format!("{}, column {column:?}", records.place(row));
    let spans: Vec<Written> = serde_json::from_str(&text).with_context(|| {
        format!("{}: not a list of {{\"start\", \"end\", \"label\"}} in code points", place())
    })?;
    for Written { start, end, .. } in &spans {
        ensure!(start < end, "{}: a span from {start} to {end}", place());
    }
    Ok(spans)
}

/// Texts as items: a row of features for each word, and its tag.
///
/// # Errors
/// When there are not as many texts as `marked` ones.
pub(super) fn items(texts: Vec<Words>, width: usize, mut marked: Vec<Marked>) -> Result<Items> {
    ensure!(texts.len() == marked.len(), "{} texts with {} labels", texts.len(), marked.len());
    let (mut features, mut starts) = (Vec::new(), vec![0]);
    for (text, marked) in texts.into_iter().zip(&mut marked) {
        let tagged = tag(&text.ranges, &marked.spans);
        (marked.tags, marked.left_out) = (tagged.tags, tagged.left_out);
        marked.ranges = text.ranges;
        features.extend(text.features);
        starts.push(features.len());
    }
    Ok(Items::of_rows(features, width, starts, Labels::Marked(marked)))
}

/// How well a head finds spans again: as they are, or not at all.
///
/// # Errors
/// When an item does not fit the head.
pub(super) fn figures(head: &Head, items: &Items) -> Result<Option<SpanFigures>> {
    let Labels::Marked(marked) = &items.labels else { return Ok(None) };
    let (mut known, mut said, mut both, mut words, mut right, mut left_out) = (0, 0, 0, 0, 0, 0);
    for (index, marked) in marked.iter().enumerate() {
        let probabilities = head.probabilities(items.features(index), 1.0)?;
        let tags = tokens::decode(&probabilities, head.shape().outputs()).tags;
        let found = tokens::spans(&marked.ranges, &tags);
        known += marked.spans.len();
        said += found.len();
        both += found.iter().filter(|span| marked.spans.binary_search(span).is_ok()).count();
        words += tags.len();
        right += tags.iter().zip(&marked.tags).filter(|(said, known)| said == known).count();
        left_out += marked.left_out;
    }
    let share = |part: usize, of: usize| if of > 0 { part as f64 / of as f64 } else { 0.0 };
    Ok(Some(SpanFigures {
        f1: share(2 * both, known + said),
        precision: share(both, said),
        recall: share(both, known),
        word_accuracy: share(right, words),
        spans: known,
        left_out,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &str) -> Records {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, lines).unwrap();
        Records::read(&path, &["text", "spans"], Some("text")).unwrap()
    }

    const LINES: &str = r#"{"text":" Dr. Ada","spans":[{"start":5,"end":8,"label":"name"}]}
        {"text":"x","spans":"[{\"start\":0,\"end\":1,\"label\":\"id\"}]"}
        {"text":"none"}"#;

    #[test]
    fn spans_are_a_list_or_a_text_of_one_or_missing() {
        let records = records(LINES);
        let classes = classes(&records, "spans").unwrap();
        assert_eq!(classes, ["id", "name"]);
        // The text is as it was written: its spans count from its first character.
        assert_eq!(records.cell(0, "text"), &Cell::Text(" Dr. Ada".to_owned()));
        let Labels::Marked(found) = labels(&records, "spans", &classes).unwrap() else { panic!() };
        assert_eq!(found[0].spans, [Span { start: 5, end: 8, class: 1 }]);
        assert_eq!((found[1].spans.len(), found[2].spans.len()), (1, 0));
        let unknown = labels(&records, "spans", &classes[1..]).unwrap_err().to_string();
        assert!(unknown.contains("record 2") && unknown.contains("\"id\""), "{unknown}");
    }

    #[test]
    fn what_is_no_span_is_said_with_its_place() {
        for bad in
            ["[{\"start\":3,\"end\":3,\"label\":\"x\"}]", "[1]", "\"name\"", "[{\"start\":1}]"]
        {
            let records = records(&format!("{{\"text\":\"a\",\"spans\":{bad}}}"));
            let error = format!("{:#}", classes(&records, "spans").unwrap_err());
            assert!(error.contains("record 1"), "{bad}: {error}");
        }
        let none = classes(&records("{\"text\":\"a\",\"spans\":[]}"), "spans").unwrap_err();
        assert!(none.to_string().contains("no span"), "{none}");
    }

    #[test]
    fn a_span_is_found_as_it_is_or_not_at_all() {
        let words = |ranges: Vec<std::ops::Range<usize>>, features: Vec<f32>| Words {
            ranges,
            features,
            whole: true,
        };
        let span = |start, end| Span { start, end, class: 0 };
        let marked = |spans| Marked { spans, ..Marked::default() };
        // The feature says: outside, begins, goes on.
        let texts = vec![
            words(vec![0..1, 2..3, 4..5], vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
            words(std::iter::once(0..3).collect(), vec![0.0, 1.0, 0.0]),
        ];
        let known = vec![
            marked(vec![span(2, 5), span(3, 4)]), // the second is within the first
            marked(vec![span(0, 2)]),             // ends within a word
        ];
        let items = items(texts, 3, known).unwrap();
        let head = Head::of_tokens(1, 3).unwrap();
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let head = head.with_weights(identity.map(|one| one * 9.0).to_vec()).unwrap();
        let found = figures(&head, &items).unwrap().unwrap();
        assert_eq!((found.spans, found.left_out), (3, 1));
        assert!((found.precision - 0.5).abs() < 1e-12 && (found.recall - 1.0 / 3.0).abs() < 1e-12);
        assert!((found.f1 - 0.4).abs() < 1e-12 && (found.word_accuracy - 1.0).abs() < 1e-12);
    }
}
