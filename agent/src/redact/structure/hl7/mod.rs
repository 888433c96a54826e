//! HL7 v2: fields cleaned by what the standard's segment definitions (2.5.1) say they hold; fields
//! and segments without a definition here, and those that sites add, are read as text. A line that is
//! no segment belongs to the field before it.

mod definition;
mod signs;

use std::io::{self, BufRead, Write};

use definition::{Field, defined};
use signs::Signs;

use super::super::encoding::Encoding;
use super::super::kind::Kind;
use super::super::lines::{Account, Failure, LINE_BYTES_MAX, LineError, Observer, utf8};
use super::super::profile::{Hints, Mode};
use super::{Action, Cleaner, Piece, Records, finish, is_of_age, known};

/// The field of a header that names the message's character set, and what is written there.
const CHARACTER_SET: usize = 18;
const UTF_8: &str = "UNICODE UTF-8";

const UNKNOWN_SET: LineError = LineError::Malformed {
    reason: "MSH-18 names a character set that is not read: give --encoding",
};
/// Bytes of the longest code.
const CODE_BYTES_MAX: usize = 20;
/// Digits that a number of a person has at least: telephones and social security.
const NUMBER_DIGITS: usize = 9;

/// Cleans the messages of `reader`. A message starts with a segment `MSH`; its character set is
/// `encoding`, which `reader` was decoded from, or else the one that it names.
pub(super) fn run(
    records: &Records<'_>,
    reader: impl BufRead,
    mut writer: impl Write,
    observer: &mut impl Observer,
    encoding: Option<Encoding>,
) -> io::Result<()> {
    let mut lines = Lines { reader, number: 0 };
    let mut message: Option<Message> = None;
    while let Some(Piece { line, bytes }) = lines.next()? {
        if bytes.as_ref().is_ok_and(|line| is_header(line)) {
            flush(records, message.take(), &mut writer, observer)?;
            message = Some(Message { line, bytes: 0, segments: Ok(Vec::new()), encoding });
        }
        match (&mut message, bytes) {
            (Some(message), bytes) => message.add(bytes),
            // What stands before the first message is an envelope, or nothing that is known.
            (None, bytes) => {
                let known = bytes.is_ok_and(|s| s.starts_with(b"FHS") || s.starts_with(b"BHS"));
                if !known {
                    let reason = LineError::Malformed { reason: "no segment MSH before this one" };
                    observer.failed(Failure { line, reason });
                }
            }
        }
    }
    flush(records, message, &mut writer, observer)?;
    writer.flush()
}

/// Whether a message starts here: with a separator, and not in a text of the gene MSH2.
fn is_header(line: &[u8]) -> bool {
    matches!(line, [b'M', b'S', b'H', sign, rest @ ..]
        if sign.is_ascii_punctuation() && rest.first().is_none_or(u8::is_ascii_punctuation))
}

/// Whether a line is a segment: three capitals or digits, and the separator of fields.
fn is_segment(line: &[u8], sign: Option<u8>) -> bool {
    let [first, second, third, behind, ..] = line else { return false };
    let named = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    first.is_ascii_uppercase() && named(second) && named(third) && Some(*behind) == sign
}

struct Message {
    line: u64,
    bytes: usize,
    segments: Result<Vec<Vec<u8>>, LineError>,
    /// Its character set, if that is not the one that it names.
    encoding: Option<Encoding>,
}

impl Message {
    fn add(&mut self, line: Result<Vec<u8>, LineError>) {
        let Ok(segments) = &mut self.segments else { return };
        match line {
            Ok(line) if self.bytes + line.len() < LINE_BYTES_MAX => {
                self.bytes += line.len() + 1;
                let sign = segments.first().and_then(|header| header.get(3)).copied();
                match segments.last_mut().filter(|_| !is_segment(&line, sign)) {
                    // A text with a line feed in it: no segment ends there.
                    Some(segment) => {
                        segment.push(b'\n');
                        segment.extend(line);
                    }
                    None => segments.push(line),
                }
            }
            Ok(_) => self.segments = Err(LineError::TooLong),
            Err(reason) => self.segments = Err(reason),
        }
    }
}

fn flush(
    records: &Records<'_>,
    message: Option<Message>,
    writer: &mut impl Write,
    observer: &mut impl Observer,
) -> io::Result<()> {
    let Some(Message { line, segments, encoding, .. }) = message else { return Ok(()) };
    let outcome = segments.and_then(|segments| {
        let named = named_encoding(&segments);
        let segments = if encoding.is_some() { segments } else { in_utf8(segments, named)? };
        clean(records, line, &segments, encoding.or(named))
    });
    finish(outcome, line, writer, observer)
}

/// The character set that a message names (MSH-18; of several, the first is meant).
fn named_encoding(segments: &[Vec<u8>]) -> Option<Encoding> {
    let header = segments.first().map_or(&[][..], Vec::as_slice);
    let sign = header.get(3)?;
    let named = header.split(|byte| byte == sign).nth(CHARACTER_SET - 1).unwrap_or_default();
    let first = named.split(|byte| Some(byte) == header.get(5)).next().unwrap_or_default();
    Encoding::of_hl7(&String::from_utf8_lossy(first))
}

fn in_utf8(segments: Vec<Vec<u8>>, encoding: Option<Encoding>) -> Result<Vec<Vec<u8>>, LineError> {
    // ASCII is the same in all that are read.
    if segments.iter().all(|segment| segment.is_ascii()) {
        return Ok(segments);
    }
    let encoding = encoding.ok_or(UNKNOWN_SET)?;
    Ok(segments.into_iter().map(|segment| encoding.to_utf8(segment)).collect())
}

/// Reads lines, which end with a carriage return, a line feed, or both.
struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let (mut line, mut any, mut fits) = (Vec::new(), false, true);
            loop {
                let buffer = self.reader.fill_buf()?;
                if buffer.is_empty() {
                    break;
                }
                any = true;
                let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                let take = end.unwrap_or(buffer.len());
                fits &= line.len() + take <= LINE_BYTES_MAX;
                if fits {
                    line.extend_from_slice(&buffer[..take]);
                }
                self.reader.consume(take + usize::from(end.is_some()));
                if end.is_some() {
                    break;
                }
            }
            if !any {
                return Ok(None);
            }
            // Frames of the minimal lower layer protocol stand around messages.
            let inner = line.trim_ascii();
            let inner = inner.strip_prefix(b"\x0b").unwrap_or(inner);
            if fits && inner.is_empty() || inner == b"\x1c" {
                continue;
            }
            self.number += 1;
            let bytes = if fits { Ok(inner.to_vec()) } else { Err(LineError::TooLong) };
            return Ok(Some(Piece { line: self.number, bytes }));
        }
    }
}

fn clean(
    records: &Records<'_>,
    line: u64,
    segments: &[Vec<u8>],
    encoding: Option<Encoding>,
) -> Result<(Account, String), LineError> {
    let segments: Vec<&str> =
        segments.iter().map(|segment| utf8(segment)).collect::<Result<_, _>>()?;
    let signs = Signs::of(segments.first().copied().unwrap_or_default(), encoding)?;
    let subject = segments.iter().find(|segment| segment.starts_with("PID")).and_then(|pid| {
        let id = pid.split(signs.field).nth(3)?.split(signs.component).next()?;
        (!id.is_empty()).then(|| id.to_owned())
    });
    let mut cleaner = records.cleaner(line, subject);
    for segment in &segments {
        learn(&mut cleaner.hints, signs, segment)?;
    }
    let mut out = String::new();
    for segment in segments {
        out.push_str(&self::segment(&mut cleaner, signs, segment)?);
        out.push('\r');
    }
    out.push('\n');
    Ok((cleaner.account, out))
}

/// Takes the names of people, and the patient's numbers, that a segment tells into `hints`.
fn learn(hints: &mut Hints, signs: Signs, segment: &str) -> Result<(), LineError> {
    let name = segment.split(signs.field).next().unwrap_or_default();
    for (number, value) in segment.split(signs.field).enumerate().skip(1) {
        let (names, numbers) = match defined(name, number, "") {
            Field::Name => (0..3, 0..0),
            Field::Person => (1..4, 0..0),
            Field::Id(Kind::MedicalRecord) => (0..0, 0..1),
            Field::Address
            | Field::Telecom
            | Field::Id(_)
            | Field::Named(_)
            | Field::Date
            | Field::Birth
            | Field::Code
            | Field::Number
            | Field::Drop
            | Field::Text => continue,
        };
        for value in value.split(signs.repetition) {
            for (at, part) in value.split(signs.component).enumerate() {
                if names.contains(&at) {
                    for part in part.split(signs.subcomponent) {
                        known::learn_name(hints, &signs.unescaped(part)?);
                    }
                } else if numbers.contains(&at) {
                    known::learn_number(hints, &signs.unescaped(part)?);
                }
            }
        }
    }
    Ok(())
}

fn segment(cleaner: &mut Cleaner<'_>, signs: Signs, segment: &str) -> Result<String, LineError> {
    let mut fields = segment.split(signs.field);
    let name = fields.next().unwrap_or_default();
    let header = name == "MSH";
    let value_type = segment.split(signs.field).nth(2).unwrap_or_default().to_owned();
    let mut observed = segment.split(signs.field).nth(3).unwrap_or_default().split(signs.component);
    let age = name == "OBX" && value_type == "NM" && observed.any(is_of_age);
    let mut clean = vec![name.to_owned()];
    for (at, value) in fields.enumerate() {
        // The separator itself is the header's first field.
        let number = at + 1 + usize::from(header);
        if header && number == 2 {
            clean.push(value.to_owned());
            continue;
        }
        if header && number == CHARACTER_SET && !value.is_empty() {
            clean.push(UTF_8.to_owned());
            continue;
        }
        if age && number == 5 && value.trim().parse::<f64>().is_ok_and(|age| age > 89.0) {
            // A number must stay one.
            cleaner.account.found.push(Kind::Age);
            clean.push(
                if matches!(cleaner.records.mode, Mode::None) { value } else { "90" }.to_owned(),
            );
            continue;
        }
        let field = defined(name, number, &value_type);
        let path = format!("{name}-{number}");
        let repetitions: Vec<String> = value
            .split(signs.repetition)
            .map(|value| self::field(cleaner, signs, field, &path, value))
            .collect::<Result<_, _>>()?;
        clean.push(repetitions.join(&signs.repetition.to_string()));
    }
    Ok(clean.join(&signs.field.to_string()))
}

fn field(
    cleaner: &mut Cleaner<'_>,
    signs: Signs,
    field: Field,
    path: &str,
    value: &str,
) -> Result<String, LineError> {
    if value.is_empty() || value == "\"\"" {
        return Ok(value.to_owned());
    }
    if let Some(action) = cleaner.records.rules.action(path) {
        if action == Action::Keep {
            return Ok(value.to_owned());
        }
        let plain = signs.unescaped(value)?;
        return Ok(cleaner.apply(action, "", &plain)?.map_or(String::new(), |v| signs.escaped(&v)));
    }
    match field {
        Field::Number if is_number(value) => return Ok(value.to_owned()),
        Field::Drop => return Ok(String::new()),
        Field::Date | Field::Birth => {
            return Ok(cleaner.date(value, field == Field::Birth).unwrap_or_default());
        }
        Field::Name
        | Field::Person
        | Field::Address
        | Field::Telecom
        | Field::Id(_)
        | Field::Named(_)
        | Field::Code
        | Field::Number
        | Field::Text => {}
    }
    let components: Vec<String> = value
        .split(signs.component)
        .enumerate()
        .map(|(at, component)| {
            let subcomponents: Vec<String> = component
                .split(signs.subcomponent)
                .map(|text| part(cleaner, signs, field, at + 1, text))
                .collect::<Result<_, _>>()?;
            Ok(subcomponents.join(&signs.subcomponent.to_string()))
        })
        .collect::<Result<_, LineError>>()?;
    Ok(components.join(&signs.component.to_string()))
}

/// One value inside a field, by the place of its component.
fn part(
    cleaner: &mut Cleaner<'_>,
    signs: Signs,
    field: Field,
    component: usize,
    text: &str,
) -> Result<String, LineError> {
    let plain = signs.unescaped(text)?;
    let kind = match (field, component) {
        (Field::Name, 1..=3) | (Field::Person, 2..=4) => Some(Kind::Name),
        (Field::Person, 1) => Some(Kind::License),
        (Field::Address, 1 | 2 | 8) => Some(Kind::Address),
        (Field::Address, 3 | 9) => Some(Kind::Location),
        (Field::Address, 5) => Some(Kind::Zip),
        (Field::Telecom, 4) => Some(Kind::Email),
        (Field::Telecom, 1 | 6 | 7 | 12) => Some(Kind::Phone),
        (Field::Id(kind) | Field::Named(kind), 1) => Some(kind),
        _ => None,
    };
    let clean = match kind {
        Some(kind) => cleaner.hide(kind, &plain),
        None if field == Field::Code && is_code(&plain) => plain,
        // Degree, country, type: codes of a few letters.
        None if field != Field::Text && plain.len() <= 5 => plain,
        None if is_timestamp(&plain) => cleaner.date(&plain, false).unwrap_or_default(),
        None => cleaner.text("", &plain)?,
    };
    Ok(signs.escaped(&clean))
}

/// A short word; one with as many digits as a person's number has nothing else, as in SNOMED CT.
fn is_code(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() <= CODE_BYTES_MAX
        && !text.contains(|c: char| c.is_whitespace() || c == '@')
        && (digits < NUMBER_DIGITS || digits == text.len())
}

/// A number as NM and SI have it: digits, a sign, a decimal point.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.parse::<f64>().is_ok() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Eight digits of a date, perhaps with a time and a zone.
fn is_timestamp(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|part| part.parse::<u16>().ok()).unwrap_or_default()
    };
    matches!(digits, 8 | 10 | 12 | 14)
        && text.len() <= 24
        && (1850..2150).contains(&number(0..4))
        && (1..=12).contains(&number(4..6))
        && (1..=31).contains(&number(6..8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_numbers_are_known_by_their_form() {
        let codes = ["718-7", "LP123456-7", "C34.1", "73211009", "900000000000207008", "ORU_R01"];
        for code in codes.into_iter().chain(["mL/min/{1.73_m2}", "GLU_FASTING", "1.005-1.030"]) {
            assert!(is_code(code), "{code}");
        }
        for other in ["Jane Roe", "536-22-1234", "(216)555-0199", "roe@example.org"] {
            assert!(!is_code(other), "{other}");
        }
        assert!(["13.5", "-2", "+.5", "250000"].into_iter().all(is_number));
        assert!(!["", "-", ".", "1e5", "inf", "536-22-1234", "7 x"].into_iter().any(is_number));
    }

    #[test]
    fn timestamps() {
        assert!(is_timestamp("20200312") && is_timestamp("20200312101500+0100"));
        assert!(!is_timestamp("12345678") && !is_timestamp("2020-03-12"));
    }
}
