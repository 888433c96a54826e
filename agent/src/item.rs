//! An item's content, before and after redaction: the first two types of the privacy boundary.
//!
//! A [`RawItem`] is made by `source` alone and goes into the store sealed. A [`CleanItem`] is made
//! from a raw one by redacting every text; everything after this module sees clean items only.
//! Neither shows its content in `Debug`.

use insitu_protocol::ids::Digest;
use insitu_protocol::project::{Field, FieldKind, Project};
use serde::{Deserialize, Serialize};

use crate::store::items::{Addition, ItemRow, NewItem, Stage};
use crate::store::{StoreError, Tx};

/// Bytes of a value that may tell of whom the other values are.
pub(crate) const BESIDE_BYTES_MAX: usize = 120;
const CORRUPT: StoreError = StoreError::Corrupt { table: "items", column: "content" };

/// A field's value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Of a number field; finite.
    Number(f64),
    /// Of a category or text field.
    Text(String),
    /// Of an image field; its bytes lie beside the item.
    Image(Image),
    /// Of a series field; its values lie beside the item.
    Series(Series),
}

/// What is known of an image without its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// How it is coded.
    pub coding: Coding,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}

/// How an image is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coding {
    /// Portable network graphics.
    Png,
    /// JFIF or EXIF.
    Jpeg,
}

/// What is known of a series without its values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Time of the first value.
    pub start: f64,
    /// Time from a value to the next; above 0.
    pub step: f64,
    /// Unit of time.
    pub unit: String,
    /// Values of each channel.
    pub length: u32,
    /// BLAKE3 of its values' bytes.
    pub digest: Digest,
    /// Its channels, in the order of their values.
    pub channels: Vec<Channel>,
}

/// A channel of a series.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What is measured.
    pub name: String,
    /// In which unit.
    pub unit: String,
}

/// The values of a series, channel by channel, as bytes: `f64`, little-endian. One that is missing is
/// not a number.
pub(crate) fn encode_values(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Reads what [`encode_values`] wrote.
pub(crate) fn decode_values(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect()
}

impl Value {
    /// The value as people read it in a table: of what is no text, its size and its digest, by
    /// which two are told apart.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Image(Image { width, height, digest, .. }) => {
                format!("image {width}\u{d7}{height} {}", digest.to_hex())
            }
            Self::Series(Series { channels, length, digest, .. }) => {
                format!("series {}\u{d7}{length} {}", channels.len(), digest.to_hex())
            }
        }
    }
}

impl Series {
    /// When the last value's step ends.
    pub fn end(&self) -> f64 {
        self.step.mul_add(f64::from(self.length), self.start)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Image(..)")
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channel(..)")
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Series(..)")
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number(..)",
            Self::Text(_) => "Text(..)",
            Self::Image(_) => "Image(..)",
            Self::Series(_) => "Series(..)",
        })
    }
}

/// Fields by name; missing ones are absent.
type Fields = Vec<(String, Value)>;

/// An item as its source has it. Not redacted: it goes into the store and nowhere else.
pub struct RawItem {
    id: String,
    subject: String,
    holdout: bool,
    holdout_milli: u16,
    fields: Fields,
    generator: Option<String>,
    made_for: Option<u16>,
    media: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for RawItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawItem({} fields)", self.fields.len())
    }
}

impl RawItem {
    /// The one maker, for `source`. `subject` is the item's own id where the site names none.
    pub(crate) fn new(id: String, subject: String, holdout: bool, fields: Fields) -> Self {
        let (generator, made_for, media) = (None, None, Vec::new());
        Self { id, subject, holdout, holdout_milli: 0, fields, generator, made_for, media }
    }

    /// The same, with the bytes of its images and series by field.
    pub(crate) fn with_media(self, media: Vec<(String, Vec<u8>)>) -> Self {
        Self { media, ..self }
    }

    /// How many bytes lie beside its fields.
    pub(crate) fn media_bytes(&self) -> usize {
        self.media.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// The same, held out as well if its subject is among so many thousandths of the subjects, by a
    /// keyed hash that looks at nothing else.
    pub(crate) fn held_out_by(self, holdout_milli: u16) -> Self {
        Self { holdout_milli, ..self }
    }

    /// The same, if there is a `generator`, as a synthetic item that it made; its name may be empty.
    pub(crate) fn made_by(self, generator: Option<&str>) -> Self {
        Self { generator: generator.map(str::to_owned), ..self }
    }

    /// The same, as a synthetic item that was made for a class, if it is synthetic.
    pub(crate) fn made_for(self, class: Option<u16>) -> Self {
        let made_for = class.filter(|_| self.generator.is_some());
        Self { made_for, ..self }
    }

    /// Its short values, not redacted, by field: as [`Dirty::beside`] has them.
    pub(crate) fn beside(&self) -> Vec<(String, String)> {
        beside(&self.fields)
    }

    /// The value of a field, not redacted: for what is checked against it before it is stored.
    pub(crate) fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// Its key in the store, if its id is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn key(
        &self,
        tx: &Tx<'_>,
        project: i64,
        name: &str,
    ) -> Result<Option<i64>, StoreError> {
        tx.item_of_source(project, &tx.source_hash(name, &self.id))
    }

    /// Whether a generator made it.
    pub fn is_synthetic(&self) -> bool {
        self.generator.is_some()
    }

    /// Adds the item to the store, unless its id is there. One that is there stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add(&self, tx: &Tx<'_>, project: i64, name: &str) -> Result<Addition, StoreError> {
        let subject = tx.subject_hash(&self.subject)?;
        let drawn = tx.chosen("holdout", &subject, self.holdout_milli, 1000);
        let addition = tx.add_item(&NewItem {
            project,
            source: tx.source_hash(name, &self.id),
            subject,
            holdout: self.holdout || drawn,
            content: &encode(&self.fields)?,
            values: &encode_each(&self.fields)?,
            generator: self.generator.as_deref(),
            made_for: self.made_for,
            media: &self.media,
        })?;
        if addition == Addition::Known
            && let Some(item) = self.key(tx, project, name)?
            && let Some(field) = other_field(tx, item, &self.fields)?
        {
            return Ok(Addition::OtherContent { field });
        }
        Ok(addition)
    }
}

/// A value of an item on its way to be redacted.
#[derive(Clone, Copy, Debug)]
pub struct Dirty<'a> {
    /// The field that it is of.
    pub(crate) field: &'a str,
    /// Whether it is text. In a category or a number only what has the shape of an identifier, or a
    /// field's name that says so, is looked for.
    pub(crate) is_text: bool,
    /// The item's short values, by field: they tell of whom the texts are.
    pub(crate) beside: &'a [(String, String)],
}

/// An item whose texts are redacted.
#[derive(Clone, PartialEq)]
pub struct CleanItem {
    fields: Fields,
}

impl std::fmt::Debug for CleanItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CleanItem({} fields)", self.fields.len())
    }
}

impl CleanItem {
    /// The one maker: redacts each value of a stored, unredacted item, and the names and units of its
    /// series. A value for which there is nothing is left out, as is a number that is none any more.
    /// What becomes of an image, whose pixels stay what they are, is for `image` to say.
    ///
    /// Text fields of a newer version of the project that a store's item does not name as such
    /// were imported under the older one, as what they were then.
    ///
    /// # Errors
    /// What `redact` says of a value, or `image` of an image: the item must then be shown to nobody.
    /// [`StoreError::Corrupt`] when the content does not decode.
    pub(crate) fn redact<E: From<StoreError>>(
        row: &ItemRow,
        project: &Project,
        mut redact: impl FnMut(Dirty<'_>, &str) -> Result<Option<String>, E>,
        image: impl Fn(&Image) -> Result<(), E>,
    ) -> Result<Self, E> {
        let fields = decode(&row.content)?;
        let beside = beside(&fields);
        let mut clean = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let kind = project.field(&field).map(|field| field.kind);
            let is_text = matches!(kind, Some(FieldKind::Text) | None);
            let dirty = Dirty { field: &field, is_text, beside: &beside };
            let value = match value {
                Value::Text(text) => redact(dirty, &text)?.map(Value::Text),
                Value::Number(number) => {
                    let told = redact(Dirty { is_text: false, ..dirty }, &number.to_string())?;
                    let number = told.and_then(|told| told.parse::<f64>().ok());
                    number.filter(|number| number.is_finite()).map(Value::Number)
                }
                Value::Image(found) => {
                    image(&found)?;
                    Some(Value::Image(found))
                }
                Value::Series(mut series) => {
                    let mut text = |text: &str| {
                        let told = redact(Dirty { is_text: true, ..dirty }, text)?;
                        Ok::<_, E>(told.unwrap_or_default())
                    };
                    series.unit = text(&series.unit)?;
                    for channel in &mut series.channels {
                        channel.name = text(&channel.name)?;
                        channel.unit = text(&channel.unit)?;
                    }
                    Some(Value::Series(series))
                }
            };
            clean.extend(value.map(|value| (field, value)));
        }
        Ok(Self { fields: clean })
    }

    /// Reads back what [`CleanItem::store`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not redacted yet, or does not decode.
    pub fn load(row: &ItemRow) -> Result<Self, StoreError> {
        if matches!(row.stage, Stage::New | Stage::Quarantined) {
            return Err(StoreError::Corrupt { table: "items", column: "clean" });
        }
        Ok(Self { fields: decode(&row.content)? })
    }

    /// Replaces the raw content in the store; `false` when the item was redacted or erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(&self, tx: &Tx<'_>, row: &ItemRow) -> Result<bool, StoreError> {
        tx.set_clean(row.item, row.opaque, &encode(&self.fields)?)
    }

    /// The value of a field, if it has one.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// All fields, by name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &(String, Value)> {
        self.fields.iter()
    }

    /// A field as people read it.
    pub fn shown(&self, field: &Field) -> Option<String> {
        self.value(field.name.as_str()).map(Value::shown)
    }

    /// The bin of each of the project's features, in their order.
    pub fn bins(&self, project: &Project) -> Vec<usize> {
        project
            .features
            .iter()
            .map(|feature| match self.value(feature.field.as_str()) {
                Some(Value::Number(number)) => feature.bin_of_number(Some(*number)),
                Some(Value::Text(text)) => feature.bin_of_text(Some(text)),
                Some(Value::Image(_) | Value::Series(_)) | None => feature.bin_of_text(None),
            })
            .collect()
    }

    /// An item from fields that are not personal data: for `prelabel` on files and for tests.
    pub(crate) fn from_fields(fields: Fields) -> Self {
        Self { fields }
    }
}

/// Values that are short enough to be the name or number of somebody, by field.
pub(crate) fn beside(fields: &[(String, Value)]) -> Vec<(String, String)> {
    let short = |(name, value): &(String, Value)| {
        let text = match value {
            Value::Text(text) if text.len() <= BESIDE_BYTES_MAX => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Text(_) | Value::Image(_) | Value::Series(_) => return None,
        };
        Some((name.clone(), text))
    };
    fields.iter().filter_map(short).collect()
}

/// [`beside`] of a stored item: of one that is redacted, what is left of them.
///
/// # Errors
/// [`StoreError::Corrupt`] when the content does not decode.
pub(crate) fn beside_of(row: &ItemRow) -> Result<Vec<(String, String)>, StoreError> {
    Ok(beside(&decode(&row.content)?))
}

/// The first of these fields of which a stored item has another value: neither the one that it was imported
/// with nor what redaction made of that, as exports have it. A field that only one of both has tells nothing:
/// a file of labels need not repeat the items, and a newer version of the project may name more fields.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn other_field(
    tx: &Tx<'_>,
    item: i64,
    fields: &[(String, Value)],
) -> Result<Option<String>, StoreError> {
    let values = encode_each(fields)?;
    let others = tx.other_values(item, &values)?;
    if others.is_empty() {
        return Ok(None);
    }
    let row = tx.item(item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let is_raw = matches!(row.stage, Stage::New | Stage::Quarantined);
    let clean = if is_raw { None } else { Some(CleanItem::load(&row)?) };
    let is_clean = |field: &str| {
        let given = fields.iter().find(|(name, _)| name == field).map(|(_, value)| value);
        clean.as_ref().is_some_and(|clean| clean.value(field) == given)
    };
    Ok(others.into_iter().find(|field| !is_clean(field)).map(str::to_owned))
}

/// Each value encoded, by field.
fn encode_each(fields: &[(String, Value)]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let encoded = |(field, value): &(String, Value)| {
        let bytes = postcard::to_allocvec(value);
        bytes.map(|bytes| (field.clone(), bytes)).map_err(|_| CORRUPT)
    };
    fields.iter().map(encoded).collect()
}

fn encode(fields: &Fields) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(fields).map_err(|_| CORRUPT)
}

fn decode(bytes: &[u8]) -> Result<Fields, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| CORRUPT)
}
