//! Images and series of an item, for whoever has it before them.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use insitu_protocol::bytes::Fixed;
use serde_json::{Value as Json, json};

use super::ReviewError;
use super::http::{Caller, Desk, Failure};
use crate::item::{CleanItem, Coding, Series, Value, decode_values};
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Action, Person};
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// Opened by itself, content may do nothing: a file can be more than the image it begins as.
const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// What a field holds, with its media type.
struct Content {
    media_type: &'static str,
    bytes: Vec<u8>,
}

/// `GET /api/items/{item}/fields/{name}`
pub(super) async fn field(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path((item, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let item: Fixed<16> = Fixed::from_hex(&item).ok_or(ReviewError::UnknownItem)?;
    let now = desk.clock.now().as_second();
    let found = desk.work(move |desk| Ok(content(&desk.store, &person, &item.0, &name, now)?));
    let Content { media_type, bytes } = found.await?;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    Ok((headers, bytes).into_response())
}

/// The redacted content of a field, for the holder of a live lease and for leads.
fn content(
    store: &Store,
    person: &Person,
    item: &[u8; 16],
    field: &str,
    now: i64,
) -> Result<Content, ReviewError> {
    let item_of = |tx: &Tx<'_>| tx.item_by_name(item)?.ok_or(ReviewError::UnknownItem);
    let leased = store.read("item content", |tx| {
        let row = item_of(tx)?;
        let lease = tx.lease(row.item)?;
        let holds = lease.is_some_and(|it| it.person == person.person && it.until > now);
        let holds = holds && person.role.labels();
        holds.then(|| field_of(tx, &row, field)).transpose()
    })?;
    // Of what is leased it is noted already that the person sees it.
    if let Some(content) = leased {
        return Ok(content);
    }
    if !person.role.may(Action::Lead) || !person.is_expert(now) {
        return Err(ReviewError::NotLeased);
    }
    store.tx("lead sees content", |tx| {
        let row = item_of(tx)?;
        let found = field_of(tx, &row, field)?;
        tx.note(&Event::new(What::Seen).by(person).on(row.opaque))?;
        Ok(found)
    })
}

/// What a field of a redacted item holds.
fn field_of(tx: &Tx<'_>, row: &ItemRow, field: &str) -> Result<Content, ReviewError> {
    if matches!(row.stage, Stage::New | Stage::Quarantined) {
        return Err(ReviewError::UnknownItem);
    }
    let clean = CleanItem::load(row)?;
    let value = clean.value(field).ok_or(ReviewError::UnknownField)?;
    let stored = || {
        let bytes = tx.media(row.item, &row.opaque, field)?;
        bytes.ok_or(StoreError::Corrupt { table: "media", column: "content" })
    };
    match value {
        Value::Image(image) => {
            let media_type = match image.coding {
                Coding::Png => "image/png",
                Coding::Jpeg => "image/jpeg",
            };
            Ok(Content { media_type, bytes: stored()? })
        }
        Value::Series(series) => {
            let bytes = series_json(series, &stored()?).to_string().into_bytes();
            Ok(Content { media_type: "application/json", bytes })
        }
        Value::Number(_) | Value::Text(_) => Err(ReviewError::UnknownField),
    }
}

/// A series with its values; one that is missing is null.
fn series_json(series: &Series, bytes: &[u8]) -> Json {
    let values = decode_values(bytes);
    let length = usize::try_from(series.length).unwrap_or(usize::MAX).max(1);
    let channels: Vec<Json> = series
        .channels
        .iter()
        .zip(values.chunks(length))
        .map(|(channel, values)| {
            json!({"name": channel.name, "unit": channel.unit, "values": values})
        })
        .collect();
    json!({
        "clock": {"start": series.start, "step": series.step, "unit": series.unit},
        "channels": channels,
    })
}

/// A value as a card has it: that of an image or a series says where it is.
pub(super) fn shown(item: &str, field: &str, value: &Value) -> Json {
    let url = || format!("/api/items/{item}/fields/{}", encoded(field));
    match value {
        Value::Number(_) | Value::Text(_) => json!(value.shown()),
        Value::Image(image) => {
            json!({"url": url(), "width": image.width, "height": image.height})
        }
        Value::Series(_) => json!({"url": url()}),
    }
}

/// A field's name as a part of a path.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}
