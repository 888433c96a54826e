//! Images and series: files that a column names, inside the folder of the import.
//!
//! What a file holds is read from its bytes, never from its name. An image is kept as it is; a series
//! as its values, in the order of its channels.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::{Component, Path, PathBuf};

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use serde::Deserialize;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::{LineError, exif, whole};
use crate::item::{Channel, Coding, Image, Series, Value, encode_values};

/// Longest image file, in bytes.
pub const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most pixels of an image.
pub const PIXELS_MAX: u64 = 100_000_000;
/// Longest file of a series, in bytes.
pub const SERIES_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most values of a series, all channels together.
pub const VALUES_MAX: usize = 1_000_000;
/// Most channels of a series.
pub const CHANNELS_MAX: usize = 64;
/// Longest name or unit of a channel, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// How far a time may be from where an even clock has it, in steps.
const UNEVEN_MAX: f64 = 0.01;

/// A value and the bytes that lie beside its item.
pub(super) type Media = (Value, Vec<u8>);

/// Reads the image that `path` names inside `folder`.
pub(super) fn image(field: &str, folder: Option<&Path>, path: &str) -> Result<Media, LineError> {
    image_of(field, read(field, folder, path, IMAGE_BYTES_MAX)?)
}

/// The image that these bytes are.
pub(super) fn image_of(field: &str, bytes: Vec<u8>) -> Result<Media, LineError> {
    let refused = || LineError::NotAnImage { field: field.to_owned() };
    let pixels = |width: u32, height: u32| {
        let got = u64::from(width) * u64::from(height);
        let fits = (1..=PIXELS_MAX).contains(&got);
        if fits { Ok(()) } else { Err(LineError::Pixels { field: field.to_owned(), got }) }
    };
    let (coding, width, height, whole) = if bytes.starts_with(b"\x89PNG") {
        let reader = png::Decoder::new(Cursor::new(&bytes)).read_info();
        let reader = reader.map_err(|_| refused())?;
        let (width, height) = (reader.info().width, reader.info().height);
        pixels(width, height)?;
        (Coding::Png, width, height, whole::png(reader))
    } else if bytes.starts_with(b"\xff\xd8") {
        let mut decoder = JpegDecoder::new(ZCursor::new(&bytes));
        decoder.decode_headers().map_err(|_| refused())?;
        let info = decoder.info().ok_or_else(refused)?;
        let (width, height) = (u32::from(info.width), u32::from(info.height));
        pixels(width, height)?;
        (Coding::Jpeg, width, height, whole::jpeg(&bytes))
    } else {
        let other = other_kind(&bytes);
        let kind = |kind| LineError::OtherImage { field: field.to_owned(), kind };
        return Err(other.map_or_else(refused, kind));
    };
    if !whole {
        return Err(LineError::CutOff { field: field.to_owned() });
    }
    let digest = digest(&bytes);
    Ok((Value::Image(Image { coding, width, height, digest }), bytes))
}

/// Refuses an image that is shown in another way than its pixels lie. Pages show it so, and people mark
/// what they see; programs that read an export may look at the pixels as they lie.
pub(super) fn check_upright(field: &str, (value, bytes): &Media) -> Result<(), LineError> {
    let Value::Image(image) = value else { return Ok(()) };
    let orientation = exif::orientation(image.coding, bytes);
    if orientation == exif::UPRIGHT {
        return Ok(());
    }
    Err(LineError::Turned { field: field.to_owned(), orientation })
}

/// What kind of image that is not read this is, by its first bytes.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(4..12).unwrap_or_default();
    Some(match bytes {
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF",
        [b'I', b'I', 43, 0, ..] | [b'M', b'M', 0, 43, ..] => "a BigTIFF",
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => "a BMP",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP",
        [0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => "a JPEG 2000",
        _ if matches!(brand, b"ftypheic" | b"ftypheix" | b"ftypmif1") => "a HEIF",
        _ if brand == b"ftypavif" => "an AVIF",
        _ if bytes.get(128..132) == Some(b"DICM") => "a DICOM",
        _ => return None,
    })
}

/// Reads the series that `path` names inside `folder`: JSON with its clock and channels, or CSV with
/// a column for each channel.
pub(super) fn series(field: &str, folder: Option<&Path>, path: &str) -> Result<Media, LineError> {
    series_of(field, &read(field, folder, path, SERIES_BYTES_MAX)?)
}

/// The series that these bytes are.
pub(super) fn series_of(field: &str, bytes: &[u8]) -> Result<Media, LineError> {
    let refused = |what| LineError::NotASeries { field: field.to_owned(), what };
    let text = std::str::from_utf8(bytes).map_err(|_| refused("not UTF-8"))?;
    // Spreadsheets write it, and a clock behind it would be no clock.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let form = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|_| refused("not the JSON of a series"))?,
        false => table(text).map_err(refused)?,
    };
    form.check().map_err(refused)?;
    let length = form.channels.first().map_or(0, |channel| channel.values.len());
    let got = form.channels.len().saturating_mul(length);
    if got > VALUES_MAX {
        return Err(LineError::Values { field: field.to_owned(), got });
    }
    let values: Vec<f64> = form
        .channels
        .iter()
        .flat_map(|channel| &channel.values)
        .map(|value| value.unwrap_or(f64::NAN))
        .collect();
    let bytes = encode_values(&values);
    let channel = |channel: ChannelForm| Channel { name: channel.name, unit: channel.unit };
    let series = Series {
        start: form.clock.start,
        step: form.clock.step,
        unit: form.clock.unit,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        digest: digest(&bytes),
        channels: form.channels.into_iter().map(channel).collect(),
    };
    Ok((Value::Series(series), bytes))
}

fn digest(bytes: &[u8]) -> Digest {
    Fixed(*blake3::hash(bytes).as_bytes())
}

/// The file's bytes, if it is inside the folder: neither a path upwards nor a link leads out.
fn read(field: &str, folder: Option<&Path>, path: &str, limit: u64) -> Result<Vec<u8>, LineError> {
    let field = || field.to_owned();
    let folder = folder.ok_or_else(|| LineError::NoFolder { field: field() })?;
    let path = inside(folder, Path::new(path.trim()))
        .ok_or_else(|| LineError::OutsideFolder { field: field() })?;
    let unreadable = |_| LineError::UnreadableFile { field: field() };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LineError::UnreadableFile { field: field() });
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let got_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX).max(metadata.len());
    if got_bytes > limit {
        return Err(LineError::TooLargeFile { field: field(), got_bytes, limit_bytes: limit });
    }
    Ok(bytes)
}

/// The real path of a file in a folder, if neither `..` nor a link leads out of it.
pub(crate) fn inside(folder: &Path, path: &Path) -> Option<PathBuf> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(plain) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let joined = folder.join(path);
    // What does not exist leads nowhere: opening it says so.
    let real = joined.canonicalize().unwrap_or(joined);
    real.starts_with(&folder).then_some(real)
}

/// A series as its JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    clock: ClockForm,
    channels: Vec<ChannelForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockForm {
    start: f64,
    step: f64,
    unit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelForm {
    name: String,
    #[serde(default)]
    unit: String,
    values: Vec<Option<f64>>,
}

impl Form {
    fn check(&self) -> Result<(), &'static str> {
        let ClockForm { start, step, unit } = &self.clock;
        if !(start.is_finite() && step.is_finite() && *step > 0.0) {
            return Err("its clock does not go on");
        }
        if !(1..=CHANNELS_MAX).contains(&self.channels.len()) {
            return Err("not 1 to 64 channels");
        }
        let length = self.channels[0].values.len();
        if length == 0 || self.channels.iter().any(|channel| channel.values.len() != length) {
            return Err("channels without values, or with different numbers of them");
        }
        let names = self.channels.iter().flat_map(|channel| [&channel.name, &channel.unit]);
        if names.chain([unit]).any(|name| name.len() > NAME_BYTES_MAX) {
            return Err("a name or a unit of more than 64 bytes");
        }
        Ok(())
    }
}

/// A table with a header and a column for each channel, `name` or `name [unit]`. A first column
/// named time is the clock; without one a step is a sample. An empty cell is a missing value.
fn table(text: &str) -> Result<Form, &'static str> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().ok_or("empty")?;
    let separator = [';', '\t'].into_iter().find(|c| header.contains(*c)).unwrap_or(',');
    let mut channels: Vec<ChannelForm> = header
        .split(separator)
        .map(|title| {
            let title = title.trim().trim_matches('"');
            let (name, unit) =
                title.strip_suffix(']').and_then(|t| t.split_once('[')).unwrap_or((title, ""));
            let (name, unit) = (name.trim().to_owned(), unit.trim().to_owned());
            ChannelForm { name, unit, values: Vec::new() }
        })
        .collect();
    if channels.len() > CHANNELS_MAX + 1 {
        return Err("more than 64 channels");
    }
    for line in lines {
        let mut cells = line.split(separator);
        for channel in &mut channels {
            let cell = cells.next().ok_or("a line with too few columns")?.trim();
            let value = match cell {
                "" => None,
                cell => Some(cell.parse::<f64>().map_err(|_| "a cell that is no number")?),
            };
            channel.values.push(value.filter(|value| value.is_finite()));
        }
        if cells.next().is_some() {
            return Err("a line with too many columns");
        }
    }
    let timed = channels[0].name.eq_ignore_ascii_case("time");
    let clock = if timed {
        clock(channels.remove(0))?
    } else {
        ClockForm { start: 0.0, step: 1.0, unit: "samples".to_owned() }
    };
    Ok(Form { clock, channels })
}

#[expect(clippy::cast_precision_loss, reason = "a file has far fewer than 2^52 lines")]
fn clock(column: ChannelForm) -> Result<ClockForm, &'static str> {
    let times: Option<Vec<f64>> = column.values.into_iter().collect();
    let times = times.ok_or("a time is missing")?;
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Err("no values") };
    let steps = (times.len() - 1) as f64;
    let step = if times.len() > 1 { (last - first) / steps } else { 1.0 };
    let even = |(at, time): (usize, &f64)| {
        (time - (at as f64).mul_add(step, *first)).abs() <= UNEVEN_MAX * step
    };
    if step <= 0.0 || !times.iter().enumerate().all(even) {
        return Err("times that are not evenly apart");
    }
    Ok(ClockForm { start: *first, step, unit: column.unit })
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A grey PNG of this size.
    pub(crate) fn picture(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels = vec![7; usize::try_from(width * height).unwrap()];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        bytes
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn an_image_is_what_its_bytes_say() {
        let png = picture(5, 3);
        let folder = folder(&[("a/scan.jpg", &png), ("text.png", b"not at all")]);
        let (value, bytes) = image("scan", Some(folder.path()), "a/scan.jpg").unwrap();
        let Value::Image(found) = value else { panic!("no image") };
        assert_eq!((found.coding, found.width, found.height), (Coding::Png, 5, 3));
        assert_eq!(bytes, png);
        let refused = image("scan", Some(folder.path()), "text.png");
        assert_eq!(refused.unwrap_err().to_string(), "field \"scan\" names neither PNG nor JPEG");
    }

    #[test]
    fn a_byte_order_mark_hides_no_clock() {
        let table = "\u{feff}time [s],I\n0,1\n0.5,2\n";
        let (Value::Series(series), _) = series_of("ecg", table.as_bytes()).unwrap() else {
            panic!("no series")
        };
        assert_eq!((series.channels.len(), series.unit.as_str()), (1, "s"));
        assert!((series.step - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_image_of_another_kind_is_named() {
        for (bytes, kind) in [
            (&b"II*\0\x08\0\0\0"[..], "a TIFF"),
            (b"MM\0*\0\0\0\x08", "a TIFF"),
            (b"GIF89a\x01\0", "a GIF"),
            (b"RIFF\x04\0\0\0WEBPVP8 ", "a WebP"),
            (b"\0\0\0\x18ftypheic\0\0", "a HEIF"),
            (&[&[0; 128][..], b"DICM"].concat(), "a DICOM"),
        ] {
            let refused = image_of("scan", bytes.to_vec()).unwrap_err().to_string();
            let said = "and images are PNG or JPEG here: convert it first";
            assert_eq!(refused, format!("field \"scan\" names {kind}, {said}"));
        }
    }

    #[test]
    fn too_many_pixels_are_refused_by_the_header_alone() {
        // The header of a PNG says 20 000 x 10 000; its data is not looked at.
        let mut png = picture(1, 1);
        png[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&10_000_u32.to_be_bytes());
        let mut crc = !0_u32;
        for byte in &png[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            }
        }
        png[29..33].copy_from_slice(&(!crc).to_be_bytes());
        let folder = folder(&[("huge.png", &png)]);
        let refused = image("scan", Some(folder.path()), "huge.png").unwrap_err();
        assert_eq!(refused, LineError::Pixels { field: "scan".to_owned(), got: 200_000_000 });
    }

    /// A grey JPEG of 16 by 8 pixels.
    pub(crate) fn photograph() -> Vec<u8> {
        let text = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////\
                    //////////////////////////////////wAALCAAIABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAwT/xA\
                    AVEAEBAAAAAAAAAAAAAAAAAAAAA//aAAgBAQAAPwAJLZP/2Q==";
        STANDARD.decode(text).unwrap()
    }

    /// A JPEG with this Exif metadata.
    pub(crate) fn with_metadata(jpeg: &[u8], tiff: &[u8]) -> Vec<u8> {
        let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
        [&jpeg[..2], b"\xff\xe1", &length, b"Exif\0\0", tiff, &jpeg[2..]].concat()
    }

    /// Exif metadata of an image of this orientation, in either order of bytes.
    pub(crate) fn metadata(orientation: u16, little: bool) -> Vec<u8> {
        let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut tiff = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        tiff.extend(long(8));
        tiff.extend(short(2));
        // The image's width, as a first entry.
        for (tag, value) in [(0x0100, 40), (0x0112, orientation)] {
            tiff.extend([short(tag), short(3)].concat());
            tiff.extend(long(1));
            tiff.extend([short(value), short(0)].concat());
        }
        tiff.extend(long(0));
        tiff
    }

    #[test]
    fn an_image_that_is_cut_off_is_none() {
        let refused = LineError::CutOff { field: "scan".to_owned() };
        // With a preview in its metadata, which has an end of its own.
        let photograph = with_metadata(&photograph(), &[&b"preview"[..], &photograph()].concat());
        for whole in [picture(64, 48), photograph] {
            assert!(image_of("scan", whole.clone()).is_ok());
            let followed = [&whole[..], b"\0more"].concat();
            assert!(image_of("scan", followed).is_ok(), "what follows the end is of no picture");
            let mut cut_off = 0;
            for end in 0..whole.len() {
                let zeros = vec![0; whole.len() - end];
                for bytes in [whole[..end].to_vec(), [&whole[..end], &zeros[..]].concat()] {
                    match image_of("scan", bytes) {
                        Err(error) => cut_off += u32::from(error == refused),
                        Ok(_) => panic!("{end} of {} bytes are an image", whole.len()),
                    }
                }
            }
            assert!(cut_off > 0, "only headers were missing");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let outer = folder(&[("in/scan.png", &picture(2, 2)), ("secret.png", &picture(2, 2))]);
        let inner = outer.path().join("in");
        std::os::unix::fs::symlink(outer.path().join("secret.png"), inner.join("link.png"))
            .unwrap();
        std::os::unix::fs::symlink(outer.path(), inner.join("up")).unwrap();
        let absolute = outer.path().join("secret.png");
        let outside = ["../secret.png", "link.png", "up/secret.png", absolute.to_str().unwrap()];
        for path in outside {
            let refused = image("scan", Some(&inner), path).unwrap_err();
            assert_eq!(refused, LineError::OutsideFolder { field: "scan".to_owned() }, "{path}");
        }
        let none = LineError::UnreadableFile { field: "scan".to_owned() };
        assert_eq!(image("scan", Some(&inner), "none.png").unwrap_err(), none);
        assert_eq!(image("scan", Some(outer.path()), "in").unwrap_err(), none);
        let stream = image("scan", None, "scan.png").unwrap_err();
        assert_eq!(stream, LineError::NoFolder { field: "scan".to_owned() });
        assert!(image("scan", Some(&inner), "./scan.png").is_ok());
    }

    #[test]
    fn a_series_is_read_from_tables_and_json() {
        let json = br#"{"clock": {"start": 1.0, "step": 0.5, "unit": "s"}, "channels":
            [{"name": "I", "unit": "mV", "values": [0.5, null]}]}"#;
        let folder = folder(&[
            ("a.csv", b"time [s],ecg [mV],resp\n1.0,0.5,3\n1.5,,4\n2.0,0.25,5\n"),
            ("b.csv", b"ecg\n1\n2\n"),
            ("c.json", json),
        ]);
        let read = |name| match series("ecg", Some(folder.path()), name).unwrap() {
            (Value::Series(series), bytes) => (series, crate::item::decode_values(&bytes)),
            _ => panic!("no series"),
        };
        let (a, values) = read("a.csv");
        assert_eq!((a.start, a.step, a.unit.as_str(), a.length), (1.0, 0.5, "s", 3));
        assert_eq!((a.channels[0].name.as_str(), a.channels[0].unit.as_str()), ("ecg", "mV"));
        assert!((a.end() - 2.5).abs() < 1e-12);
        assert_eq!(values[..1], [0.5]);
        assert!(values[1].is_nan());
        assert_eq!(values[2..], [0.25, 3.0, 4.0, 5.0]);
        let (b, _) = read("b.csv");
        assert_eq!((b.step, b.unit.as_str(), b.length), (1.0, "samples", 2));
        let (c, values) = read("c.json");
        assert_eq!((c.channels[0].name.as_str(), c.length, values[0]), ("I", 2, 0.5));
    }

    #[test]
    fn what_is_no_series_is_refused_with_a_reason() {
        let many = format!("x\n{}", "1\n".repeat(VALUES_MAX + 1));
        let cases: &[(&[u8], &str)] = &[
            (b"time,x\n0,1\n1,2\n3,4\n", "times that are not evenly apart"),
            (b"time,x\n0,1\n,2\n", "a time is missing"),
            (b"x,y\n1\n", "a line with too few columns"),
            (b"x\nsecret\n", "a cell that is no number"),
            (b"x\n", "channels without values, or with different numbers of them"),
            (b"time\n1\n2\n", "not 1 to 64 channels"),
            (b"{}", "not the JSON of a series"),
            (b"", "empty"),
            (b"\xff", "not UTF-8"),
        ];
        for (bytes, expected) in cases {
            let folder = folder(&[("a", bytes)]);
            let refused = series("ecg", Some(folder.path()), "a").unwrap_err();
            assert_eq!(refused, LineError::NotASeries { field: "ecg".to_owned(), what: expected });
        }
        let folder = folder(&[("a", many.as_bytes())]);
        let refused = series("ecg", Some(folder.path()), "a").unwrap_err();
        assert_eq!(refused, LineError::Values { field: "ecg".to_owned(), got: VALUES_MAX + 1 });
    }
}
