//! Files in folders of a snapshot, and the check of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Component, Path};

use super::snapshot::{Entry, FILES_MAX, LIST, PARTS, SIGNATURE, Snapshot, fault};

/// Longest line of the list of files.
const LINE_BYTES_MAX: u64 = 4096;
/// Most files in folders.
const PARTS_MAX: usize = 4_000_000;
/// Faults in files of folders that are told.
const FAULTS_MAX: usize = 20;
/// Deepest folder.
const DEPTH_MAX: usize = 3;

/// Checks each file that the list names, and gives their names.
///
/// # Errors
/// As reading; a list that cannot be understood is [`io::ErrorKind::InvalidData`].
pub(super) fn check(folder: &Path, faults: &mut Vec<String>) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    // That it is missing is told of it as of any file.
    let Ok(list) = File::open(folder.join(PARTS)) else { return Ok(names) };
    let (mut list, mut line) = (BufReader::new(list), String::new());
    let mut more = 0_u64;
    loop {
        line.clear();
        let got = (&mut list).take(LINE_BYTES_MAX).read_line(&mut line)?;
        if got == 0 {
            break;
        }
        let entry: Entry = match serde_json::from_str(&line) {
            Ok(entry) if names.len() < PARTS_MAX => entry,
            // Told once: the list has been changed, or is too long to be one.
            Ok(_) | Err(_) => {
                faults.push(format!("{PARTS} is not a list of at most {PARTS_MAX} files"));
                break;
            }
        };
        let found = if inside(&entry.name) {
            fault(folder, &entry)?
        } else {
            Some(format!("{PARTS} names {:?}, which is no file of a folder here", entry.name))
        };
        match found {
            Some(found) if faults.len() < FAULTS_MAX => faults.push(found),
            Some(_) => more += 1,
            None => {}
        }
        names.insert(entry.name);
    }
    if more > 0 {
        faults.push(format!("{more} more files in folders are not as they were signed"));
    }
    Ok(names)
}

/// A file in a folder of the snapshot, and nowhere else.
fn inside(name: &str) -> bool {
    let path = Path::new(name);
    let parts = path.components().count();
    path.components().all(|part| matches!(part, Component::Normal(_)))
        && (2..=DEPTH_MAX + 1).contains(&parts)
}

/// What is there and belongs to nothing.
///
/// # Errors
/// As reading.
pub(super) fn extra(
    folder: &Path,
    said: &Snapshot,
    parts: &BTreeSet<String>,
) -> io::Result<Vec<String>> {
    let mut extra = Vec::new();
    for file in fs::read_dir(folder)?.take(4 * FILES_MAX) {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if file.file_type()?.is_dir() && !parts.is_empty() {
            look(&file.path(), &name, 1, parts, &mut extra)?;
            continue;
        }
        let known = name == LIST || name == SIGNATURE;
        if !known && said.files.iter().all(|entry| entry.name != name) {
            extra.push(name);
        }
    }
    extra.sort();
    Ok(extra)
}

fn look(
    folder: &Path,
    prefix: &str,
    depth: usize,
    parts: &BTreeSet<String>,
    extra: &mut Vec<String>,
) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        if extra.len() >= FAULTS_MAX {
            return Ok(());
        }
        let file = file?;
        let name = format!("{prefix}/{}", file.file_name().to_string_lossy());
        if file.file_type()?.is_dir() && depth < DEPTH_MAX {
            look(&file.path(), &name, depth + 1, parts, extra)?;
        } else if !parts.contains(&name) {
            extra.push(name);
        }
    }
    Ok(())
}
