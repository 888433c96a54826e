//! One pass over a text that finds everything with a fixed shape: identifiers and context words.
//!
//! All patterns are compiled into one lazy automaton. It is started where a word or number starts,
//! and reports every pattern that matches there, with every end: an identifier that fails its check
//! digit then does not hide another reading of the same characters, as it would with the
//! leftmost-first search of a combined regex. A pattern starts where it stands and is bounded, so
//! the work per start is bounded too; ordinary words leave the automaton after two or three bytes.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::{pool::Pool, start};
use regex_automata::{Anchored, MatchKind};

use super::labels::{self, Labels};
use super::rules::{self, Rule};

/// Bytes that the automaton's cache may take, per thread that scans at the same time.
const CACHE_BYTES_MAX: usize = 8 << 20;
/// Bytes that the compiled patterns may take.
const NFA_BYTES_MAX: usize = 16 << 20;

/// Something with the shape of an identifier, not judged yet. Offsets are bytes.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) rule: &'static Rule,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A context word. Offsets are bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) labels: Labels,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What one pass has found, each list in the order of its starts.
#[derive(Default)]
pub(super) struct Finds {
    pub(super) candidates: Vec<Candidate>,
    pub(super) labels: Vec<Label>,
    /// Offsets of `@`.
    pub(super) ats: Vec<usize>,
    /// Offsets of full stops between a word and a letter.
    pub(super) dots: Vec<usize>,
}

/// What a pattern of the automaton stands for.
#[derive(Clone, Copy)]
enum Entry {
    Rule(&'static Rule),
    Label(Labels),
}

type CachePool = Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>>;

/// A set of patterns that are tried together at one place.
struct Automaton {
    dfa: DFA,
    entries: Vec<Entry>,
    caches: CachePool,
}

impl Automaton {
    fn new(patterns: Vec<(String, Entry)>) -> Self {
        let (patterns, entries): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        let dfa = DFA::builder()
            .configure(DFA::config().match_kind(MatchKind::All).cache_capacity(CACHE_BYTES_MAX))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES_MAX)))
            .build_many(&patterns)
            .expect("the built-in patterns compile: a test builds them");
        let for_pool = dfa.clone();
        let caches: CachePool = Pool::new(Box::new(move || for_pool.create_cache()));
        Self { dfa, entries, caches }
    }

    /// Leaves in `matches` each pattern that matches at `from`, with its longest end.
    fn run(&self, cache: &mut Cache, text: &str, from: usize, matches: &mut Vec<(Entry, usize)>) {
        const INFALLIBLE: &str = "the cache may be cleared any number of times";
        matches.clear();
        let bytes = text.as_bytes();
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let mut state = self.dfa.start_state(cache, &anchored).expect(INFALLIBLE);
        for (offset, &byte) in bytes[from..].iter().enumerate() {
            state = self.dfa.next_state(cache, state, byte).expect(INFALLIBLE);
            if state.is_tagged() {
                if state.is_match() {
                    self.collect(cache, state, text, from + offset, matches);
                } else if state.is_dead() {
                    return;
                }
            }
        }
        state = self.dfa.next_eoi_state(cache, state).expect(INFALLIBLE);
        if state.is_match() {
            self.collect(cache, state, text, bytes.len(), matches);
        }
    }

    /// Notes the patterns that match up to `end`, if a word ends there. Ends only grow.
    fn collect(
        &self,
        cache: &Cache,
        state: LazyStateID,
        text: &str,
        end: usize,
        matches: &mut Vec<(Entry, usize)>,
    ) {
        if !ends_word(text, end) {
            return;
        }
        for index in 0..self.dfa.match_len(cache, state) {
            let entry = self.entries[self.dfa.match_pattern(cache, state, index).as_usize()];
            if let Entry::Rule(rule) = entry
                && !rule.holds_edge(text, end)
            {
                continue;
            }
            match matches.iter_mut().find(|(known, _)| known.is(entry)) {
                Some((_, longest)) => *longest = end,
                None => matches.push((entry, end)),
            }
        }
    }
}

impl Entry {
    /// Whether both are the same pattern. Labels at one place are merged by their ends anyway.
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Rule(a), Self::Rule(b)) => std::ptr::eq(a, b),
            (Self::Label(a), Self::Label(b)) => a == b,
            (Self::Rule(_), Self::Label(_)) | (Self::Label(_), Self::Rule(_)) => false,
        }
    }
}

/// The automata over all rules and labels.
pub(super) struct Scanner {
    /// Labels, and rules that may match anywhere.
    free: Automaton,
    /// Rules that are tried right after a label.
    announced: Automaton,
}

impl Scanner {
    /// Compiles the built-in rules and labels.
    pub(super) fn new() -> Self {
        let (mut free, mut announced) = (Vec::new(), Vec::new());
        for rule in rules::all() {
            let list = if rule.announced { &mut announced } else { &mut free };
            list.push((rules::expand(rule.pattern), Entry::Rule(rule)));
        }
        free.extend(
            labels::all()
                .map(|(pattern, labels)| (format!("(?i:{pattern})"), Entry::Label(labels))),
        );
        Self { free: Automaton::new(free), announced: Automaton::new(announced) }
    }

    /// Everything in `text` that a label or a free rule matches.
    pub(super) fn scan(&self, text: &str) -> Finds {
        let mut cache = self.free.caches.get();
        let mut finds = Finds::default();
        let mut matches = Vec::new();
        let (mut at, mut in_word) = (0, false);
        while let Some(&byte) = text.as_bytes().get(at) {
            let (starts, goes_on, width) = match CLASS[usize::from(byte)] {
                Class::Word => (true, true, 1),
                Class::Opener => (true, false, 1),
                Class::Other => {
                    match byte {
                        b'@' => finds.ats.push(at),
                        b'.' if in_word && is_letter(text, at + 1) => finds.dots.push(at),
                        _ => {}
                    }
                    (false, false, 1)
                }
                Class::Wide => {
                    let c = char_at(text, at);
                    // A combining mark belongs to the letter before it.
                    let goes_on = in_words(c) || (in_word && is_mark(c));
                    (c.is_alphabetic(), goes_on, c.len_utf8())
                }
            };
            if starts && !in_word {
                self.free.run(&mut cache, text, at, &mut matches);
                keep(&mut finds, &mut matches, at);
            }
            in_word = goes_on;
            at += width;
        }
        finds
    }

    /// The candidates of announced rules that start at byte `start`.
    pub(super) fn announced_at(&self, text: &str, start: usize, found: &mut Vec<Candidate>) {
        let mut matches = Vec::new();
        self.announced.run(&mut self.announced.caches.get(), text, start, &mut matches);
        for (entry, end) in matches {
            if let Entry::Rule(rule) = entry {
                found.push(Candidate { rule, start, end });
            }
        }
    }
}

/// Sorts the matches at `start` into candidates and the longest label.
fn keep(finds: &mut Finds, matches: &mut Vec<(Entry, usize)>, start: usize) {
    let mut label: Option<Label> = None;
    for (entry, end) in matches.drain(..) {
        match entry {
            Entry::Rule(rule) => finds.candidates.push(Candidate { rule, start, end }),
            Entry::Label(labels) => match &mut label {
                Some(known) if known.end > end => {}
                Some(known) if known.end == end => known.labels = known.labels.or(labels),
                _ => label = Some(Label { labels, start, end }),
            },
        }
    }
    // "Batch reference" is one word that denies, and in it is none that announces.
    let inside = |label: &Label| {
        let denying = finds.labels.last().filter(|last| last.labels.meets(Labels::DENY));
        denying.is_some_and(|last| label.end <= last.end)
    };
    finds.labels.extend(label.filter(|label| !inside(label)));
}

/// What a byte means for where patterns may start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Neither part of a word nor the start of a pattern.
    Other,
    /// ASCII letter or digit.
    Word,
    /// A sign that an identifier may start with.
    Opener,
    /// Part of a character beyond ASCII.
    Wide,
}

const CLASS: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Class::Word,
            b'+' | b'(' | b'#' | b':' => Class::Opener,
            0x80.. => Class::Wide,
            _ => Class::Other,
        };
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// The character that starts at byte `at`.
pub(super) fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().unwrap_or(' ')
}

/// The character before byte `at`; a space at the text's start.
pub(super) fn char_before(text: &str, at: usize) -> char {
    match text.as_bytes()[..at].last() {
        None => ' ',
        Some(byte) if byte.is_ascii() => char::from(*byte),
        Some(_) => text[..at].chars().next_back().unwrap_or(' '),
    }
}

fn is_letter(text: &str, at: usize) -> bool {
    text.as_bytes().get(at).is_some_and(u8::is_ascii_alphabetic)
}

/// Whether `c` is a letter or digit that belongs to the word of those beside it. Chinese, Japanese and
/// Korean set no spaces: there, a number starts and ends beside letters.
pub(super) fn in_words(c: char) -> bool {
    c.is_alphanumeric()
        && !matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Whether `c` is a combining diacritical mark.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe0f}')
}

/// Whether no word or number is cut at `start` or `end`.
pub(super) fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let word = text[start..].starts_with(in_words);
    !(word && in_words(char_before(text, start))) && ends_word(text, end)
}

/// Whether a word or number that ends at `end` is not continued there.
pub(super) fn ends_word(text: &str, end: usize) -> bool {
    if !in_words(char_before(text, end)) {
        return true;
    }
    match text.as_bytes().get(end) {
        None => true,
        Some(byte) if byte.is_ascii() => !byte.is_ascii_alphanumeric(),
        Some(_) => {
            let next = char_at(text, end);
            !in_words(next) && !is_mark(next)
        }
    }
}
