//! A folder of images or series: an item for each file.

use std::fs::{self, DirEntry, File, ReadDir};
use std::io::{self, Read as _};
use std::path::Path;

use insitu_protocol::project::{Field, FieldKind, Project};

use super::{Cell, ImportError, LINE_BYTES_MAX, LineError, Record};
use crate::config::Source;

/// Most files of a folder.
pub(crate) const FILES_MAX: usize = 1_000_000;
/// Deepest folder in a folder.
pub(crate) const DEPTH_MAX: usize = 8;

/// The files of a folder.
#[derive(Default)]
pub(crate) struct Files {
    /// Their paths there, with `/` between names, in order.
    pub(crate) paths: Vec<String>,
    /// Folders that lie deeper than [`DEPTH_MAX`] and were not looked into.
    pub(crate) too_deep: u64,
}

/// Gives a record for each file of the folder and of the folders in it to `take`, in the order of
/// their paths. Its path is the item's id and the value of the project's only image or series
/// field; the first folder of the path, if there is one, is the subject. Gives these files, a line each.
pub(super) fn read(
    folder: &Path,
    project: &Project,
    source: &Source,
    take: &mut impl FnMut(Record) -> Result<(), ImportError>,
) -> Result<Files, ImportError> {
    let field = media_field(project).ok_or(ImportError::NoMediaField)?;
    let files = files(folder, FILES_MAX)?;
    for (path, line) in files.paths.iter().zip(1..) {
        take(Record { line, cells: Ok(cells(path, field, source)) })?;
    }
    Ok(files)
}

/// The name of the project's only image or series field.
pub(crate) fn media_field(project: &Project) -> Option<&str> {
    only(project, is_media).map(|field| field.name.as_str())
}

/// Whether a field's value is a file of its own.
pub(super) fn is_media(kind: FieldKind) -> bool {
    match kind {
        FieldKind::Image | FieldKind::Series => true,
        FieldKind::Number | FieldKind::Category | FieldKind::Text => false,
    }
}

/// The project's only field of a kind that is wanted.
pub(super) fn only(project: &Project, wanted: impl Fn(FieldKind) -> bool) -> Option<&Field> {
    let mut fields = project.fields.iter().filter(|field| wanted(field.kind));
    match (fields.next(), fields.next()) {
        (Some(field), None) => Some(field),
        _ => None,
    }
}

/// The columns of a file that is an item.
pub(crate) fn cells(path: &str, field: &str, source: &Source) -> Vec<(String, Cell)> {
    let mut cells = vec![
        (source.id.clone(), Cell::Text(path.to_owned())),
        (field.to_owned(), Cell::Text(path.to_owned())),
    ];
    if let (Some(column), Some((subject, _))) = (&source.subject, path.split_once('/')) {
        cells.push((column.clone(), Cell::Text(subject.to_owned())));
    }
    cells
}

/// The files of a folder and of the folders in it, as [`Walk`] finds them.
///
/// # Errors
/// [`ImportError::Read`], also when there are more than `limit`.
pub(crate) fn files(folder: &Path, limit: usize) -> Result<Files, ImportError> {
    let mut walk = Walk::new(folder, None)?;
    let mut paths = Vec::new();
    for path in walk.by_ref() {
        let path = path?;
        if paths.len() == limit {
            let text = format!("more than {limit} files");
            return Err(ImportError::Read(io::Error::other(text)));
        }
        paths.push(path);
    }
    paths.sort_unstable();
    Ok(Files { paths, too_deep: walk.too_deep })
}

/// Finds the files of a folder and of the folders in it, in no order: their paths there, with `/`
/// between names. Links are passed over, as are names that are not UTF-8 or begin with a dot.
pub(crate) struct Walk<'a> {
    /// The folders that are being listed, each in the one before it, and what paths in them begin with.
    open: Vec<(ReadDir, String)>,
    /// What is not looked at, with all that is in it.
    left_out: Option<&'a Path>,
    /// Folders that lie deeper than [`DEPTH_MAX`] and were not looked into.
    too_deep: u64,
}

impl<'a> Walk<'a> {
    /// # Errors
    /// [`ImportError::Read`].
    pub(crate) fn new(folder: &Path, left_out: Option<&'a Path>) -> Result<Self, ImportError> {
        let entries = fs::read_dir(folder).map_err(ImportError::Read)?;
        Ok(Self { open: vec![(entries, String::new())], left_out, too_deep: 0 })
    }

    /// The path of an entry that is a file; a folder is opened.
    fn enter(&mut self, entry: &DirEntry, prefix: &str) -> io::Result<Option<String>> {
        let (kind, path) = (entry.file_type()?, entry.path());
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            return Ok(None);
        };
        if self.left_out.is_some_and(|left_out| path.starts_with(left_out)) {
            return Ok(None);
        }
        if kind.is_dir() && self.open.len() > DEPTH_MAX {
            self.too_deep += 1;
        } else if kind.is_dir() {
            self.open.push((fs::read_dir(path)?, format!("{prefix}{name}/")));
        }
        Ok(kind.is_file().then(|| format!("{prefix}{name}")))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<String, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (entries, prefix) = self.open.last_mut()?;
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let prefix = prefix.clone();
            let found = entry.and_then(|entry| self.enter(&entry, &prefix));
            if let Some(found) = found.map_err(ImportError::Read).transpose() {
                return Some(found);
            }
        }
    }
}

/// The text of a file in a folder.
pub(super) fn file_text(path: &Path) -> Result<String, LineError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|_| LineError::Unreadable)?;
    if bytes.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| LineError::Encoding)?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(unmarked) => unmarked.to_owned(),
        None => text,
    })
}
