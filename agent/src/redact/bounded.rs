//! Regular expressions that people at sites write, searched with counted work.
//!
//! A search is linear in the text for a given pattern, but not cheap: a pattern may have tens of
//! thousands of states. And a text is searched again behind each match, which is quadratic where each
//! search looks far ahead for a longer match. So every step is counted, and a search ends when there
//! were too many, whatever machine it runs on and whatever else that does.
//!
//! A lazy automaton reads most texts at a step a byte. Where it cannot (a Unicode word boundary beside
//! letters beyond ASCII, more states than its cache holds), the states are walked one by one.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA, State};
use regex_automata::util::{pool::Pool, primitives::StateID};
use regex_automata::{Anchored, Input, MatchKind};

/// Bytes of a pattern as compiled, in each direction. What is written was held to less before.
const NFA_BYTES_MAX: usize = 16 << 20;
/// Bytes that each of a pattern's two caches may take, per thread that searches at the same time.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// How often a cache is cleared before it is asked whether it is of use.
const CACHE_CLEARS: usize = 4;
/// Bytes read per state made, below which a cache is of no use.
const CACHE_USE_MIN: usize = 16;
/// Steps that every text may cost, however short it is.
const STEPS_MIN: u64 = 1 << 22;
/// Steps that a byte of text may cost.
const STEPS_PER_BYTE: u64 = 1 << 10;
/// Steps that the longest text may cost: some seconds.
const STEPS_MAX: u64 = 1 << 31;

/// How many steps a text may still cost.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
}

/// No step is left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spent;

impl Work {
    /// For a text of so many bytes, however often it is read.
    pub(super) fn on(bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { left: bytes.saturating_mul(STEPS_PER_BYTE).clamp(STEPS_MIN, STEPS_MAX) }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(steps).ok_or(Spent)?;
        Ok(())
    }
}

type Caches = Pool<(Cache, Cache), Box<dyn Fn() -> (Cache, Cache) + Send + Sync>>;

/// A pattern that is searched with counted work.
pub(super) struct Bounded {
    forward: DFA,
    backward: DFA,
    caches: Caches,
}

impl std::fmt::Debug for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bounded({} states)", self.forward.get_nfa().states().len())
    }
}

/// Why the lazy automaton was left.
enum Left {
    Spent,
    /// It cannot read this text.
    Unable,
}

impl From<Spent> for Left {
    fn from(_: Spent) -> Self {
        Self::Spent
    }
}

impl Bounded {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub(super) fn new(pattern: &str) -> Result<Self, Box<regex_automata::hybrid::BuildError>> {
        let build = |kind, reverse| {
            DFA::builder()
                .configure(
                    DFA::config()
                        .match_kind(kind)
                        .unicode_word_boundary(true)
                        .cache_capacity(CACHE_BYTES_MAX)
                        .skip_cache_capacity_check(true)
                        .minimum_cache_clear_count(Some(CACHE_CLEARS))
                        .minimum_bytes_per_state(Some(CACHE_USE_MIN)),
                )
                .thompson(
                    thompson::Config::new()
                        .reverse(reverse)
                        .nfa_size_limit(Some(NFA_BYTES_MAX))
                        .which_captures(thompson::WhichCaptures::None),
                )
                .build(pattern)
                .map_err(Box::new)
        };
        let forward = build(MatchKind::LeftmostFirst, false)?;
        let backward = build(MatchKind::All, true)?;
        let pair = (forward.clone(), backward.clone());
        let caches: Caches =
            Pool::new(Box::new(move || (pair.0.create_cache(), pair.1.create_cache())));
        Ok(Self { forward, backward, caches })
    }

    /// Where the pattern matches in `text`, from left to right and apart, without empty matches.
    ///
    /// # Errors
    /// [`Spent`], when this costs more than `work` has left.
    pub(super) fn find_all(
        &self,
        text: &str,
        work: &mut Work,
    ) -> Result<Vec<(usize, usize)>, Spent> {
        let mut caches = self.caches.get();
        let (mut found, mut at, mut able) = (Vec::new(), 0, true);
        let mut walk = None;
        while at <= text.len() {
            let quick =
                if able { self.quick(&mut caches, text, at, work) } else { Err(Left::Unable) };
            let next = match quick {
                Ok(next) => next,
                Err(Left::Spent) => return Err(Spent),
                Err(Left::Unable) => {
                    able = false;
                    let nfa = self.forward.get_nfa();
                    walk.get_or_insert_with(|| Walk::new(nfa)).next(text, at, work)?
                }
            };
            let Some((start, end)) = next else { break };
            if start < end {
                found.push((start, end));
                at = end;
            } else {
                at = text.ceil_char_boundary(end + 1).max(end + 1);
            }
        }
        Ok(found)
    }

    /// The first match from byte `at`, by the lazy automata.
    fn quick(
        &self,
        (forward, backward): &mut (Cache, Cache),
        text: &str,
        at: usize,
        work: &mut Work,
    ) -> Result<Option<(usize, usize)>, Left> {
        let bytes = text.as_bytes();
        let unable = |_| Left::Unable;
        let input = Input::new(text).range(at..);
        let mut state =
            self.forward.start_state_forward(forward, &input).map_err(|_| Left::Unable)?;
        let (mut end, mut read) = (None, at);
        forward.search_start(at);
        // A match is told one byte late.
        while read < bytes.len() {
            forward.search_update(read);
            state = self.forward.next_state(forward, state, bytes[read]).map_err(unable)?;
            if state.is_tagged() {
                if state.is_match() {
                    end = Some(read);
                } else if state.is_dead() {
                    break;
                } else if state.is_quit() {
                    work.spend(read - at)?;
                    return Err(Left::Unable);
                }
            }
            read += 1;
        }
        forward.search_finish(read);
        work.spend(read - at + 1)?;
        if read == bytes.len() {
            state = self.forward.next_eoi_state(forward, state).map_err(unable)?;
            if state.is_match() {
                end = Some(read);
            }
        }
        let Some(end) = end else { return Ok(None) };
        work.spend(end - at)?;
        let back = Input::new(text).range(at..end).anchored(Anchored::Yes);
        let start = self.backward.try_search_rev(backward, &back).map_err(|_| Left::Unable)?;
        Ok(start.map(|start| (start.offset(), end)))
    }
}

/// Walks a pattern's states one by one, those of the first alternative first.
struct Walk<'n> {
    nfa: &'n NFA,
    now: Threads,
    then: Threads,
    stack: Vec<StateID>,
}

/// States in the order of their preference, and where the match of each has started.
struct Threads {
    states: Vec<(StateID, usize)>,
    /// The round in which a state was last added.
    added: Vec<usize>,
    round: usize,
}

impl Threads {
    fn new(nfa: &NFA) -> Self {
        Self { states: Vec::new(), added: vec![0; nfa.states().len()], round: 1 }
    }

    fn clear(&mut self) {
        self.states.clear();
        self.round += 1;
    }

    /// Adds a state, unless it is there: what came first is preferred.
    fn insert(&mut self, id: StateID, start: usize) -> bool {
        let round = std::mem::replace(&mut self.added[id.as_usize()], self.round);
        if round != self.round {
            self.states.push((id, start));
        }
        round != self.round
    }
}

impl<'n> Walk<'n> {
    fn new(nfa: &'n NFA) -> Self {
        Self { nfa, now: Threads::new(nfa), then: Threads::new(nfa), stack: Vec::new() }
    }

    /// The first match from byte `from`.
    fn next(
        &mut self,
        text: &str,
        from: usize,
        work: &mut Work,
    ) -> Result<Option<(usize, usize)>, Spent> {
        let bytes = text.as_bytes();
        let mut found = None;
        self.now.clear();
        for at in from..=bytes.len() {
            if found.is_none() {
                self.enter(false, self.nfa.start_anchored(), (bytes, at), at, work)?;
            } else if self.now.states.is_empty() {
                break;
            }
            self.then.clear();
            work.spend(self.now.states.len() + 1)?;
            for place in 0..self.now.states.len() {
                let (id, start) = self.now.states[place];
                let next = match self.nfa.state(id) {
                    State::Match { .. } => {
                        found = Some((start, at));
                        // What comes behind is preferred less.
                        break;
                    }
                    State::ByteRange { trans } => trans.matches(bytes, at).then_some(trans.next),
                    State::Sparse(sparse) => sparse.matches(bytes, at),
                    State::Dense(dense) => dense.matches(bytes, at),
                    State::Look { .. }
                    | State::Union { .. }
                    | State::BinaryUnion { .. }
                    | State::Capture { .. }
                    | State::Fail => None,
                };
                if let Some(next) = next {
                    self.enter(true, next, (bytes, at + 1), start, work)?;
                }
            }
            std::mem::swap(&mut self.now, &mut self.then);
        }
        Ok(found)
    }

    /// Adds a state and all that is reached from it without a byte.
    fn enter(
        &mut self,
        then: bool,
        state: StateID,
        (bytes, at): (&[u8], usize),
        start: usize,
        work: &mut Work,
    ) -> Result<(), Spent> {
        let threads = if then { &mut self.then } else { &mut self.now };
        self.stack.push(state);
        while let Some(id) = self.stack.pop() {
            if !threads.insert(id, start) {
                continue;
            }
            if work.spend(1).is_err() {
                self.stack.clear();
                return Err(Spent);
            }
            match self.nfa.state(id) {
                State::Union { alternates } => self.stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt2, *alt1]),
                State::Capture { next, .. } => self.stack.push(*next),
                State::Look { look, next } => {
                    if self.nfa.look_matcher().matches(*look, bytes, at) {
                        self.stack.push(*next);
                    }
                }
                State::ByteRange { .. }
                | State::Sparse(_)
                | State::Dense(_)
                | State::Fail
                | State::Match { .. } => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    const PATTERNS: [&str; 12] = [
        "ST-[0-9]{2,6}",
        r"\bst\w+\b",
        r"(?i)ä|stra(?:ß|ss)e\b",
        "a+?|ab",
        "ab|a+",
        r"(?m)^\d+ ?",
        r"\d+$",
        r"\B.",
        "(?s).*b",
        r"x*|b",
        "[^a]{2}",
        r"\p{Lu}\w*\s",
    ];

    /// Each pattern in ours and in another engine.
    static BOTH: LazyLock<Vec<(Bounded, Regex)>> = LazyLock::new(|| {
        let both = |pattern: &&str| (Bounded::new(pattern).unwrap(), Regex::new(pattern).unwrap());
        PATTERNS.iter().map(both).collect()
    });

    fn place(found: regex::Match<'_>) -> (usize, usize) {
        (found.start(), found.end())
    }

    proptest! {
        #[test]
        fn as_any_other_engine(
            pattern in 0..PATTERNS.len(),
            text in "([abSTx ßÄä0-9\n-]|ST-[0-9]|straße|😀){0,40}",
        ) {
            let (ours, other) = &BOTH[pattern];
            let found = ours.find_all(&text, &mut Work::on(text.len())).unwrap();
            let expected: Vec<_> =
                other.find_iter(&text).filter(|found| !found.is_empty()).map(place).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_walk_alone_as_well(
            pattern in 0..PATTERNS.len(),
            text in "([abSTx ßÄä0-9\n-]|ST-[0-9]){0,40}",
        ) {
            let (ours, other) = &BOTH[pattern];
            let mut walk = Walk::new(ours.forward.get_nfa());
            let found = walk.next(&text, 0, &mut Work::on(1)).unwrap();
            prop_assert_eq!(found, other.find(&text).map(place));
        }
    }

    #[test]
    fn quadratic_and_large_searches_end() {
        // Each match is found only after the rest of the text was read for a longer one.
        let quadratic = Bounded::new("[A-Z]+[0-9]|[A-Z]").unwrap();
        let text = "A".repeat(1 << 16);
        assert_eq!(quadratic.find_all(&text, &mut Work { left: 1 << 24 }), Err(Spent));
        // Each byte is in a thousand states, and no two sets of them are alike.
        let large = Bounded::new("[01]*1[01]{1500}2").unwrap();
        let mut bits = 1_u64;
        let text: String = (0..1 << 20)
            .map(|_| {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if bits >> 63 == 1 { '1' } else { '0' }
            })
            .collect();
        let mut work = Work { left: 1 << 24 };
        assert_eq!(large.find_all(&text, &mut work), Err(Spent));
    }

    #[test]
    fn ordinary_searches_cost_little() {
        let text = "Größe 12, Studie ST-123456 für Ärzte. ".repeat(2_000);
        for pattern in ["ST-[0-9]{6}", r"\bST-\d+\b", r"(?i)\bstudie\w*\b"] {
            let mut work = Work::on(text.len());
            let found = Bounded::new(pattern).unwrap().find_all(&text, &mut work).unwrap();
            assert_eq!(found.len(), 2_000, "{pattern}");
            assert!(work.left > Work::on(text.len()).left / 2, "{pattern}: {}", work.left);
        }
    }
}
