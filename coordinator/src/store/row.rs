//! Columns to values and back. A column that does not hold what it should fails the transaction.

use std::fmt;
use std::str::FromStr;

use insitu_protocol::bytes::Fixed;
use rusqlite::Row;
use rusqlite::types::Type;

/// A name, parsed again: the file may have been edited by hand.
pub(super) fn name<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get::<_, String>(column)?.parse().map_err(|error| corrupt(column, Type::Text, error))
}

/// As [`name`], for a column that may be null.
pub(super) fn name_or_null<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse()).transpose().map_err(|error| corrupt(column, Type::Text, error))
}

/// A digest or an identifier.
pub(super) fn fixed<const N: usize>(row: &Row<'_>, column: usize) -> rusqlite::Result<Fixed<N>> {
    row.get(column).map(Fixed)
}

/// A digest or an identifier, or null.
pub(super) fn fixed_or_null<const N: usize>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<Fixed<N>>> {
    Ok(row.get::<_, Option<[u8; N]>>(column)?.map(Fixed))
}

/// A value of our wire format.
pub(super) fn wire<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let bytes: Vec<u8> = row.get(column)?;
    postcard::from_bytes(&bytes).map_err(|error| corrupt(column, Type::Blob, error))
}

/// A word of a closed list.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: usize,
    known: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    known(&text).ok_or_else(|| corrupt(column, Type::Text, UnknownWord))
}

/// As [`word`], for a column that may be null.
pub(super) fn word_or_null<T>(
    row: &Row<'_>,
    column: usize,
    known: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let read = |text: String| known(&text).ok_or_else(|| corrupt(column, Type::Text, UnknownWord));
    text.map(read).transpose()
}

/// A failure to read a column.
pub(super) fn corrupt(
    column: usize,
    found: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, Box::new(error))
}

/// A column that holds something else than this program writes.
#[derive(Debug)]
struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value that this program writes")
    }
}

impl std::error::Error for UnknownWord {}
