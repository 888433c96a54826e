//! Images and series beside the records that name them.
//!
//! Only what people here may see is written: an image whose pixels the site has not allowed to be shown
//! is in quarantine, and not among the records. Files are called by the item's name outside the store.

use insitu_protocol::project::{FieldKind, Project, Task};

use super::record::Record;
use crate::item::{Coding, Series, Value, decode_values};
use crate::store::items::ItemRow;
use crate::store::{StoreError, Tx};

/// What a record's content is, if it is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Image,
    Series,
}

/// A file beside the records.
pub(super) struct Medium {
    /// `ID.png`, `ID.jpg` or `ID.csv`.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Width and height of an image, in pixels; of a series none.
    pub(super) size: [u32; 2],
}

impl Medium {
    /// The path of the file, from the snapshot's folder.
    pub(super) fn path(&self) -> String {
        let folder = if self.name.ends_with(".csv") { "series" } else { "images" };
        format!("{folder}/{}", self.name)
    }
}

/// Whether records of a project are about an image or a series: what the task marks, or all that there
/// is beside categories and numbers.
pub(super) fn kept(project: &Project) -> Option<Kept> {
    field(project).map(|(_, kept)| kept)
}

/// The field of that image or series.
pub(super) fn field(project: &Project) -> Option<(&str, Kept)> {
    let media = || {
        project.fields.iter().filter_map(|field| match field.kind {
            FieldKind::Image => Some((field.name.as_str(), Kept::Image)),
            FieldKind::Series => Some((field.name.as_str(), Kept::Series)),
            FieldKind::Number | FieldKind::Category | FieldKind::Text => None,
        })
    };
    match &project.task {
        Task::Regions { field, .. } | Task::Segments { field, .. } => {
            media().find(|(name, _)| *name == field.as_str())
        }
        Task::Class | Task::Classes => {
            let texts = project.fields.iter().any(|field| field.kind == FieldKind::Text);
            let mut media = media().filter(|_| !texts);
            let only = media.next();
            only.filter(|_| media.next().is_none())
        }
        Task::Spans { .. } | Task::Preference { .. } => None,
    }
}

/// The image or the series of a record.
///
/// # Errors
/// [`StoreError`].
pub(super) fn read(
    tx: &Tx<'_>,
    row: &ItemRow,
    record: &Record,
    project: &Project,
) -> Result<Option<Medium>, StoreError> {
    let Some((field, _)) = field(project) else { return Ok(None) };
    let value = record.value(field);
    let (ending, size) = match value {
        Some(Value::Image(image)) => {
            let ending = match image.coding {
                Coding::Png => "png",
                Coding::Jpeg => "jpg",
            };
            (ending, [image.width, image.height])
        }
        Some(Value::Series(_)) => ("csv", [0, 0]),
        Some(Value::Number(_) | Value::Text(_)) | None => return Ok(None),
    };
    let missing = StoreError::Corrupt { table: "media", column: "content" };
    let bytes = tx.media(row.item, &row.opaque, field)?.ok_or(missing)?;
    let bytes = match value {
        Some(Value::Series(series)) => table(series, &decode_values(&bytes)).into_bytes(),
        Some(Value::Image(_) | Value::Number(_) | Value::Text(_)) | None => bytes,
    };
    Ok(Some(Medium { name: format!("{}.{ending}", record.id), bytes, size }))
}

/// A series as a table: its clock, and a column for each channel.
fn table(series: &Series, values: &[f64]) -> String {
    let plain = |name: &str| name.replace([',', ';', '\t', '\n', '\r', '"', '[', ']'], " ");
    let title = |name: &str, unit: &str| match unit {
        "" => plain(name),
        unit => format!("{} [{}]", plain(name), plain(unit)),
    };
    let mut titles = vec![title("time", &series.unit)];
    titles.extend(series.channels.iter().map(|channel| title(&channel.name, &channel.unit)));
    let mut table = titles.join(",") + "\n";
    let length = usize::try_from(series.length).unwrap_or(usize::MAX);
    for at in 0..series.length {
        let time = f64::from(at).mul_add(series.step, series.start);
        table.push_str(&time.to_string());
        for channel in 0..series.channels.len() {
            let place = usize::try_from(at).ok().map(|at| channel * length + at);
            let value = place.and_then(|place| values.get(place)).filter(|value| !value.is_nan());
            table.push(',');
            table.push_str(&value.map_or_else(String::new, f64::to_string));
        }
        table.push('\n');
    }
    table
}
