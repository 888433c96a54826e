//! Parquet: flat columns in row groups, plain or packed with Snappy or gzip.
//!
//! Only the columns that are asked for are read, a row at a time; what a file says of its own sizes is
//! bounded before it is believed ([`pages`]).

mod pages;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::{Compression, Repetition};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use self::pages::{Fault, Packing};
use super::{Cell, ImportError, LINE_BYTES_MAX, LineError, Record, needed};
use crate::config::Source;

/// Most rows of a file.
const ROWS_MAX: i64 = 50_000_000;
/// Most columns of a file.
const COLUMNS_MAX: usize = 10_000;

/// Reads rows, and gives each to `take` with the columns that are `wanted`.
pub(super) fn read(
    file: File,
    source: &Source,
    wanted: impl Fn(&str) -> bool,
    take: &mut impl FnMut(Record) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    whole(pages::check_footer(&file).map_err(ImportError::Read)?)?;
    let pages = file.try_clone().map_err(ImportError::Read)?;
    let reader = guarded(|| SerializedFileReader::new(file))?;
    let metadata = reader.metadata();
    let columns = chosen(metadata, source, wanted)?;
    check_pages(&pages, metadata, &columns)?;
    let schema = metadata.file_metadata().schema();
    let projection = Type::group_type_builder(schema.name()).with_fields(columns).build();
    let projection = projection.map_err(|_| ImportError::Parquet { what: "its columns" })?;
    let mut rows = guarded(|| reader.get_row_iter(Some(projection)))?;
    let mut line = 0;
    // A fault of the reader on a file that nobody should have written is a fault of the file.
    while let Some(row) = guarded(|| rows.next().transpose())? {
        line += 1;
        take(Record { line, cells: cells(&row) })?;
    }
    Ok(())
}

/// Runs a part of the reader, which is no place to trust with files that are made to break it.
fn guarded<T>(run: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, ImportError> {
    let damaged = || ImportError::Parquet { what: "its data" };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| damaged())?.map_err(|_| damaged())
}

fn whole(checked: Result<(), Fault>) -> Result<(), ImportError> {
    checked.map_err(|fault| match fault {
        Fault::Form | Fault::Packing => ImportError::Parquet { what: "its form" },
        Fault::Size => ImportError::ParquetSize,
    })
}

/// The columns that are wanted, which are flat and of names that differ.
fn chosen(
    metadata: &ParquetMetaData,
    source: &Source,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Arc<Type>>, ImportError> {
    let fields = metadata.file_metadata().schema().get_fields();
    if fields.len() > COLUMNS_MAX || metadata.file_metadata().num_rows() > ROWS_MAX {
        return Err(ImportError::ParquetSize);
    }
    let columns: Vec<Arc<Type>> =
        fields.iter().filter(|field| wanted(field.name())).cloned().collect();
    needed(source, |column| columns.iter().any(|field| field.name() == column))?;
    let flat = |field: &Arc<Type>| {
        field.is_primitive() && field.get_basic_info().repetition() != Repetition::REPEATED
    };
    match columns.iter().find(|field| !flat(field)) {
        Some(nested) => {
            let field = nested.name().to_owned();
            Err(ImportError::Header(LineError::Nested { field }))
        }
        None => Ok(columns),
    }
}

fn check_pages(
    file: &File,
    metadata: &ParquetMetaData,
    columns: &[Arc<Type>],
) -> Result<(), ImportError> {
    let length = file.metadata().map_err(ImportError::Read)?.len();
    for group in metadata.row_groups() {
        for column in group.columns() {
            let path = column.column_path().parts();
            if !columns.iter().any(|wanted| path.first().is_some_and(|name| name == wanted.name()))
            {
                continue;
            }
            let packed = || ImportError::Packed { column: path.join(".") };
            let packing = match column.compression() {
                Compression::UNCOMPRESSED | Compression::SNAPPY => Packing::Bounded,
                Compression::GZIP(_) => Packing::Gzip,
                Compression::ZSTD(_)
                | Compression::BROTLI(_)
                | Compression::LZ4
                | Compression::LZ4_RAW
                | Compression::LZO => return Err(packed()),
            };
            // A dictionary lies before the data.
            let data = column.data_page_offset();
            let start = column
                .dictionary_page_offset()
                .filter(|at| *at > 0)
                .map_or(data, |at| at.min(data));
            let span = (u64::try_from(start), u64::try_from(column.compressed_size()));
            let (Ok(start), Ok(size)) = span else {
                return Err(ImportError::Parquet { what: "its form" });
            };
            let end = start.checked_add(size).filter(|end| *end <= length);
            let end = end.ok_or(ImportError::Parquet { what: "its form" })?;
            match pages::check_pages(file, start, end, packing).map_err(ImportError::Read)? {
                Err(Fault::Packing) => return Err(packed()),
                checked => whole(checked)?,
            }
        }
    }
    Ok(())
}

fn cells(row: &Row) -> Result<Vec<(String, Cell)>, LineError> {
    let (mut cells, mut bytes) = (Vec::with_capacity(row.len()), 0);
    for (name, field) in row.get_column_iter() {
        let Some(cell) = cell(field)? else { continue };
        if let Cell::Text(text) = &cell {
            bytes += text.len();
        }
        if bytes > LINE_BYTES_MAX {
            return Err(LineError::TooLong);
        }
        cells.push((name.clone(), cell));
    }
    Ok(cells)
}

/// A value; `None` for a null. Times are as Parquet shows them.
fn cell(field: &Field) -> Result<Option<Cell>, LineError> {
    // As in JSON lines: an integer beyond 2^53 would lose its last digits as a number.
    #[expect(clippy::cast_precision_loss, reason = "below 9e15 every integer is exact")]
    let whole = |number: i128| match number.unsigned_abs() < 9_000_000_000_000_000 {
        true => Cell::Number(number as f64),
        false => Cell::Text(number.to_string()),
    };
    Ok(Some(match field {
        Field::Null => return Ok(None),
        Field::Bool(value) => Cell::Text(value.to_string()),
        Field::Byte(number) => whole((*number).into()),
        Field::Short(number) => whole((*number).into()),
        Field::Int(number) => whole((*number).into()),
        Field::Long(number) => whole((*number).into()),
        Field::UByte(number) => whole((*number).into()),
        Field::UShort(number) => whole((*number).into()),
        Field::UInt(number) => whole((*number).into()),
        Field::ULong(number) => whole((*number).into()),
        Field::Float(number) => Cell::Number((*number).into()),
        Field::Double(number) => Cell::Number(*number),
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes.data()).map_err(|_| LineError::Encoding)?;
            Cell::Text(text.to_owned())
        }
        Field::Float16(_)
        | Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Cell::Text(field.to_string()),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => Cell::Nested,
    }))
}
