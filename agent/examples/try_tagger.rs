//! Redacts with a tagger that does not ship yet: `try_tagger WEIGHTS [strict] [NAMES_MODEL] < TEXTS > SPANS`
//!
//! Reads JSON lines `{"id", "text"}` and writes `{"id", "spans"}`, as `insitu-agent redact` does, so
//! that newly trained weights can be scored before they take the place of the shipped ones.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use insitu_agent::redact::tagger::Transformer;
use insitu_agent::redact::{Engine, Profile};
use insitu_models::engine::Library;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights =
        fs::read(arguments.next().ok_or("usage: try_tagger WEIGHTS [strict] [NAMES_MODEL]")?)?;
    let mut rest: Vec<String> = arguments.collect();
    let strict = rest.first().is_some_and(|word| word == "strict");
    if strict {
        rest.remove(0);
    }
    let profile = if strict { Profile::strict() } else { Profile::default() };
    let mut engine = Engine::with_weights(profile, &weights)?;
    if let Some(folder) = rest.first() {
        let inference = insitu_models::engine::Engine::start(&Library::Search)?;
        let model = Transformer::load(Path::new(folder), &inference)?;
        engine = engine.with_names(Some(Arc::new(model)));
    }
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let record: Value = serde_json::from_str(&line?)?;
        let text = record["text"].as_str().ok_or("a record without text")?;
        let spans: Vec<Value> = engine
            .find(text)
            .iter()
            .map(|span| {
                json!({"start": span.start, "end": span.end, "type": span.kind.as_str(), "score": span.score})
            })
            .collect();
        writeln!(out, "{}", json!({"id": record["id"], "spans": spans}))?;
    }
    Ok(())
}
