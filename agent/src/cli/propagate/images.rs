//! Drafts from equal and nearly equal pictures: PNG and JPEG, by a perceptual hash.
//!
//! A picture that cannot be read gets no draft and is reported; the others go on.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use insitu_daemon::exit;
use insitu_measure::propagation::perceptual_hash;
use serde_json::json;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::arguments::PropagateArguments;
use super::source::{Items, Source};
use super::{find, write};
use crate::cli::columns::{Categories, Fault, InputError, read};
use crate::cli::{Outcome, complain};

/// Largest file of a picture, and most points of one.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
const SIDE_MAX: usize = 20_000;
const POINTS_MAX: usize = 1 << 26;
/// Most pictures of a folder.
const PICTURES_MAX: usize = 1_000_000;
/// Side of the grey picture that is hashed.
const SIDE: usize = 32;

/// Pictures by what they show.
pub(super) struct Pictures {
    /// What errors call them.
    pub(super) name: String,
    /// BLAKE3 of each file; none of one that cannot be read.
    pub(super) digests: Vec<Option<String>>,
    pub(super) fingerprints: Vec<u64>,
}

/// Why a picture has no fingerprint.
#[derive(Debug, thiserror::Error)]
enum PictureError {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("has more than {FILE_BYTES_MAX} bytes")]
    TooLong,
    #[error("is neither PNG nor JPEG")]
    Format,
    #[error("is no valid PNG")]
    Png(#[from] png::DecodingError),
    #[error("is no valid JPEG: {0}")]
    Jpeg(String),
    #[error("has {width} x {height} points, more than the limit of {POINTS_MAX}")]
    TooLarge { width: usize, height: usize },
}

/// Propagates labels among the pictures of a folder, or of a file's column `path`.
pub(super) fn propagate(
    path: &Path,
    arguments: &PropagateArguments,
    out: &mut impl Write,
) -> Outcome {
    let (items, unread) = if path.is_dir() { of_folder(path)? } else { of_file(path)? };
    let findings = find(&items, arguments)?;
    let closing = format!("{} pictures cannot be read\n", unread.len());
    write(&items, &findings, arguments.json, if unread.is_empty() { "" } else { &closing }, out)?;
    for (row, error) in &unread {
        let error = crate::store::explain(error);
        if arguments.json {
            let line = json!({"id": items.names[*row], "label": null, "error": error});
            writeln!(out, "{line}")?;
        } else {
            complain(&format!("{}: {error}", items.names[*row]));
        }
    }
    Ok(if unread.is_empty() { exit::DONE } else { exit::REFUSED })
}

type Found = (Items<'static>, Vec<(usize, PictureError)>);

/// A table of pictures: columns `path`, beside the file, and `label`.
fn of_file(path: &Path) -> Result<Found, InputError> {
    let table = read(path)?;
    let column = table.need(None, &["path"])?;
    let label = table.need(None, &["label"])?;
    let categories = Categories::of(&table, &[label], &[])?;
    let labels = (0..table.rows())
        .map(|row| categories.at(&table, label, row))
        .collect::<Result<Vec<_>, InputError>>()?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let paths = (0..table.rows())
        .map(|row| Ok(folder.join(table.text(column, row)?)))
        .collect::<Result<Vec<_>, InputError>>()?;
    let id = table.choose(None, &["id", "item", "item_id"])?.unwrap_or(column);
    let names = table.identifiers(Some(id));
    hashed(path, names, &paths, labels, categories.names().to_vec())
}

/// A folder of pictures: those in a folder of their own are labeled with its name, those beside the
/// folders are open.
fn of_folder(folder: &Path) -> Result<Found, InputError> {
    let unreadable = |source| fault(folder, Fault::Read(source));
    let (mut names, mut paths, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    let mut categories: Vec<String> = Vec::new();
    for entry in entries(folder).map_err(unreadable)? {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if !entry.is_dir() {
            names.push(name);
            paths.push(entry);
            labels.push(None);
            continue;
        }
        let category = u32::try_from(categories.len()).unwrap_or(u32::MAX);
        for inner in entries(&entry).map_err(unreadable)?.into_iter().filter(|path| path.is_file())
        {
            let file = inner.file_name().map(|name| name.to_string_lossy().into_owned());
            names.push(format!("{name}/{}", file.unwrap_or_default()));
            paths.push(inner);
            labels.push(Some(category));
        }
        categories.push(name);
    }
    hashed(folder, names, &paths, labels, categories)
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        entries.push(entry?.path());
        if entries.len() > PICTURES_MAX {
            return Err(io::Error::other(format!("more than {PICTURES_MAX} files")));
        }
    }
    entries.sort();
    Ok(entries)
}

fn hashed(
    path: &Path,
    names: Vec<String>,
    paths: &[PathBuf],
    labels: Vec<Option<u32>>,
    categories: Vec<String>,
) -> Result<Found, InputError> {
    if labels.iter().all(Option::is_none) {
        let text = "no picture has a label to propagate".to_owned();
        return Err(fault(path, Fault::Shape(text)));
    }
    let (mut digests, mut fingerprints, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for (row, path) in paths.iter().enumerate() {
        let (digest, fingerprint) = match fingerprint(path) {
            Ok((digest, fingerprint)) => (Some(digest), fingerprint),
            Err(error) => {
                unread.push((row, error));
                (None, 0)
            }
        };
        digests.push(digest);
        fingerprints.push(fingerprint);
    }
    let name = path.display().to_string();
    let source = Source::Pictures(Pictures { name, digests, fingerprints });
    Ok((Items { names, labels, categories, source }, unread))
}

fn fault(path: &Path, fault: Fault) -> InputError {
    InputError { file: path.display().to_string(), line: None, fault }
}

/// Digest of a picture's file, and the fingerprint of what it shows.
fn fingerprint(path: &Path) -> Result<(String, u64), PictureError> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(path)?).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(PictureError::TooLong);
    }
    let grey = if bytes.starts_with(b"\x89PNG") {
        png(&bytes)?
    } else if bytes.starts_with(b"\xff\xd8") {
        jpeg(&bytes)?
    } else {
        return Err(PictureError::Format);
    };
    let hash = perceptual_hash(&grey.shrunk()).map_err(|_| PictureError::Format)?;
    Ok((blake3::hash(&bytes).to_hex().to_string(), hash))
}

/// A grey picture, row-major.
struct Grey {
    width: usize,
    height: usize,
    points: Vec<u8>,
}

fn png(bytes: &[u8]) -> Result<Grey, PictureError> {
    let limits = png::Limits { bytes: 4 * POINTS_MAX };
    let mut decoder = png::Decoder::new_with_limits(io::Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let size = reader.output_buffer_size();
    let size = size.filter(|_| fits(width, height));
    let size = size.ok_or(PictureError::TooLarge { width, height })?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer)?;
    let samples = frame.color_type.samples();
    let points = buffer[..frame.buffer_size()].chunks_exact(samples).map(luminance).collect();
    Ok(Grey { width, height, points })
}

fn jpeg(bytes: &[u8]) -> Result<Grey, PictureError> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let wrong = |error: &dyn std::fmt::Display| PictureError::Jpeg(error.to_string());
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| wrong(&error))?;
    let info = decoder.info().ok_or_else(|| wrong(&"no header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if !fits(width, height) {
        return Err(PictureError::TooLarge { width, height });
    }
    let points = decoder.decode().map_err(|error| wrong(&error))?;
    if points.len() != width * height {
        return Err(wrong(&"not one value for each point"));
    }
    Ok(Grey { width, height, points })
}

fn fits(width: usize, height: usize) -> bool {
    width > 0 && height > 0 && width.saturating_mul(height) <= POINTS_MAX
}

/// Brightness of a point: of grey, grey with transparency, colour, or colour with transparency.
/// Weights of ITU-R BT.601.
fn luminance(samples: &[u8]) -> u8 {
    match samples {
        [red, green, blue, ..] => {
            let sum = 299 * u32::from(*red) + 587 * u32::from(*green) + 114 * u32::from(*blue);
            u8::try_from((sum + 500) / 1000).unwrap_or(u8::MAX)
        }
        [grey, ..] => *grey,
        [] => 0,
    }
}

impl Grey {
    /// The picture at 32 × 32: the mean of what falls into each cell, at least one point.
    fn shrunk(&self) -> Vec<f64> {
        let range = |at: usize, length: usize| {
            let from = at * length / SIDE;
            from..((at + 1) * length / SIDE).max(from + 1).min(length)
        };
        let mut cells = Vec::with_capacity(SIDE * SIDE);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (mut sum, mut count) = (0_u64, 0_u32);
                for row in range(y, self.height) {
                    for column in range(x, self.width) {
                        sum += u64::from(self.points[row * self.width + column]);
                        count += 1;
                    }
                }
                #[expect(clippy::cast_precision_loss, reason = "at most 2^26 points of 255")]
                cells.push(sum as f64 / f64::from(count.max(1)));
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of a few soft blobs, as PNG in grey or colour.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 200")]
    fn picture(side: usize, seed: usize, brighter: u8, colour: png::ColorType) -> Vec<u8> {
        let value = |x: usize, y: usize| {
            let (x, y) = (x as f64 / side as f64, y as f64 / side as f64);
            let blob = |k: usize| {
                let (cx, cy) = ((k * 37 + seed * 53) % 100, (k * 71 + seed * 29) % 100);
                let (dx, dy) = (x - cx as f64 / 100.0, y - cy as f64 / 100.0);
                (-(dx * dx + dy * dy) * 30.0).exp()
            };
            ((0..4).map(blob).sum::<f64>() * 100.0) as u8 + brighter
        };
        let points = (0..side * side).flat_map(|at| {
            let grey = value(at % side, at / side);
            vec![grey; colour.samples()]
        });
        let points: Vec<u8> = points.collect();
        let mut bytes = Vec::new();
        let length = u32::try_from(side).unwrap();
        let mut encoder = png::Encoder::new(&mut bytes, length, length);
        encoder.set_color(colour);
        encoder.write_header().unwrap().write_image_data(&points).unwrap();
        bytes
    }

    fn distance(a: &[u8], b: &[u8]) -> u32 {
        let hash = |bytes: &[u8]| perceptual_hash(&png(bytes).unwrap().shrunk()).unwrap();
        insitu_measure::propagation::hamming(hash(a), hash(b))
    }

    #[test]
    fn size_and_colour_change_a_fingerprint_little_and_content_much() {
        let one = picture(96, 1, 0, png::ColorType::Grayscale);
        for other in [
            picture(200, 1, 0, png::ColorType::Rgb),
            picture(64, 1, 20, png::ColorType::Rgba),
            picture(131, 1, 5, png::ColorType::GrayscaleAlpha),
        ] {
            assert!(distance(&one, &other) <= 6, "{}", distance(&one, &other));
        }
        for seed in 2..6 {
            let other = picture(96, seed, 0, png::ColorType::Grayscale);
            assert!(distance(&one, &other) > 9, "{seed}: {}", distance(&one, &other));
        }
    }

    #[test]
    fn pictures_of_a_folder_get_drafts_of_their_duplicates() {
        use clap::Parser;

        use crate::cli::arguments::{Arguments, Command};

        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let cat = picture(96, 1, 0, png::ColorType::Grayscale);
        write("cats/1.png", &cat);
        write("dogs/1.png", &picture(96, 2, 0, png::ColorType::Grayscale));
        write("same.png", &cat);
        write("smaller.png", &picture(64, 1, 10, png::ColorType::Rgb));
        write("other.png", &picture(96, 4, 0, png::ColorType::Grayscale));
        write("torn.png", &cat[..200]);
        write("notes.txt", b"no picture");
        let run = |path: &Path| {
            let words = ["insitu-agent", "propagate", "--method", "images", "--json"];
            let all = words.map(str::to_owned).into_iter().chain([path.display().to_string()]);
            let Command::Propagate(arguments) = Arguments::try_parse_from(all).unwrap().command
            else {
                panic!("another command")
            };
            let mut out = Vec::new();
            let code = propagate(path, &arguments, &mut out).map_err(|failure| failure.message)?;
            let text = String::from_utf8(out).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            Ok::<_, String>((code, lines.collect::<Vec<serde_json::Value>>()))
        };
        let (code, found) = run(folder.path()).unwrap();
        assert_eq!(code, exit::REFUSED, "some pictures cannot be read");
        let of = |id: &str| found.iter().find(|line| line["id"] == id);
        let same = of("same.png").unwrap();
        assert_eq!(
            (&same["label"], &same["from"]["method"]),
            (&"cats".into(), &"duplicate".into())
        );
        let smaller = of("smaller.png").unwrap();
        assert_eq!(smaller["label"], "cats");
        assert_eq!(smaller["from"]["method"], "near-duplicate");
        assert_eq!(smaller["from"]["ids"][0], "cats/1.png");
        assert!(of("other.png").is_none());
        assert_eq!(of("notes.txt").unwrap()["error"], "is neither PNG nor JPEG");
        assert!(of("torn.png").unwrap()["error"].as_str().unwrap().starts_with("is no valid PNG"));
        let list = folder.path().join("list.csv");
        std::fs::write(&list, "path,label\ncats/1.png,7\nsmaller.png,\n").unwrap();
        let (code, found) = run(&list).unwrap();
        assert_eq!((code, found.len(), &found[0]["label"]), (exit::DONE, 1, &"7".into()));
        std::fs::write(&list, "path,label\ncats/1.png,\n").unwrap();
        assert!(run(&list).unwrap_err().ends_with("no picture has a label to propagate"));
        std::fs::write(&list, "file,label\ncats/1.png,x\n").unwrap();
        assert!(run(&list).unwrap_err().contains("there is no column path"));
    }

    #[test]
    fn hostile_pictures_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            fingerprint(&path).unwrap_err().to_string()
        };
        assert_eq!(refused(b""), "is neither PNG nor JPEG");
        assert!(refused(b"\xff\xd8\xff\xe0junk").starts_with("is no valid JPEG"));
        // A header that promises four thousand million points.
        let mut bomb = picture(8, 1, 0, png::ColorType::Grayscale);
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(refused(&bomb).starts_with("is no valid PNG"), "its checksum is wrong");
        let mut header = Vec::new();
        let mut encoder = png::Encoder::new(&mut header, 65_536, 65_536);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9c]).unwrap();
        drop(writer);
        assert_eq!(refused(&header), "has 65536 x 65536 points, more than the limit of 67108864");
    }
}
