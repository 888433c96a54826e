//! A file that is one JSON value: read element by element, each with its line, whatever its size.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde::de::{DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserializer, de};

use super::ELEMENT_BYTES_MAX;
use crate::source::ImportError;

/// Counts lines, and stops an element that is too long.
pub(super) struct Meter<R> {
    inner: R,
    state: State,
}

/// What a meter has counted, shared with whoever parses what it gives.
#[derive(Clone)]
pub(super) struct State(Rc<Counts>);

struct Counts {
    line: Cell<u64>,
    left: Cell<usize>,
    /// What `take` refused: it stops the parser, which can only tell of faults in the file.
    stopped: Cell<Option<ImportError>>,
}

impl<R: BufRead> Meter<R> {
    pub(super) fn new(inner: R) -> (Self, State) {
        let (line, left) = (Cell::new(1), Cell::new(ELEMENT_BYTES_MAX));
        let state = State(Rc::new(Counts { line, left, stopped: Cell::new(None) }));
        (Self { inner, state: state.clone() }, state)
    }
}

impl State {
    /// The line that the last byte is in, from 1.
    pub(super) fn line(&self) -> u64 {
        self.0.line.get()
    }

    /// From here on, an element more of bytes.
    pub(super) fn next_element(&self) {
        self.0.left.set(ELEMENT_BYTES_MAX);
    }

    /// Keeps why reading stops, and gives what stops the parser.
    pub(super) fn stop<E: de::Error>(&self, error: ImportError) -> E {
        self.0.stopped.set(Some(error));
        E::custom("stopped")
    }

    /// Why parsing ended: the reason that was kept, a fault of the file itself, or in its JSON, whose
    /// line it is then.
    pub(super) fn ended(&self, error: &serde_json::Error) -> Result<u64, ImportError> {
        if let Some(stopped) = self.0.stopped.take() {
            return Err(stopped);
        }
        match error.io_error_kind() {
            None | Some(io::ErrorKind::FileTooLarge | io::ErrorKind::UnexpectedEof) => {
                Ok(self.line())
            }
            Some(kind) => Err(ImportError::Read(kind.into())),
        }
    }
}

impl<R: BufRead> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Counts { line, left, .. } = &*self.state.0;
        let wanted = buffer.len().min(left.get());
        if wanted == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let got = self.inner.read(&mut buffer[..wanted])?;
        let lines = buffer[..got].iter().filter(|byte| **byte == b'\n').count();
        line.set(line.get() + u64::try_from(lines).unwrap_or(0));
        left.set(left.get() - got);
        Ok(got)
    }
}

/// The elements of a list, each given to `take` with the line in which it begins.
pub(super) struct Elements<'a, T> {
    pub(super) state: &'a State,
    pub(super) take: &'a mut dyn FnMut(u64, T) -> Result<(), ImportError>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Elements<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Elements<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { state, take } = self;
        while let Some((line, element)) = list.next_element_seed(Element::<T>::new(state))? {
            take(line, element).map_err(|error| state.stop(error))?;
            state.next_element();
        }
        Ok(())
    }
}

struct Element<'a, T> {
    state: &'a State,
    of: std::marker::PhantomData<T>,
}

impl<'a, T> Element<'a, T> {
    fn new(state: &'a State) -> Self {
        Self { state, of: std::marker::PhantomData }
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Element<'_, T> {
    type Value = (u64, T);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u64, T), D::Error> {
        // The parser has read the element's first byte, and no further.
        let line = self.state.line();
        T::deserialize(deserializer).map(|element| (line, element))
    }
}
