//! Records as the programs read them that hold texts in tokens: CoNLL-2003 and spaCy.

use insitu_protocol::project::Project;
use serde_json::{Map, Value as Json, json};

use super::ExportError;
use super::format::{class, class_names};
use super::programs::marked;
use super::record::Record;
use crate::label::Span;

/// The beginning of a document in CoNLL's format, in the form that spaCy's converter knows it by.
const CONLL_HEAD: &str = "-DOCSTART- -X- O O\n\n";
/// The group of spans in which spaCy keeps those that overlap.
const GROUP: &str = "sc";

/// A token: from and to, in code points.
struct Token {
    start: usize,
    end: usize,
}

/// A record as a document of CoNLL-2003 with one sentence, tagged in IOB2. What lies between tokens
/// is not kept, nor are the ends of lines.
///
/// # Errors
/// [`ExportError::Overlap`]: a token has one tag.
pub(super) fn conll(project: &Project, record: &Record) -> Result<String, ExportError> {
    let text: Vec<char> = record.text(project).chars().collect();
    let spans = marked(record).map_or(&[][..], |label| label.spans());
    if overlapping(spans) {
        return Err(ExportError::Overlap { item: record.id.clone() });
    }
    let mut lines = CONLL_HEAD.to_owned();
    for token in tokens(&text, spans).filter(|token| !text[token.start].is_whitespace()) {
        let over =
            |span: &&Span| (span.start as usize) < token.end && token.start < span.end as usize;
        let tag = match spans.iter().find(over) {
            None => "O".to_owned(),
            Some(span) => {
                let before = &text[span.start as usize..token.start];
                let first = before.iter().all(|c| c.is_whitespace());
                format!(
                    "{}-{}",
                    if first { "B" } else { "I" },
                    tag_name(class(project, span.class))
                )
            }
        };
        let word: String = text[token.start..token.end].iter().collect();
        lines.push_str(&format!("{word} -X- -X- {tag}\n"));
    }
    lines.push('\n');
    Ok(lines)
}

/// A record as spaCy's `Doc.to_json` gives it, with the names of the item under `_`.
pub(super) fn spacy(project: &Project, record: &Record) -> Json {
    let text = record.text(project);
    let points: Vec<char> = text.chars().collect();
    let spans = marked(record).map_or(&[][..], |label| label.spans());
    let tokens: Vec<Json> = tokens(&points, spans)
        .enumerate()
        .map(|(at, token)| json!({"id": at, "start": token.start, "end": token.end}))
        .collect();
    let mut document = json!({
        "text": text, "tokens": tokens, "_": {"item": record.id, "own_id": record.own_id},
    });
    let Some(given) = &record.label else { return document };
    if marked(record).is_none() {
        let held = class_names(project, &given.label);
        let cat = |class: &insitu_protocol::project::Class| {
            let holds = held.contains(&class.name.as_str());
            (class.name.to_string(), json!(f64::from(u8::from(holds))))
        };
        document["cats"] = Json::Object(project.classes.iter().map(cat).collect::<Map<_, _>>());
        return document;
    }
    let mark = |span: &Span| json!({"start": span.start, "end": span.end, "label": class(project, span.class)});
    let marks: Vec<Json> = spans.iter().map(mark).collect();
    if overlapping(spans) {
        // Entities there are apart.
        document["ents"] = json!([]);
        document["spans"] = group(marks);
    } else {
        document["ents"] = json!(marks);
    }
    document
}

/// Spans that may overlap. `Doc.from_json` wants to know of each, unlike of entities, what it is in a
/// knowledge base.
fn group(mut marks: Vec<Json>) -> Json {
    for mark in &mut marks {
        mark["kb_id"] = json!("");
    }
    json!({ GROUP: marks })
}

/// Whether a span begins in another. They are in order of where they begin.
fn overlapping(spans: &[Span]) -> bool {
    let mut end = 0;
    spans.iter().any(|span| {
        let inside = span.start < end;
        end = end.max(span.end);
        inside
    })
}

/// A class in a tag, which has no spaces.
fn tag_name(class: &str) -> String {
    class.split_whitespace().collect::<Vec<_>>().join("_")
}

/// Runs of letters and digits, single signs, and runs of spaces but for one between two others; cut
/// where a span begins or ends.
fn tokens<'a>(text: &'a [char], spans: &'a [Span]) -> impl Iterator<Item = Token> + 'a {
    let mut cuts: Vec<usize> =
        spans.iter().flat_map(|span| [span.start as usize, span.end as usize]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut at = 0;
    std::iter::from_fn(move || {
        // A single space belongs to the token before it, unless a span begins or ends with it: spaCy
        // refuses a token that is the space behind another.
        let of_span = |span: &Span| span.start as usize == at || span.end as usize == at + 1;
        if at > 0 && text.get(at) == Some(&' ') && !spans.iter().any(of_span) {
            at += 1;
        }
        let first = *text.get(at)?;
        let start = at;
        let goes_on = |c: char| match (first.is_alphanumeric(), first.is_whitespace()) {
            (true, _) => c.is_alphanumeric(),
            (_, true) => c.is_whitespace(),
            (false, false) => false,
        };
        at += 1;
        let cut = cuts.partition_point(|cut| *cut <= start);
        let limit = cuts.get(cut).copied().unwrap_or(text.len());
        while at < limit && goes_on(text[at]) {
            at += 1;
        }
        Some(Token { start, end: at })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_a_group_have_all_that_spacy_reads() {
        let found = group(vec![json!({"start": 2, "end": 6, "label": "sign"})]);
        assert_eq!(found, json!({"sc": [{"start": 2, "end": 6, "label": "sign", "kb_id": ""}]}));
    }

    #[test]
    fn the_space_behind_a_span_is_no_token_of_its_own() {
        let text: Vec<char> = "a rash on".chars().collect();
        let of = |start, end| -> Vec<(usize, usize)> {
            let spans = [Span { start, end, class: 0 }];
            tokens(&text, &spans).map(|token| (token.start, token.end)).collect()
        };
        assert_eq!(of(2, 6), [(0, 1), (2, 6), (7, 9)]);
        // Unless the span has it.
        assert_eq!(of(2, 7), [(0, 1), (2, 6), (6, 7), (7, 9)]);
        assert_eq!(of(6, 9), [(0, 1), (2, 6), (6, 7), (7, 9)]);
    }
}
