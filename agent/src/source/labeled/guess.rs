//! What a file says that a model said of an item: its predictions, which become drafts.

use insitu_protocol::text::Line;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::said::Said;
use super::{Ask, each};
use crate::label::Label;
use crate::source::LineError;

/// Whose drafts are that nobody named.
pub const NO_MODEL: &str = "an unnamed model";
/// Lists of marks in a label's own JSON.
const MARKS: [&str; 3] = ["spans", "regions", "segments"];

/// Which drafts are taken from a file.
#[derive(Clone, Copy, Debug)]
pub struct Drafts<'a> {
    /// Model and version of those of which the file does not say it.
    pub model: &'a str,
    /// What the file has as labels are drafts.
    pub labels: bool,
    /// COCO's file of results.
    pub results: Option<&'a std::path::Path>,
}

/// A prediction in the file's own words.
pub(crate) struct Guess {
    pub(crate) said: Said,
    /// Of each mark, in the order of what was said; empty where the file says none.
    pub(crate) scores: Vec<Option<f64>>,
    /// Of the whole.
    pub(crate) score: Option<f64>,
    pub(crate) model: Option<String>,
}

impl From<Said> for Guess {
    fn from(said: Said) -> Self {
        Self { said, scores: Vec::new(), score: None, model: None }
    }
}

/// A draft that came with an item, until it is placed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// What it says.
    pub label: Label,
    /// How sure its maker is of the whole, in `[0, 1]`, where that is known.
    pub score: Option<f64>,
    /// How sure of each mark, in the label's order; empty where nothing is known.
    pub scores: Vec<Option<f64>>,
    /// Who made it: a model and its version.
    pub model: String,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offer(..)")
    }
}

impl Offer {
    /// The same with its marks elsewhere: `label` is this one's, `moved` says where one mark went.
    pub(crate) fn moved(
        self,
        label: Label,
        moved: impl Fn(&Label) -> Result<Label, LineError>,
    ) -> Result<Self, LineError> {
        let ones = self.label.each_mark();
        let ones = ones.iter().map(moved).collect::<Result<Vec<Label>, LineError>>()?;
        Ok(Self { scores: placed(&label, &ones, &self.scores), label, ..self })
    }
}

impl Ask<'_> {
    /// The draft that a prediction is; `None` where it says nothing, or nobody asked for drafts.
    pub(super) fn offer(&self, guess: Guess) -> Result<Option<Offer>, LineError> {
        let Some(drafts) = self.drafts else { return Ok(None) };
        let Guess { said, scores, score, model } = guess;
        let (said, own) = scored(said)?;
        let scores = if scores.is_empty() { own } else { scores };
        if scores.iter().chain([&score]).flatten().any(|score| !(0.0..=1.0).contains(score)) {
            return Err(LineError::Score);
        }
        let ones = if scores.iter().any(Option::is_some) { said.each() } else { Vec::new() };
        let ones: Vec<Option<Label>> =
            ones.into_iter().map(|one| one.label(self.project)).collect::<Result<_, _>>()?;
        let Some(label) = said.label(self.project)? else { return Ok(None) };
        let ones: Vec<Label> = ones.into_iter().flatten().collect();
        let scores = placed(&label, &ones, &scores);
        // A draft is as sure as the least sure of its marks, if all of them say.
        let least = scores.iter().copied().reduce(|a, b| Some(a?.min(b?))).flatten();
        let model = model.and_then(|name| Line::new(&name).ok().map(|line| line.to_string()));
        let model = model.filter(|name| !name.trim().is_empty());
        let model = model.unwrap_or_else(|| drafts.model.to_owned());
        Ok(Some(Offer { label, score: score.or(least), scores, model }))
    }
}

/// The scores of `ones`, in the order of the label's own marks; none if nothing is known.
fn placed(label: &Label, ones: &[Label], scores: &[Option<f64>]) -> Vec<Option<f64>> {
    let known = |mark: Label| {
        let same = ones.iter().zip(scores).filter(|(one, _)| **one == mark);
        same.filter_map(|(_, score)| *score).reduce(f64::max)
    };
    let scores: Vec<Option<f64>> = label.each_mark().into_iter().map(known).collect();
    if scores.iter().all(Option::is_none) { Vec::new() } else { scores }
}

/// Takes the `score` of each mark out of a label's own JSON, which has no place for it.
fn scored(said: Said) -> Result<(Said, Vec<Option<f64>>), LineError> {
    let Said::Own(mut value) = said else { return Ok((said, Vec::new())) };
    let mut scores = Vec::new();
    for list in MARKS {
        let Some(marks) = value.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for mark in marks {
            let score = mark.as_object_mut().and_then(|mark| mark.remove("score"));
            scores.push(score.as_ref().map_or(Ok(None), number)?);
        }
    }
    Ok((Said::Own(value), scores))
}

/// A score, or none: as text where a format has nothing else.
pub(super) fn number(value: &Value) -> Result<Option<f64>, LineError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => text.trim().parse().map(Some).map_err(|_| LineError::Score),
        Value::Number(number) => Ok(number.as_f64()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(LineError::Score),
    }
}

impl Said {
    /// Each of its marks by itself.
    fn each(&self) -> Vec<Self> {
        match self {
            Self::Classes(_) => Vec::new(),
            Self::Spans(marks, _) => {
                marks.iter().map(|mark| Self::Spans(vec![mark.clone()], Vec::new())).collect()
            }
            Self::Regions(regions, size) => {
                regions.iter().map(|region| Self::Regions(vec![region.clone()], *size)).collect()
            }
            Self::Segments(parts) => {
                parts.iter().map(|part| Self::Segments(vec![part.clone()])).collect()
            }
            Self::Own(value) => {
                let of = |list: &'static str| {
                    let one = move |mark: &Value| Self::Own(serde_json::json!({ list: [mark] }));
                    each(&value[list]).iter().map(one)
                };
                MARKS.into_iter().flat_map(of).collect()
            }
        }
    }
}
