//! YOLO: a folder of images, with a text file of boxes or polygons for each, and the classes' names in
//! `data.yaml` or `classes.txt`.
//!
//! `images/train/scan.png` has its marks in `labels/train/scan.txt`, and without such folders beside
//! it. An image without such a file is an item without a label; an empty file says that there is
//! nothing to mark. A line is `class x y width height`, with the middle of a box, or
//! `class x1 y1 x2 y2 x3 y3 …`, a polygon; all as parts of the image's sides.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Map;

use super::said::Said;
use super::{Ask, Bad, Content, Found, Take};
use crate::label::Shape;
use crate::source::folder::{self, FILES_MAX};
use crate::source::{ImportError, LineError};

/// What images end with.
const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];
/// Where classes may be named, and how.
const NAMES: [&str; 3] = ["data.yaml", "data.yml", "classes.txt"];

/// Reads an item from each image, and its label from the file that belongs to it.
pub(super) fn read(ask: &Ask<'_>, root: &Path, take: Take<'_>) -> Result<(), ImportError> {
    let content = Content::image(ask.project)?;
    let files = folder::files(root, FILES_MAX)?;
    let named = NAMES.iter().find(|name| files.paths.iter().any(|path| path == *name));
    let names = match named {
        None => Err((None, LineError::NoNames)),
        Some(name) => names(root, name).map_err(|reason| (Some(*name), reason)),
    };
    let names = match names {
        Ok(names) => names,
        Err((file, reason)) => {
            return take(Err(Bad { file: file.map(str::to_owned), line: 1, reason }));
        }
    };
    let mut marked: BTreeSet<&str> =
        files.paths.iter().map(String::as_str).filter(is_marks).collect();
    for image in files.paths.iter().filter(|path| is_image(path)) {
        let marks = marks_of(image);
        let known = marked.remove(marks.as_str());
        let mut record = Map::new();
        let own = image.strip_prefix("images/").unwrap_or(image);
        content.put(&mut record, ask, image.clone(), Some(own.into()));
        let found = match known {
            false => Ok(None),
            true => regions(root, &marks, &names).map(Some),
        };
        take(match found {
            Ok(said) => ask.labeled_in(Some(image), 1, Ok(Found { record, said, guess: None })),
            Err((line, reason)) => ask.labeled_in(Some(&marks), line, Err(reason)),
        })?;
    }
    for file in marked {
        let reason = LineError::NoImage;
        take(Err(Bad { file: Some(file.to_owned()), line: 1, reason }))?;
    }
    super::deep(files.too_deep, take)
}

fn is_image(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| IMAGES.contains(&extension.as_str()))
}

/// Whether a file may hold marks: those in a folder of labels do.
fn is_marks(path: &&str) -> bool {
    path.ends_with(".txt") && path.split('/').any(|folder| folder == "labels")
}

/// The file of an image's marks: the last folder `images` of its path is `labels` there.
fn marks_of(image: &str) -> String {
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    let mut parts: Vec<&str> = stem.split('/').collect();
    let folders = parts.len().saturating_sub(1);
    if let Some(at) = parts[..folders].iter().rposition(|folder| *folder == "images") {
        parts[at] = "labels";
    }
    parts.join("/") + ".txt"
}

fn regions(root: &Path, path: &str, names: &[String]) -> Result<Said, (u64, LineError)> {
    let text = folder::file_text(&root.join(path)).map_err(|reason| (1, reason))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let region =
        |(number, line): (u64, &str)| region(line, names).map_err(|reason| (number, reason));
    let regions: Result<Vec<(String, Shape)>, _> = lines.map(region).collect();
    Ok(Said::Regions(regions?, None))
}

fn region(line: &str, names: &[String]) -> Result<(String, Shape), LineError> {
    let mut parts = line.split_whitespace();
    let class = parts.next().and_then(|class| class.parse::<usize>().ok());
    let name = class.and_then(|class| names.get(class)).ok_or(LineError::NoSuchName)?;
    let numbers: Option<Vec<f64>> = parts.map(|part| part.parse::<f64>().ok()).collect();
    let numbers = numbers.filter(|all| all.iter().all(|number| number.is_finite()));
    let numbers = numbers.ok_or(LineError::NotAMark)?;
    let percent = |part: f64| 100.0 * part;
    let shape = match (numbers.as_slice(), numbers.as_chunks::<2>()) {
        ([x, y, width, height], _) => Shape::Box {
            x: percent(x - width / 2.0),
            y: percent(y - height / 2.0),
            width: percent(*width),
            height: percent(*height),
        },
        ([_, _, _, _, _], _) => {
            return Err(LineError::Unsupported { what: "a prediction with its confidence" });
        }
        (_, (points @ [_, _, _, ..], [])) => {
            Shape::Polygon(points.iter().map(|point| point.map(percent)).collect())
        }
        _ => return Err(LineError::NotAMark),
    };
    Ok((name.clone(), shape))
}

/// The classes' names, by their numbers.
fn names(root: &Path, file: &str) -> Result<Vec<String>, LineError> {
    let text = folder::file_text(&root.join(file))?;
    let names = match file.ends_with(".txt") {
        true => text.lines().map(|line| line.trim().to_owned()).collect(),
        false => in_yaml(&text).ok_or(LineError::NoNames)?,
    };
    Ok(names)
}

/// `names` of a `data.yaml`: a list or a map with numbers, in a line or on lines of their own. Nothing
/// else of YAML is understood, since nothing else is written there.
fn in_yaml(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().map(|line| apart(line, is_comment)[0].trim_end());
    let first = lines.by_ref().find_map(|line| line.strip_prefix("names:"))?.trim();
    let entries: Vec<(Option<usize>, String)> = if let Some(list) = first.strip_prefix('[') {
        let names = apart(list.strip_suffix(']')?, is_comma).into_iter();
        names.map(|name| Some((None, plain(name)?))).collect::<Option<_>>()?
    } else if let Some(map) = first.strip_prefix('{') {
        apart(map.strip_suffix('}')?, is_comma).into_iter().map(numbered).collect::<Option<_>>()?
    } else if first.is_empty() {
        let block = lines.filter(|line| !line.trim().is_empty());
        let mut entries = Vec::new();
        for line in block {
            match (line.trim_start().strip_prefix("- "), line.starts_with([' ', '\t'])) {
                (Some(name), _) => entries.push((None, plain(name)?)),
                (None, true) => entries.push(numbered(line)?),
                (None, false) => break, // the next key
            }
        }
        entries
    } else {
        return None;
    };
    let mut names = Vec::with_capacity(entries.len());
    for (at, (number, name)) in entries.into_iter().enumerate() {
        if number.is_some_and(|number| number != at) {
            return None; // numbers with gaps name classes by chance
        }
        names.push(name);
    }
    (!names.is_empty()).then_some(names)
}

fn numbered(entry: &str) -> Option<(Option<usize>, String)> {
    let (number, name) = entry.split_once(':')?;
    Some((Some(number.trim().parse().ok()?), plain(name)?))
}

fn is_comma(_: char, c: char) -> bool {
    c == ','
}

/// A comment follows a space.
fn is_comment(before: char, c: char) -> bool {
    c == '#' && before.is_whitespace()
}

/// The parts of a line between what `parts` it, by a character and the one before it, outside of
/// quotations. A mark within a plain name, as in `it's`, begins none.
fn apart(line: &str, parts: impl Fn(char, char) -> bool) -> Vec<&str> {
    let (mut all, mut from) = (Vec::new(), 0);
    let (mut quotation, mut escaped, mut before) = (None, false, ' ');
    for (at, c) in line.char_indices() {
        match quotation {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(mark) if c == mark => quotation = None,
            Some(_) => {}
            // Two marks in a quotation are one of its text.
            None if matches!(c, '"' | '\'') && (before == c || " \t[{,:".contains(before)) => {
                quotation = Some(c);
            }
            None if parts(before, c) => {
                all.push(&line[from..at]);
                from = at + c.len_utf8();
            }
            None => {}
        }
        before = c;
    }
    all.push(&line[from..]);
    all
}

/// A name without its quotation marks; `None` for an escape that no name needs.
fn plain(name: &str) -> Option<String> {
    let name = name.trim();
    let quoted = |mark: char| name.strip_prefix(mark)?.strip_suffix(mark);
    if let Some(quoted) = quoted('\'') {
        return Some(quoted.replace("''", "'"));
    }
    let Some(quoted) = quoted('"') else { return Some(name.to_owned()) };
    let (mut plain, mut rest) = (String::new(), quoted.chars());
    while let Some(c) = rest.next() {
        let digits = match c {
            '\\' => match rest.next()? {
                c @ ('\\' | '"' | '/' | ' ') => {
                    plain.push(c);
                    continue;
                }
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => return None,
            },
            c => {
                plain.push(c);
                continue;
            }
        };
        let digits: String = rest.by_ref().take(digits).collect();
        plain.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_yaml_are_read_as_other_programs_write_them() {
        for (yaml, expected) in [
            ("names: [a, 'b, c', \"d\"] # e", Some(vec!["a", "b, c", "d"])),
            ("names: ['it''s, \"a\"', <b> & c]", Some(vec!["it's, \"a\"", "<b> & c"])),
            ("nc: 2\nnames: {0: a, 1: \"b: #1\"}\n", Some(vec!["a", "b: #1"])),
            // As this agent, and as PyYAML, write the same names.
            (
                "names:\n  0: \"it's: a \\\"test\\\" #1\"\n  1: \"back\\\\slash, \u{e9}\"\nval: x\n",
                Some(vec!["it's: a \"test\" #1", "back\\slash, \u{e9}"]),
            ),
            (
                "names:\n- 'it''s: a \"test\" #1'\n- \"back\\\\slash, \\xE9 \\U0001F642\"\nnc: 2\n",
                Some(vec!["it's: a \"test\" #1", "back\\slash, \u{e9} \u{1f642}"]),
            ),
            ("names:\n- it's # said\n- a#b\n", Some(vec!["it's", "a#b"])),
            ("names:\n- \"\\q\"\n", None),
            ("names:\n  0: a\n  2: b\n", None),
            ("nc: 2\n", None),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect());
            assert_eq!(in_yaml(yaml), expected, "{yaml}");
        }
    }
}
