//! Originals of what was replaced in an item, for who may see them.
//!
//! Whoever may does not label: they get the redacted item by its name, without a draft and without
//! what readers said of it, and for a reason what its surrogates stand for. Both are in the audit log
//! before they are answered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use insitu_protocol::bytes::Fixed;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ReviewError;
use super::http::{Caller, Desk, Failure};
use super::shown::fields;
use super::sign_in::told;
use crate::item::{CleanItem, Value};
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Action, Person};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, REASON_BYTES_MAX, What};
use crate::store::vault::{Kept, Reveal, WHOLE_ITEM};
use crate::store::{Store, StoreError, Tx};

/// What was replaced in an item, where it stands.
#[derive(PartialEq, Serialize)]
struct Revealed {
    /// Text fields in which something was replaced.
    fields: Vec<RevealedField>,
    /// What stands in no text field: in the name of a channel, or kept by an older version, which
    /// did not keep where.
    elsewhere: Vec<Piece>,
    /// How many originals these are.
    found: usize,
}

#[derive(PartialEq, Serialize)]
struct RevealedField {
    name: String,
    /// Its whole text, in order.
    pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Clone, PartialEq, Serialize)]
struct Piece {
    /// As it stands in the redacted item; unknown of what an older version kept.
    text: Option<String>,
    /// What kind of surrogate it is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// What it stands for: more than one where two originals have the same surrogate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    originals: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    reason: String,
}

/// `GET /api/items/{item}`
pub(super) async fn look(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(item): Path<String>,
) -> Result<Response, Failure> {
    check_reveals(&person)?;
    let name: Fixed<16> = Fixed::from_hex(&item).ok_or(ReviewError::UnknownItem)?;
    let see = move |tx: &Tx<'_>| {
        let (row, project, clean) = item_named(tx, &name.0)?;
        let seen = Event::new(What::Seen).by(&person).of(project.definition.name.as_str());
        tx.note(&seen.on(row.opaque))?;
        Ok::<_, ReviewError>((clean, project))
    };
    let seen = desk.work(move |desk| Ok(desk.store.tx("steward sees item", see)?));
    let (clean, project) = seen.await?;
    let definition = &project.definition;
    let body = json!({
        "item": item, "project": definition.name, "title": definition.title,
        "fields": fields(&item, &clean, &project),
    });
    Ok(unkept(body))
}

/// `POST /api/items/{item}/reveal`
pub(super) async fn reveal(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(item): Path<String>,
    body: Result<Json<Question>, JsonRejection>,
) -> Result<Response, Response> {
    let refuse = |failure: Failure| failure.into_response();
    check_reveals(&person).map_err(|error| refuse(error.into()))?;
    let Json(Question { reason }) = body.map_err(|error| refuse(error.into()))?;
    let name = Fixed::from_hex(&item).ok_or_else(|| refuse(ReviewError::UnknownItem.into()))?;
    let now = desk.clock.now();
    desk.doors.accounts.reveal(&person, now).map_err(told)?;
    let revealed = desk
        .work(move |desk| Ok(originals(&desk.store, &person, &name.0, &reason, now.as_second())?));
    Ok(unkept(json!(revealed.await.map_err(refuse)?)))
}

/// An answer that no browser and no proxy keeps.
fn unkept(body: serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, "private, no-store")], Json(body)).into_response()
}

fn check_reveals(person: &Person) -> Result<(), ReviewError> {
    if person.role.may(Action::Reveal) {
        return Ok(());
    }
    Err(ReviewError::MayNotReveal { role: person.role.name() })
}

/// What the surrogates of an item stand for. The record is there before anything is shown.
fn originals(
    store: &Store,
    person: &Person,
    item: &[u8; 16],
    reason: &str,
    now: i64,
) -> Result<Revealed, ReviewError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(ReviewError::Invalid { what: "a reason has 1 to 500 bytes" });
    }
    store.tx("reveal item", |tx| {
        let (row, project, clean) = item_named(tx, item)?;
        let revealed = place(&clean, tx.kept_of(row.item)?);
        let asked = Reveal {
            at: now,
            person: person.name.clone(),
            kind: WHOLE_ITEM.to_owned(),
            surrogate: hex::encode(row.opaque),
            reason: reason.to_owned(),
            found: u64::try_from(revealed.found).unwrap_or(u64::MAX),
        };
        let number = tx.add_reveal(person.person, &asked)?;
        // Why is in the vault's own log.
        let event = Event::new(What::Revealed).by(person).of(project.definition.name.as_str());
        let detail = json!({"reveal": number, "kind": WHOLE_ITEM, "found": asked.found});
        tx.note(&event.on(row.opaque).with(detail))?;
        Ok(revealed)
    })
}

/// An item that people may be shown.
fn item_named(
    tx: &Tx<'_>,
    item: &[u8; 16],
) -> Result<(ItemRow, ProjectRow, CleanItem), ReviewError> {
    let row = tx.item_by_name(item)?.ok_or(ReviewError::UnknownItem)?;
    if matches!(row.stage, Stage::New | Stage::Quarantined) {
        return Err(ReviewError::UnknownItem);
    }
    let project = tx
        .project_by_key(row.project)?
        .ok_or(StoreError::Corrupt { table: "items", column: "project" })?;
    let clean = CleanItem::load(&row)?;
    Ok((row, project, clean))
}

/// Puts what was kept of an item where it stands in the item's texts.
fn place(clean: &CleanItem, kept: Vec<Kept>) -> Revealed {
    let found = kept.len();
    let mut elsewhere: Vec<Piece> = Vec::new();
    let mut surrogates: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for Kept { shown, original } in kept {
        match shown {
            Some(shown) => surrogates.entry(shown).or_default().push(original),
            None => elsewhere.push(Piece { text: None, kind: None, originals: vec![original] }),
        }
    }
    let all: Vec<Piece> = surrogates
        .into_iter()
        .map(|((kind, text), originals)| Piece { text: Some(text), kind: Some(kind), originals })
        .collect();
    let mut is_placed = vec![false; all.len()];
    let mut fields = Vec::new();
    for (name, value) in clean.fields() {
        let Value::Text(text) = value else { continue };
        let places = places(text, &all);
        if places.is_empty() {
            continue;
        }
        places.iter().for_each(|&(_, index)| is_placed[index] = true);
        fields.push(RevealedField { name: name.clone(), pieces: cut(text, &places, &all) });
    }
    let rest = all.into_iter().zip(is_placed).filter(|(_, is_placed)| !is_placed);
    elsewhere.extend(rest.map(|(piece, _)| piece));
    Revealed { fields, elsewhere, found }
}

/// Where surrogates stand in a text: byte offset and index, in order and apart; of two at one place the
/// longer. One that is part of a longer word counts only where it stands nowhere alone.
fn places(text: &str, all: &[Piece]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (index, piece) in all.iter().enumerate() {
        let surrogate = piece.text.as_deref().filter(|text| !text.is_empty());
        let Some(surrogate) = surrogate else { continue };
        let starts = || text.match_indices(surrogate).map(|(start, _)| start);
        let end = |start| start + surrogate.len();
        let any_alone = starts().any(|start| is_alone(text, start, end(start)));
        let wanted = starts().filter(|&start| !any_alone || is_alone(text, start, end(start)));
        found.extend(wanted.map(|start| (start, end(start), index)));
    }
    found.sort_unstable_by_key(|&(start, end, _)| (start, usize::MAX - end));
    let mut at = 0;
    found.retain(|&(start, end, _)| {
        let is_free = start >= at;
        if is_free {
            at = end;
        }
        is_free
    });
    found.into_iter().map(|(start, _, index)| (start, index)).collect()
}

/// Whether a part of a text is not a part of a longer word or number.
fn is_alone(text: &str, start: usize, end: usize) -> bool {
    let joined = |left: Option<char>, right: Option<char>| {
        left.zip(right)
            .is_some_and(|(left, right)| left.is_alphanumeric() && right.is_alphanumeric())
    };
    let (before, inside, after) = (&text[..start], &text[start..end], &text[end..]);
    !joined(before.chars().next_back(), inside.chars().next())
        && !joined(inside.chars().next_back(), after.chars().next())
}

/// Cuts a text into what is as it was, and surrogates.
fn cut(text: &str, places: &[(usize, usize)], all: &[Piece]) -> Vec<Piece> {
    let plain = |text: &str| Piece { text: Some(text.to_owned()), kind: None, originals: vec![] };
    let mut pieces = Vec::new();
    let mut at = 0;
    for &(start, index) in places {
        if at < start {
            pieces.push(plain(&text[at..start]));
        }
        at = start + all[index].text.as_deref().map_or(0, str::len);
        pieces.push(all[index].clone());
    }
    if at < text.len() {
        pieces.push(plain(&text[at..]));
    }
    pieces
}

#[cfg(test)]
mod tests;
