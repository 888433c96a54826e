//! Trains the redaction tagger: `train_tagger OUT FILE[:COPIES]…`
//!
//! Each file holds annotated texts as JSON lines `{"text", "spans": [{"start", "end", "type"}]}`,
//! offsets in code points. `COPIES` repeats a small file of real text among much generated text.

use std::error::Error;
use std::fs;

use insitu_agent::redact::tagger::{Training, train};
use insitu_agent::redact::{Kind, Span};
use serde::Deserialize;

#[derive(Deserialize)]
struct Text {
    text: String,
    spans: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    start: usize,
    end: usize,
    r#type: String,
}

impl Annotation {
    /// Corpora name the same kinds differently; other kinds are left to rules.
    fn span(&self) -> Option<Span> {
        let kind = match self.r#type.as_str() {
            "PERSON" => Kind::Name,
            "ORG" => Kind::Organization,
            name => Kind::from_name(name)?,
        };
        Some(Span { start: self.start, end: self.end, kind, score: 1.0 })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: train_tagger OUT FILE[:COPIES]...")?;
    let mut texts = Vec::new();
    for argument in arguments {
        let (path, copies) = argument.split_once(':').unwrap_or((&argument, "1"));
        let file = fs::read_to_string(path)?;
        for _ in 0..copies.parse()? {
            for line in file.lines() {
                let text: Text = serde_json::from_str(line)?;
                let spans = text.spans.iter().filter_map(Annotation::span).collect();
                texts.push((text.text, spans));
            }
        }
    }
    fs::write(out, train(texts.into_iter(), Training::default()))?;
    Ok(())
}
