//! A folder of images or series: an item for each file.

use std::fs;
use std::io;
use std::path::Path;

use insitu_protocol::project::{FieldKind, Project};

use super::{Cell, ImportError, Record};
use crate::config::Source;

/// Most files of a folder.
pub(super) const FILES_MAX: usize = 1_000_000;
/// Deepest folder in a folder.
const DEPTH_MAX: usize = 8;

/// Gives a record for each file of the folder and of the folders in it to `take`, in the order of
/// their paths. Its path is the item's id and the value of the project's only image or series
/// field; the first folder of the path, if there is one, is the subject.
pub(super) fn read(
    folder: &Path,
    project: &Project,
    source: &Source,
    take: &mut impl FnMut(Record) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut fields = project.fields.iter().filter(|field| match field.kind {
        FieldKind::Image | FieldKind::Series => true,
        FieldKind::Number | FieldKind::Category | FieldKind::Text => false,
    });
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return Err(ImportError::NoMediaField);
    };
    let mut paths = Vec::new();
    walk(folder, "", 0, &mut paths)?;
    paths.sort_unstable();
    for (path, line) in paths.into_iter().zip(1..) {
        let mut cells = vec![
            (source.id.clone(), Cell::Text(path.clone())),
            (field.name.to_string(), Cell::Text(path.clone())),
        ];
        if let (Some(column), Some((subject, _))) = (&source.subject, path.split_once('/')) {
            cells.push((column.clone(), Cell::Text(subject.to_owned())));
        }
        take(Record { line, cells: Ok(cells) })?;
    }
    Ok(())
}

/// Links are passed over, as are names that are not UTF-8 or begin with a dot.
fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<(), ImportError> {
    let entries = fs::read_dir(folder).map_err(ImportError::Read)?;
    for entry in entries {
        let entry = entry.map_err(ImportError::Read)?;
        let kind = entry.file_type().map_err(ImportError::Read)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if kind.is_dir() && depth < DEPTH_MAX {
            walk(&entry.path(), &path, depth + 1, paths)?;
        } else if kind.is_file() {
            if paths.len() == FILES_MAX {
                let text = format!("more than {FILES_MAX} files");
                return Err(ImportError::Read(io::Error::other(text)));
            }
            paths.push(path);
        }
    }
    Ok(())
}
