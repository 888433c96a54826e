//! Cards and items as the local API shows them.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::project::FieldKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::short;
use super::{Card, Context, Note, content};
use crate::item::CleanItem;
use crate::label::Label;
use crate::prelabel::calibrated::Confidence;
use crate::prelabel::{Origin, Prelabel};
use crate::store::labels::Reading;
use crate::store::orders::ProjectRow;

/// The fields of an item as a card has them.
pub(super) fn fields(item: &str, clean: &CleanItem, project: &ProjectRow) -> Vec<Value> {
    project
        .definition
        .fields
        .iter()
        .map(|field| {
            let kind = match field.kind {
                FieldKind::Number => "number",
                FieldKind::Category => "category",
                FieldKind::Text => "text",
                FieldKind::Image => "image",
                FieldKind::Series => "series",
            };
            let value = clean.value(field.name.as_str());
            let value = value.map(|value| content::shown(item, field.name.as_str(), value));
            json!({
                "name": field.name, "title": field.title, "value": value,
                "unit": field.unit, "kind": kind,
            })
        })
        .collect()
}

/// Where and when users said what is looked at now, as fields beside the item's own.
fn contexts(told: &[Context]) -> impl Iterator<Item = Value> {
    (1..).zip(told).flat_map(|(number, context)| {
        let several = told.len() > 1;
        context.shown().into_iter().map(move |(title, told)| {
            let title = if several { format!("{title} {number}") } else { title.to_owned() };
            json!({"title": title, "value": told, "unit": "", "kind": "category"})
        })
    })
}

pub(super) fn shown(card: &Card, project: &ProjectRow) -> Value {
    let blind = card.blind;
    let item = Fixed(card.row.opaque).to_hex();
    let mut fields = fields(&item, &card.content, project);
    fields.extend(contexts(&card.contexts));
    let prelabel = card.prelabel.as_ref().filter(|_| !blind);
    let draft = |label: &Label| {
        let Confidence { value, by } = card.confidence;
        let mut draft = json!({
            "label": label.to_json(), "confidence": value, "calibrated": by,
            "scores": card.scores,
        });
        if let (Some(class), Some(draft)) = (label.class(), draft.as_object_mut()) {
            draft.insert("class".to_owned(), json!(class));
        }
        draft
    };
    // A reviewer is shown the label in the draft's place.
    let label = card.reviewed.as_ref().or_else(|| prelabel.map(Prelabel::label));
    let readings = card.readings.iter().map(|label| json!({"label": label.to_json()}));
    let note = |note: &Note| json!({"verdict": note.verdict.name(), "reason": note.reason, "comment": note.comment});
    json!({
        "item": item,
        "queue": match card.lease.reading {
            Reading::First | Reading::Second | Reading::Gold => "annotator",
            Reading::Expert => "expert",
            Reading::Campaign => "campaign",
            Reading::Review => "review",
            Reading::Validation => "synthetic",
        },
        "fields": fields,
        "prelabel": label.map(draft),
        "readings": readings.collect::<Vec<_>>(),
        "notes": card.notes.iter().map(note).collect::<Vec<_>>(),
        "blind": blind,
        "why": card.why,
        "bundle": prelabel.map(|prelabel| match &card.origin {
            Some(Origin::Imported { model, .. }) => model.clone(),
            _ => short(prelabel.bundle()),
        }),
        "campaign": card.campaign,
        "lease_until": time(card.lease.until),
    })
}

/// A time as the API has it.
pub(super) fn time(second: i64) -> Option<String> {
    Timestamp::from_second(second).ok().map(|time| time.to_string())
}
