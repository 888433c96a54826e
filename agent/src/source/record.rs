//! A record becomes an item: its columns' values, and the images and series that it names.

use std::collections::BTreeMap;

use insitu_protocol::project::{FieldKind, Project, Task};
use serde_json::Map;

use super::folder::is_media;
use super::{Cell, ImportError, LineError, Report, Rules, add, json, media};
use crate::config::Source;
use crate::item::{RawItem, Value};
use crate::store::Store;
use crate::store::orders::ProjectRow;

/// Imports a record whose images and series are at hand, by field, instead of in a folder. Only what
/// its project's fields name is kept.
///
/// # Errors
/// As [`super::import`].
pub(crate) fn import_held(
    store: &Store,
    project: &ProjectRow,
    source: &Source,
    record: Map<String, serde_json::Value>,
    mut held: BTreeMap<String, Vec<u8>>,
) -> Result<Report, ImportError> {
    let rules = Rules { source, made: None, folder: None };
    let mut report = Report { read: 1, ..Report::default() };
    let cells = json::cells_of(record);
    let item = raw_item_with(&project.definition, rules, cells, |kind, name, _| {
        let bytes =
            held.remove(name).ok_or_else(|| LineError::NoFolder { field: name.to_owned() })?;
        if kind == FieldKind::Image {
            media::image_of(name, bytes)
        } else {
            media::series_of(name, &bytes)
        }
    });
    match item {
        Ok(item) => add(store, project, None, &mut vec![(1, item)], &mut report)?,
        Err(reason) => report.refuse(1, reason),
    }
    Ok(report)
}

/// The item that a record is, with the images and series that it names.
///
/// # Errors
/// [`LineError`].
pub(crate) fn raw_item(
    project: &Project,
    rules: Rules<'_>,
    cells: Vec<(String, Cell)>,
) -> Result<RawItem, LineError> {
    raw_item_with(project, rules, cells, |kind, name, path| {
        let read = if kind == FieldKind::Image { media::image } else { media::series };
        read(name, rules.folder, path)
    })
}

/// [`raw_item`] whose images and series `read` finds, by their field and what names them.
fn raw_item_with(
    project: &Project,
    rules: Rules<'_>,
    cells: Vec<(String, Cell)>,
    mut read: impl FnMut(FieldKind, &str, &str) -> Result<media::Media, LineError>,
) -> Result<RawItem, LineError> {
    let Rules { source, made, .. } = rules;
    let (id, subject) = identities(&cells, project, source)?;
    let holdout = source.holdout.as_ref().is_some_and(|h| {
        let named = plain(&cells, &h.column);
        named.as_ref() == Some(&h.value)
    });
    let made_for = match made.and_then(|made| made.label) {
        Some(column) => class(project, column, plain(&cells, column))?,
        None => None,
    };
    let mut fields = Vec::with_capacity(project.fields.len());
    let mut media = Vec::new();
    for (name, cell) in cells {
        let Some(field) = project.field(&name) else { continue };
        if !is_media(field.kind) {
            if let Some(value) = value(field.kind, &name, cell)? {
                fields.push((name, value));
            }
            continue;
        }
        if let Some(path) = value(FieldKind::Text, &name, cell)? {
            let found = read(field.kind, &name, &path.shown())?;
            if matches!(&project.task, Task::Regions { field, .. } if field.as_str() == name) {
                media::check_upright(&name, &found)?;
            }
            let (value, bytes) = found;
            media.push((name.clone(), bytes));
            fields.push((name, value));
        }
    }
    let generator = made.map(|made| made.generator);
    let item = RawItem::new(id, subject, holdout, fields).held_out_by(source.holdout_milli());
    Ok(item.made_by(generator).made_for(made_for).with_media(media))
}

/// The values of a record as an import of it would keep them, but for images and series. What would be
/// refused is left out.
pub(crate) fn values(
    project: &Project,
    record: &Map<String, serde_json::Value>,
) -> Vec<(String, Value)> {
    let value = |(name, cell): (String, Cell)| {
        let kind = project.field(&name)?.kind;
        let value = if is_media(kind) { None } else { value(kind, &name, cell).ok()? };
        Some((name, value?))
    };
    json::cells_of(record.clone()).into_iter().filter_map(value).collect()
}

/// A record's own id, and its subject: a named one, or the item itself.
///
/// # Errors
/// [`LineError::Unidentified`].
pub(super) fn identities(
    cells: &[(String, Cell)],
    project: &Project,
    source: &Source,
) -> Result<(String, String), LineError> {
    let identify = |column: &str, what| {
        identity(cells, column)
            .ok_or_else(|| LineError::Unidentified { column: column.to_owned(), what })
    };
    let id = identify(&source.id, "item")?;
    let subject = match &source.subject {
        Some(column) => identify(column, "subject")?,
        // Apart from every named subject, or two projects' equal ids would be one person.
        None => format!("item\u{0}{}\u{0}{id}", project.name),
    };
    Ok((id, subject))
}

/// The class that a column names, where it has a value.
fn class(project: &Project, column: &str, name: Option<String>) -> Result<Option<u16>, LineError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let class = project.class_named(&name);
    class.map(Some).ok_or_else(|| LineError::NotAClass { column: column.to_owned() })
}

/// A column's value as it identifies an item or a subject; never empty.
pub(super) fn identity(cells: &[(String, Cell)], column: &str) -> Option<String> {
    plain(cells, column).filter(|id| !id.is_empty())
}

pub(super) fn plain(cells: &[(String, Cell)], column: &str) -> Option<String> {
    cells.iter().find(|(name, _)| name == column).map(|(_, cell)| match cell {
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.trim().to_owned(),
        Cell::Nested => String::new(),
    })
}

fn value(kind: FieldKind, name: &str, cell: Cell) -> Result<Option<Value>, LineError> {
    let number = |number: Option<f64>| {
        number
            .filter(|number| number.is_finite())
            .map(|number| Some(Value::Number(number)))
            .ok_or_else(|| LineError::NotANumber { field: name.to_owned() })
    };
    match (kind, cell) {
        (FieldKind::Number, Cell::Number(given)) => number(Some(given)),
        (_, Cell::Nested) => Err(LineError::Nested { field: name.to_owned() }),
        (_, Cell::Text(text)) if text.trim().is_empty() => Ok(None),
        (FieldKind::Number, Cell::Text(text)) => number(text.trim().parse().ok()),
        (FieldKind::Category, Cell::Text(text)) => Ok(Some(Value::Text(text.trim().to_owned()))),
        (FieldKind::Text, Cell::Text(text)) => Ok(Some(Value::Text(text))),
        // Of an image or a series, this is the path of its file.
        (FieldKind::Image | FieldKind::Series, Cell::Text(text)) => Ok(Some(Value::Text(text))),
        (_, Cell::Number(given)) => Ok(Some(Value::Text(given.to_string()))),
    }
}
