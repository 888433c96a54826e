//! Records as a table of Parquet: the columns of CSV, with numbers as numbers.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;

use insitu_protocol::project::{FieldKind, Project};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::Value as Json;

use super::columns::OWN_COLUMNS;
use super::snapshot::{Entry, Hashed};

/// Rows of a row group.
const GROUP_ROWS: usize = 10_000;
/// Bytes of text from which on a row group ends earlier.
const GROUP_BYTES: usize = 32 * 1024 * 1024;

/// A table that is written.
pub(super) struct Table {
    writer: SerializedFileWriter<Hashed<BufWriter<File>>>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

/// A column's values of the row group to come; of a row without one only that it has none.
struct Column {
    values: Values,
    levels: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Number(Vec<f64>),
    Truth(Vec<bool>),
}

impl Table {
    /// Starts the file.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn create(project: &Project, file: Hashed<BufWriter<File>>) -> io::Result<Self> {
        let own = OWN_COLUMNS.iter().map(|name| {
            let values = match *name {
                "confidence" => Values::Number(Vec::new()),
                "holdout" => Values::Truth(Vec::new()),
                _ => Values::Text(Vec::new()),
            };
            ((*name).to_owned(), values)
        });
        let fields = project.fields.iter().map(|field| {
            let values = match field.kind {
                FieldKind::Number => Values::Number(Vec::new()),
                FieldKind::Category | FieldKind::Text | FieldKind::Image | FieldKind::Series => {
                    Values::Text(Vec::new())
                }
            };
            (name(field.name.as_str()), values)
        });
        let columns: Vec<(String, Values)> = own.chain(fields).collect();
        let types: Result<Vec<Arc<Type>>, ParquetError> =
            columns.iter().map(|(name, values)| values.column(name).map(Arc::new)).collect();
        let schema = Type::group_type_builder("records").with_fields(types.map_err(failed)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("Insitu ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let schema = Arc::new(schema.build().map_err(failed)?);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties));
        let empty = |(_, values)| Column { values, levels: Vec::new() };
        let columns = columns.into_iter().map(empty).collect();
        Ok(Self { writer: writer.map_err(failed)?, columns, rows: 0, bytes: 0 })
    }

    /// Writes a row: a value for each column.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn write(&mut self, row: &[Json]) -> io::Result<()> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += column.push(value);
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    /// Ends the file, durably.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn finish(mut self) -> io::Result<Entry> {
        self.end_group()?;
        self.writer.into_inner().map_err(failed)?.finish()
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.bytes) = (0, 0);
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            column.end(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

impl Column {
    /// Adds a value, and gives how many bytes it has.
    fn push(&mut self, value: &Json) -> usize {
        let level = i16::from(!value.is_null());
        self.levels.push(level);
        if level == 0 {
            return 0;
        }
        match &mut self.values {
            Values::Text(all) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let bytes = text.len();
                all.push(text.into_bytes().into());
                bytes
            }
            Values::Number(all) => {
                all.push(value.as_f64().unwrap_or(f64::NAN));
                8
            }
            Values::Truth(all) => {
                all.push(value.as_bool().unwrap_or_default());
                1
            }
        }
    }

    fn end(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Hashed<BufWriter<File>>>,
    ) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        let missing = || ParquetError::General("fewer columns than its schema has".to_owned());
        let mut column = group.next_column()?.ok_or_else(missing)?;
        let (levels, none) = (Some(levels.as_slice()), None);
        match &mut self.values {
            Values::Text(all) => {
                column.typed::<ByteArrayType>().write_batch(all, levels, none)?;
                all.clear();
            }
            Values::Number(all) => {
                column.typed::<DoubleType>().write_batch(all, levels, none)?;
                all.clear();
            }
            Values::Truth(all) => {
                column.typed::<BoolType>().write_batch(all, levels, none)?;
                all.clear();
            }
        }
        column.close()
    }
}

impl Values {
    fn column(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, converted) = match self {
            Self::Text(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
            Self::Number(_) => (Physical::DOUBLE, ConvertedType::NONE),
            Self::Truth(_) => (Physical::BOOLEAN, ConvertedType::NONE),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(converted)
            .build()
    }
}

/// A field's column, which no column of the record's own is called like.
pub(super) fn name(field: &str) -> String {
    if OWN_COLUMNS.contains(&field) { format!("field_{field}") } else { field.to_owned() }
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
