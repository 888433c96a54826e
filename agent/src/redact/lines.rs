//! Redaction of JSON lines: the command `insitu-agent redact`.

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use super::profile::{Hints, Mode};
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

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records written.
    pub records: u64,
    /// Lines that could not be read, and were not written.
    pub failures: u64,
    /// Spans found.
    pub spans: u64,
    /// Bytes of text redacted.
    pub text_bytes: u64,
}

/// A line that could not be redacted. It is not written: redaction never fails open.
#[derive(Debug, thiserror::Error)]
#[error("line {line}")]
pub struct Failure {
    /// The line's number, from 1.
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
    /// Not UTF-8.
    #[error("not UTF-8 after {valid_bytes} bytes")]
    NotUtf8 {
        /// Bytes before the first invalid one.
        valid_bytes: usize,
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
/// Span offsets are code points of the original text. An optional `names` (strings) tells names
/// from the record's other fields. Empty lines are skipped. Each failure is handed to `report`; the
/// rest is processed. Memory is bounded by [`LINE_BYTES_MAX`].
///
/// # Errors
/// Those of `reader` and `writer`.
pub fn lines(
    engine: &Engine,
    mut reader: impl BufRead,
    mut writer: impl Write,
    options: Options<'_>,
    mut report: impl FnMut(Failure),
) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut buffer = Vec::new();
    for line in 1.. {
        let Some(read) = read_line(&mut reader, &mut buffer)? else { break };
        if read.is_ok() && buffer.trim_ascii().is_empty() {
            continue;
        }
        match read.and_then(|()| parse(&buffer)) {
            Ok(record) => {
                let spans = redact(engine, &record, options, &mut writer)?;
                summary.records += 1;
                summary.spans += spans;
                summary.text_bytes += record.text.len() as u64;
            }
            Err(reason) => {
                summary.failures += 1;
                report(Failure { line, reason });
            }
        }
    }
    writer.flush()?;
    Ok(summary)
}

/// Reads a line without its end into `buffer`; `None` at the end of input. The rest of a line that
/// is too long is skipped.
fn read_line(
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
    let line = std::str::from_utf8(line)
        .map_err(|error| LineError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    // serde_json's own message may quote the line, so only its place is kept.
    serde_json::from_str(line.trim_start_matches('\u{feff}')).map_err(|error| {
        LineError::NotARecord {
            category: match error.classify() {
                serde_json::error::Category::Data => "data",
                serde_json::error::Category::Eof => "eof",
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => "syntax",
            },
            column: error.column(),
        }
    })
}

fn redact(
    engine: &Engine,
    record: &Record,
    options: Options<'_>,
    writer: &mut impl Write,
) -> io::Result<u64> {
    let hints = Hints { names: record.names.clone(), ..Hints::default() };
    let redacted = engine.clean_with(&record.text, &hints, options.mode);
    let output = Output {
        id: &record.id,
        text: (!options.spans_only).then_some(&redacted.text),
        spans: redacted.spans.iter().map(output_span).collect(),
    };
    serde_json::to_writer(&mut *writer, &output)?;
    writer.write_all(b"\n")?;
    Ok(redacted.spans.len() as u64)
}

fn output_span(span: &Span) -> OutputSpan {
    OutputSpan { start: span.start, end: span.end, r#type: span.kind.as_str(), score: span.score }
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    fn run(input: &[u8]) -> (Vec<serde_json::Value>, Vec<(u64, String)>, Summary) {
        let engine = Engine::new(Profile::default());
        let (mut output, mut failures) = (Vec::new(), Vec::new());
        let options = Options { mode: Mode::Mask, spans_only: false };
        let summary = lines(&engine, input, &mut output, options, |failure| {
            failures.push((failure.line, failure.reason.to_string()));
        })
        .unwrap();
        let output = String::from_utf8(output).unwrap();
        (
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            failures,
            summary,
        )
    }

    #[test]
    fn bad_lines_are_reported_and_the_rest_is_redacted() {
        let (records, failures, summary) = run(b"{\"id\":1,\"text\":\"mail a@example.org\"}\n\n{\"id\":2}\nnonsense\n\xff\xfe\n{\"id\":\"x\",\"text\":\"no data\"}");
        assert_eq!(records.len(), 2);
        assert_eq!(records[0]["text"], "mail [EMAIL]");
        assert_eq!(records[0]["spans"][0]["type"], "EMAIL");
        assert_eq!(records[1]["text"], "no data");
        let lines: Vec<_> = failures.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5]);
        assert!(failures[2].1.contains("not UTF-8 after 0 bytes"), "{}", failures[2].1);
        assert_eq!((summary.records, summary.failures, summary.spans), (2, 3, 1));
    }

    #[test]
    fn a_line_that_is_too_long_costs_only_itself() {
        let mut input = vec![b'x'; LINE_BYTES_MAX + 10];
        input.extend(b"\n{\"text\":\"a@example.org\"}\n");
        let (records, failures, _) = run(&input);
        assert_eq!(records.len(), 1);
        assert_eq!(failures, [(1, format!("longer than {LINE_BYTES_MAX} bytes"))]);
    }

    #[test]
    fn names_of_other_fields_are_hidden() {
        let (records, _, _) =
            run("{\"text\":\"heute kam MÜLLER zu uns\",\"names\":[\"Eva Müller\"]}".as_bytes());
        assert_eq!(records[0]["text"], "heute kam [NAME] zu uns");
    }
}
