//! CoNLL-2003: a token and its tag a line, the tag last; a blank line ends a sentence, which is an
//! item. The text is the tokens with a space between them: what was between them is not in the file.
//!
//! Tags may be IOB1, IOB2 or BIOES (also known as BILOU): `B-`, `S-` and `U-` begin a span; `I-`, `E-`
//! and `L-` go on with one of their class, or begin one where there is none; `E-`, `L-`, `S-` and `U-`
//! end it. Source: E. F. Tjong Kim Sang and F. De Meulder, *Introduction to the CoNLL-2003 shared task*
//! (2003); L. Ratinov and D. Roth, *Design challenges and misconceptions in named entity recognition*
//! (2009).

use std::io::BufRead;

use serde_json::Map;

use super::said::{Mark, Said};
use super::{Ask, Bad, Content, Found, Take};
use crate::source::{ImportError, LINE_BYTES_MAX, LineError, next_line, trimmed};

/// The first token of a document, which is no part of a text.
const DOCUMENT: &str = "-DOCSTART-";

/// Reads sentences. One with a bad line is left out as a whole.
pub(super) fn read(
    ask: &Ask<'_>,
    mut reader: &mut dyn BufRead,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let content = Content::text(ask.project)?;
    let (mut bytes, mut line) = (Vec::new(), 0);
    let mut sentence = Sentence::default();
    loop {
        let Some(fits) = next_line(&mut reader, &mut bytes).map_err(ImportError::Read)? else {
            break;
        };
        line += 1;
        let text = match (fits, std::str::from_utf8(trimmed(&bytes))) {
            (false, _) => Err(LineError::TooLong),
            (true, Err(_)) => Err(LineError::Encoding),
            (true, Ok(text)) => Ok(text.trim_ascii()),
        };
        match text {
            Ok("") => std::mem::take(&mut sentence).give(ask, &content, take)?,
            Ok(text) if text.split_ascii_whitespace().next() == Some(DOCUMENT) => {}
            Ok(text) => sentence.add(line, text),
            Err(reason) => sentence.refuse(line, reason),
        }
    }
    sentence.give(ask, &content, take)
}

#[derive(Default)]
struct Sentence {
    line: u64,
    text: String,
    /// Code points of the text.
    length: u64,
    marks: Vec<Mark>,
    /// Whether the last mark may go on.
    open: bool,
    bad: Option<(u64, LineError)>,
}

impl Sentence {
    fn add(&mut self, line: u64, text: &str) {
        // Between columns: a no-break space is part of a token.
        let mut columns = text.split_ascii_whitespace();
        let (Some(token), Some(tag)) = (columns.next(), columns.next_back()) else {
            return self.refuse(line, LineError::Missing { field: "tag".to_owned() });
        };
        if self.text.len() + token.len() >= LINE_BYTES_MAX {
            return self.refuse(line, LineError::TooLong);
        }
        if self.line == 0 {
            self.line = line;
        } else {
            self.text.push(' ');
            self.length += 1;
        }
        let start = self.length;
        self.text.push_str(token);
        self.length += u64::try_from(token.chars().count()).unwrap_or(u64::MAX);
        let (prefix, class) = match tag.split_once('-') {
            _ if tag == "O" => {
                self.open = false;
                return;
            }
            Some((prefix, class)) if !class.is_empty() => (prefix, class),
            Some(_) | None => return self.refuse(line, LineError::NotATag),
        };
        let (begins, ends) = match prefix {
            "B" => (true, false),
            "I" => (false, false),
            "E" | "L" => (false, true),
            "S" | "U" => (true, true),
            _ => return self.refuse(line, LineError::NotATag),
        };
        match self.marks.last_mut() {
            Some(last) if self.open && !begins && last.class == class => last.end = self.length,
            Some(_) | None => {
                self.marks.push(Mark { start, end: self.length, class: class.to_owned() });
            }
        }
        self.open = !ends;
    }

    fn refuse(&mut self, line: u64, reason: LineError) {
        if self.line == 0 {
            self.line = line;
        }
        self.bad.get_or_insert((line, reason));
    }

    fn give(self, ask: &Ask<'_>, content: &Content<'_>, take: Take<'_>) -> Result<(), ImportError> {
        if self.line == 0 {
            return Ok(());
        }
        if let Some((line, reason)) = self.bad {
            return take(Err(Bad { file: None, line, reason }));
        }
        let mut record = Map::new();
        content.put(&mut record, ask, self.text, None);
        let mut marks = self.marks;
        for mark in &mut marks {
            // A tag has no spaces: `export` writes low lines in their place.
            if ask.project.class_named(&mark.class).is_none() {
                mark.class = mark.class.replace('_', " ");
            }
        }
        let said = Some(Said::Spans(marks, Vec::new()));
        take(ask.labeled(self.line, Ok(Found { record, said, guess: None })))
    }
}
