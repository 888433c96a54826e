//! Redaction of JSON lines with a text each, and what all formats of records share: bounded reading,
//! the reasons of failures, and who is told.

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use super::clean::{Redacted, Replacement, Unclean};
use super::kind::Kind;
use super::people::People;
use super::profile::{Hints, Mode, Subject};
use super::{Engine, Span};

/// Bytes of the longest line that is read.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// How [`lines`] works.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What replaces personal data in `text`.
    pub mode: Mode<'a>,
    /// Whether only `id` and `spans` are written.
    pub spans_only: bool,
}

/// What was done to one record.
#[derive(Debug, Default)]
pub struct Account {
    /// Number of the record's first line, from 1.
    pub line: u64,
    /// What was found.
    pub found: Vec<Kind>,
    /// How many of `found` only a re-reading has shown.
    pub shown_later: usize,
    /// What got a surrogate.
    pub replaced: Vec<Replacement>,
    /// Bytes of text read.
    pub text_bytes: usize,
}

impl Account {
    /// Adds what was done to one text of the record.
    pub(super) fn add(&mut self, text_bytes: usize, redacted: &mut Redacted) {
        self.text_bytes += text_bytes;
        self.found.extend(redacted.spans.iter().map(|span| span.kind));
        self.shown_later += redacted.shown_later;
        self.replaced.append(&mut redacted.replaced);
    }
}

/// Who is told about each record.
pub trait Observer {
    /// A record is about to be written.
    ///
    /// # Errors
    /// What keeps it from being written; the run ends.
    fn cleaned(&mut self, account: Account) -> io::Result<()>;

    /// A record could not be cleaned, and is not written.
    fn failed(&mut self, failure: Failure);
}

/// A line or file that could not be redacted. It is not written: redaction never fails open.
#[derive(Debug, thiserror::Error)]
#[error("{} {line}", reason.unit())]
pub struct Failure {
    /// The line's number, or the file's, from 1.
    pub line: u64,
    /// What was wrong.
    #[source]
    pub reason: LineError,
}

/// Why a line could not be redacted. Holds nothing of the line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8, or not text of the [`Encoding`](super::Encoding) that was given.
    #[error("not UTF-8 (or what --encoding names) after {valid_bytes} bytes")]
    NotUtf8 {
        /// Bytes before the first invalid one.
        valid_bytes: usize,
    },
    /// Cleaning failed.
    #[error(transparent)]
    Unclean(#[from] Unclean),
    /// Not a record of a table.
    #[error(transparent)]
    Table(#[from] crate::source::LineError),
    /// Not a record of its format.
    #[error("{reason}")]
    Malformed {
        /// What is wrong; nothing of the record.
        reason: &'static str,
    },
    /// A DICOM file that could not be cleaned.
    #[error(transparent)]
    Dicom(#[from] insitu_dicom::Error),
    /// A file that could not be read, or not be told from another.
    #[error("{reason}")]
    File {
        /// What is wrong; nothing of the file.
        reason: &'static str,
    },
    /// Not a JSON object with a text.
    #[error("not a JSON object with a string \"text\": {category} error at column {column}")]
    NotARecord {
        /// `syntax`, `data` or `eof`.
        category: &'static str,
        /// Column in bytes, from 1.
        column: usize,
    },
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    id: serde_json::Value,
    text: String,
    /// Names in the record's other fields.
    #[serde(default)]
    names: Vec<String>,
    /// Its identifiers in other fields.
    #[serde(default)]
    identifiers: Vec<String>,
    /// Whom it is about.
    subject: Option<String>,
}

impl LineError {
    /// What was left out.
    const fn unit(&self) -> &'static str {
        match self {
            Self::Dicom(_) | Self::File { .. } => "file",
            Self::TooLong
            | Self::NotUtf8 { .. }
            | Self::Unclean(_)
            | Self::Table(_)
            | Self::Malformed { .. }
            | Self::NotARecord { .. } => "line",
        }
    }

    /// A word for the reason: for counts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::Unclean(unclean) => unclean.name(),
            Self::Dicom(error) => error.name(),
            Self::File { .. } => "file",
            Self::Table(_) | Self::Malformed { .. } | Self::NotARecord { .. } => "malformed",
        }
    }
}

#[derive(Serialize)]
struct Output<'a> {
    id: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    spans: Vec<OutputSpan>,
}

#[derive(Serialize)]
struct OutputSpan {
    start: usize,
    end: usize,
    r#type: &'static str,
    score: f32,
}

/// Redacts each line `{"id", "text"}` of `reader` into a line `{"id", "text", "spans"}` of `writer`.
///
/// Span offsets are code points of the original text. An optional `names` and `identifiers`
/// (strings) tell what the record's other fields say, `subject` whose dates move together; without
/// one, a record is a subject of its own. Empty lines are skipped. Each failure is told to
/// `observer`; the rest is processed. Memory is bounded by [`LINE_BYTES_MAX`].
///
/// # Errors
/// Those of `reader` and `writer`.
pub fn lines(
    engine: &Engine,
    mut reader: impl BufRead,
    mut writer: impl Write,
    options: Options<'_>,
    observer: &mut impl Observer,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for line in 1.. {
        let Some(read) = read_line(&mut reader, &mut buffer)? else { break };
        if read.is_ok() && buffer.trim_ascii().is_empty() {
            continue;
        }
        let cleaned = read.and_then(|()| parse(&buffer)).and_then(|record| {
            let redacted = clean(engine, &record, line, options)?;
            Ok((record, redacted))
        });
        match cleaned {
            Ok((record, mut redacted)) => {
                let mut account = Account { line, ..Account::default() };
                account.add(record.text.len(), &mut redacted);
                observer.cleaned(account)?;
                write_record(&mut writer, &record.id, &redacted, options)?;
            }
            Err(reason) => observer.failed(Failure { line, reason }),
        }
    }
    writer.flush()
}

/// Reads a line without its end into `buffer`; `None` at the end of input. The rest of a line that
/// is too long is skipped.
pub(super) fn read_line(
    reader: &mut impl BufRead,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Result<(), LineError>>> {
    buffer.clear();
    let limit = LINE_BYTES_MAX as u64 + 1;
    if reader.by_ref().take(limit).read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    if buffer.ends_with(b"\n") || buffer.len() <= LINE_BYTES_MAX {
        return Ok(Some(Ok(())));
    }
    buffer.clear();
    reader.skip_until(b'\n')?;
    Ok(Some(Err(LineError::TooLong)))
}

fn parse(line: &[u8]) -> Result<Record, LineError> {
    serde_json::from_str(utf8(line)?.trim_start_matches('\u{feff}')).map_err(|e| not_a_record(&e))
}

/// The text of a line.
pub(super) fn utf8(line: &[u8]) -> Result<&str, LineError> {
    std::str::from_utf8(line)
        .map_err(|error| LineError::NotUtf8 { valid_bytes: error.valid_up_to() })
}

/// serde_json's own message may quote the line, so only its place is kept.
pub(super) fn not_a_record(error: &serde_json::Error) -> LineError {
    LineError::NotARecord {
        category: match error.classify() {
            serde_json::error::Category::Data => "data",
            serde_json::error::Category::Eof => "eof",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "syntax",
        },
        column: error.column(),
    }
}

fn clean(
    engine: &Engine,
    record: &Record,
    line: u64,
    options: Options<'_>,
) -> Result<Redacted, LineError> {
    let subject = match (&record.subject, &record.id) {
        (Some(subject), _) => subject.clone(),
        (None, serde_json::Value::Null) => format!("line {line}"),
        // As an item of the store that names no subject is its own.
        (None, serde_json::Value::String(id)) => id.clone(),
        (None, id) => id.to_string(),
    };
    let mut people = People::default();
    record.names.iter().for_each(|name| people.person(name));
    record.identifiers.iter().for_each(|identifier| people.identifier(identifier));
    let hints = Hints { people, subject: Subject::Named(subject), ..Hints::default() };
    Ok(engine.try_clean(&record.text, &hints, options.mode)?)
}

fn write_record(
    writer: &mut impl Write,
    id: &serde_json::Value,
    redacted: &Redacted,
    options: Options<'_>,
) -> io::Result<()> {
    let output = Output {
        id,
        text: (!options.spans_only).then_some(&redacted.text),
        spans: redacted.spans.iter().map(output_span).collect(),
    };
    serde_json::to_writer(&mut *writer, &output)?;
    writer.write_all(b"\n")
}

fn output_span(span: &Span) -> OutputSpan {
    OutputSpan { start: span.start, end: span.end, r#type: span.kind.as_str(), score: span.score }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Profile;
    use super::*;

    /// Remembers what became of the records.
    #[derive(Default)]
    pub(in crate::redact) struct Told {
        pub(in crate::redact) accounts: Vec<Account>,
        pub(in crate::redact) failures: Vec<(u64, String)>,
    }

    impl Observer for Told {
        fn cleaned(&mut self, account: Account) -> io::Result<()> {
            self.accounts.push(account);
            Ok(())
        }

        fn failed(&mut self, failure: Failure) {
            self.failures.push((failure.line, failure.reason.to_string()));
        }
    }

    fn run(input: &[u8]) -> (Vec<serde_json::Value>, Told) {
        let engine = Engine::new(Profile::default());
        let (mut output, mut told) = (Vec::new(), Told::default());
        let options = Options { mode: Mode::Mask, spans_only: false };
        lines(&engine, input, &mut output, options, &mut told).unwrap();
        let output = String::from_utf8(output).unwrap();
        (output.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), told)
    }

    #[test]
    fn bad_lines_are_reported_and_the_rest_is_redacted() {
        let (records, told) = run(b"{\"id\":1,\"text\":\"mail a@example.org\"}\n\n{\"id\":2}\nnonsense\n\xff\xfe\n{\"id\":\"x\",\"text\":\"no data\"}");
        assert_eq!(records.len(), 2);
        assert_eq!(records[0]["text"], "mail [EMAIL]");
        assert_eq!(records[0]["spans"][0]["type"], "EMAIL");
        assert_eq!(records[1]["text"], "no data");
        let lines: Vec<_> = told.failures.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5]);
        let reason = &told.failures[2].1;
        assert!(reason.contains("not UTF-8 (or what --encoding names) after 0 bytes"), "{reason}");
        assert_eq!(told.accounts.len(), 2);
        assert_eq!((told.accounts[0].line, &*told.accounts[0].found), (1, &[Kind::Email][..]));
    }

    #[test]
    fn a_line_that_is_too_long_costs_only_itself() {
        let mut input = vec![b'x'; LINE_BYTES_MAX + 10];
        input.extend(b"\n{\"text\":\"a@example.org\"}\n");
        let (records, told) = run(&input);
        assert_eq!(records.len(), 1);
        assert_eq!(told.failures, [(1, format!("longer than {LINE_BYTES_MAX} bytes"))]);
    }

    #[test]
    fn short_names_are_hidden_in_whole_and_with_capitals() {
        let clean = |text: &str, name: &str| {
            let line = serde_json::json!({ "text": text, "names": [name] }).to_string();
            run(line.as_bytes()).0[0]["text"].as_str().unwrap().to_owned()
        };
        assert_eq!(clean("heute kam Xu Li und ging", "Xu Li"), "heute kam [NAME] und ging");
        assert_eq!(clean("heute kam xu, li und ging", "Xu Li"), "heute kam [NAME] und ging");
        assert_eq!(clean("xu und Li kamen", "Xu Li"), "xu und [NAME] kamen");
        let (nfc, nfd) = ("heute kam möllerström an", "Mo\u{308}llerstro\u{308}m");
        assert_eq!(clean(nfc, nfd), "heute kam [NAME] an");
        assert_eq!(clean("heute kam mo\u{308}ller an", "Möller"), "heute kam [NAME] an");
    }

    #[test]
    fn more_people_than_can_be_looked_for_are_not_passed_over() {
        let many: Vec<_> = (0..50_000).map(|number| format!("{number:06}")).collect();
        let line = serde_json::json!({ "text": "ok", "identifiers": many }).to_string();
        let (records, told) = run(line.as_bytes());
        let reason = "its fields state 300000 bytes of names and identifiers where 262144 may be: \
            split it, or give fields that state none a rule";
        assert_eq!((records.len(), told.failures), (0, vec![(1, reason.to_owned())]));
    }

    #[test]
    fn names_of_other_fields_are_hidden() {
        let (records, _) =
            run("{\"text\":\"heute kam MÜLLER zu uns\",\"names\":[\"Eva Müller\"]}".as_bytes());
        assert_eq!(records[0]["text"], "heute kam [NAME] zu uns");
    }
}
