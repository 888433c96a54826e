//! Spans of a text as tags of its words, and back.
//!
//! A head of tokens gives each word a tag: outside of every span, or for each class of spans one that
//! begins a span and one that goes on within it (IOB2: Ramshaw, Marcus, *Text chunking using
//! transformation-based learning*, 1995; Tjong Kim Sang, Veenstra, *Representing text chunks*,
//! 1999). Words, not their pieces, have tags: people mark words, and a span that ends within one is
//! hardly ever meant.
//!
//! Spans are in code points of the text, words are apart and ascend.

use std::ops::Range;

/// The tag of a word outside of every span.
pub const OUTSIDE: u16 = 0;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// Code point behind the last.
    pub end: usize,
    /// Its class, from 0.
    pub class: usize,
}

/// A text's spans as tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Of each word.
    pub tags: Vec<u16>,
    /// Spans that no tags can say: without a word, or with one that another span has.
    pub left_out: usize,
}

/// What probabilities of tags come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The most probable tags, of each word, that are spans.
    pub tags: Vec<u16>,
    /// Least probability of a word's tag among these; 1 without words.
    pub least: f64,
}

/// Tags for so many classes of spans.
pub fn tags(classes: usize) -> usize {
    classes.saturating_mul(2).saturating_add(1)
}

/// The tags of a text's words that say these spans.
///
/// A span has every word that it shares a code point with, so one that ends within a word is said as
/// if it had all of it. Of spans that share a word the longest is said, the first of equally long
/// ones, and the others are counted.
pub fn tag(words: &[Range<usize>], spans: &[Span]) -> Tagged {
    let mut tagged = Tagged { tags: vec![OUTSIDE; words.len()], left_out: 0 };
    let mut order: Vec<&Span> = spans.iter().collect();
    order.sort_by_key(|span| (std::cmp::Reverse(span.end.saturating_sub(span.start)), **span));
    for span in order {
        let first = words.partition_point(|word| word.end <= span.start);
        let behind = words.partition_point(|word| word.start < span.end);
        let numbers = (begins(span.class), goes_on(span.class));
        match (tagged.tags.get_mut(first..behind), numbers) {
            (Some(part @ [_, ..]), (Some(begins), Some(goes_on)))
                if span.start < span.end && part.iter().all(|tag| *tag == OUTSIDE) =>
            {
                part.fill(goes_on);
                part[0] = begins;
            }
            (Some(_) | None, _) => tagged.left_out += 1,
        }
    }
    tagged
}

/// The spans that tags say. A word that goes on within a span that never began begins one: no
/// [`decode`]d path has such.
pub fn spans(words: &[Range<usize>], tags: &[u16]) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut before = OUTSIDE;
    for (word, tag) in words.iter().zip(tags) {
        if *tag != OUTSIDE {
            let class = usize::from(*tag - 1) / 2;
            let follows = begins(class) != Some(*tag) && is_of(class, before);
            match found.last_mut() {
                Some(last) if follows => last.end = word.end,
                Some(_) | None => found.push(Span { start: word.start, end: word.end, class }),
            }
        }
        before = *tag;
    }
    found
}

/// The most probable tags of words, given the probability of each tag, `[words, tags]` row-major, in
/// which no span goes on that has not begun.
///
/// Words are taken for independent but for that: the path with the largest product of probabilities
/// among those allowed (Viterbi, *Error bounds for convolutional codes*, 1967). Mending the most
/// probable tags one by one instead would begin a span wherever one goes on by mistake; here the
/// words before and after have a say. Of equally probable paths one with less marked wins.
pub fn decode(probabilities: &[f64], tags: usize) -> Path {
    let rows = || probabilities.chunks_exact(tags.max(1));
    let mut scores: Vec<f64> = Vec::new();
    let mut came_from: Vec<u16> = Vec::with_capacity(probabilities.len());
    for row in rows() {
        let best = best(&scores);
        let next = row.iter().enumerate().map(|(tag, p)| {
            let (before, score) = match scores.get(tag.wrapping_sub(1)..=tag) {
                // A span of its class begins or goes on with the word before.
                Some([begun, going]) if goes_on_at(tag) => {
                    if begun >= going {
                        (tag - 1, *begun)
                    } else {
                        (tag, *going)
                    }
                }
                None if goes_on_at(tag) => (0, f64::NEG_INFINITY), // the first word
                Some(_) | None => best,
            };
            came_from.push(u16::try_from(before).unwrap_or(OUTSIDE));
            // The least of numbers instead of no logarithm: the other words still count.
            score + p.max(f64::MIN_POSITIVE).ln()
        });
        scores = next.collect();
    }
    let mut path: Vec<u16> = Vec::with_capacity(rows().len());
    let mut tag = best(&scores).0;
    for from in came_from.chunks_exact(tags.max(1)).rev() {
        path.push(u16::try_from(tag).unwrap_or(OUTSIDE));
        tag = usize::from(from[tag]);
    }
    path.reverse();
    let said = rows().zip(&path).map(|(row, tag)| row[usize::from(*tag)]);
    Path { least: said.fold(1.0, f64::min), tags: path }
}

/// The first best state and its score; before the first word anything but going on is free.
fn best(scores: &[f64]) -> (usize, f64) {
    let first_best = |best: (usize, f64), (tag, score): (usize, &f64)| {
        if *score > best.1 { (tag, *score) } else { best }
    };
    let (first, rest) = scores.split_first().unwrap_or((&0.0, &[]));
    rest.iter().enumerate().map(|(at, score)| (at + 1, score)).fold((0, *first), first_best)
}

fn begins(class: usize) -> Option<u16> {
    u16::try_from(class.checked_mul(2)?.checked_add(1)?).ok()
}

fn goes_on(class: usize) -> Option<u16> {
    begins(class)?.checked_add(1)
}

fn goes_on_at(tag: usize) -> bool {
    tag > 0 && tag.is_multiple_of(2)
}

fn is_of(class: usize, tag: u16) -> bool {
    tag != OUTSIDE && usize::from(tag - 1) / 2 == class
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words of these lengths with gaps before them, and the spans over whole words of these counts.
    fn text() -> impl Strategy<Value = (Vec<Range<usize>>, Vec<Span>)> {
        let word = (0_usize..3, 1_usize..5);
        let span = (0_usize..3, 1_usize..4, 0_usize..3);
        (prop::collection::vec(word, 0..12), prop::collection::vec(span, 0..5)).prop_map(
            |(lengths, wanted)| {
                let (mut at, mut words) = (0, Vec::new());
                for (gap, length) in lengths {
                    words.push(at + gap..at + gap + length);
                    at += gap + length;
                }
                let (mut at, mut spans) = (0, Vec::new());
                for (gap, count, class) in wanted {
                    let (first, last) = (at + gap, at + gap + count - 1);
                    if let (Some(first), Some(last)) = (words.get(first), words.get(last)) {
                        spans.push(Span { start: first.start, end: last.end, class });
                    }
                    at += gap + count;
                }
                (words, spans)
            },
        )
    }

    /// Every path, however improbable.
    fn all_paths(words: usize, tags: u16) -> Vec<Vec<u16>> {
        (0..words).fold(vec![Vec::new()], |paths, _| {
            let longer = |path: &Vec<u16>| {
                let path = path.clone();
                (0..tags).map(move |tag| [path.as_slice(), &[tag]].concat())
            };
            paths.iter().flat_map(longer).collect()
        })
    }

    fn is_allowed(path: &[u16]) -> bool {
        (0..path.len()).all(|at| {
            let class = usize::from(path[at].saturating_sub(1)) / 2;
            !goes_on_at(path[at].into()) || at > 0 && is_of(class, path[at - 1])
        })
    }

    proptest! {
        #[test]
        fn spans_of_words_survive_their_tags((words, spans) in text()) {
            let tagged = tag(&words, &spans);
            prop_assert_eq!(tagged.left_out, 0);
            prop_assert_eq!(tagged.tags.len(), words.len());
            prop_assert!(is_allowed(&tagged.tags));
            prop_assert_eq!(super::spans(&words, &tagged.tags), spans);
        }

        /// Whatever spans are given, each is said or counted.
        #[test]
        fn no_span_is_lost_silently(
            (words, _) in text(),
            spans in prop::collection::vec((0_usize..50, 0_usize..9, 0_usize..3), 0..8),
        ) {
            let spans: Vec<Span> = spans
                .into_iter()
                .map(|(start, length, class)| Span { start, end: start + length, class })
                .collect();
            let tagged = tag(&words, &spans);
            let said = super::spans(&words, &tagged.tags);
            prop_assert_eq!(said.len() + tagged.left_out, spans.len());
            for found in said {
                let of = |span: &Span| {
                    span.class == found.class && span.start < found.end && found.start < span.end
                };
                prop_assert!(spans.iter().any(of));
            }
        }

        #[test]
        fn the_decoded_path_is_the_most_probable_one_that_is_allowed(
            weights in prop::collection::vec(prop::array::uniform5(0.0..1.0_f64), 0..5),
        ) {
            let rows: Vec<f64> = weights
                .iter()
                .flat_map(|row| {
                    let sum: f64 = row.iter().sum::<f64>() + 1e-9;
                    row.iter().map(move |weight| (weight + 2e-10) / sum)
                })
                .collect();
            let probability = |path: &[u16]| -> f64 {
                path.iter().enumerate().map(|(at, tag)| rows[at * 5 + usize::from(*tag)]).product()
            };
            let found = decode(&rows, 5);
            prop_assert_eq!(found.tags.len(), weights.len());
            prop_assert!(is_allowed(&found.tags));
            let best = all_paths(weights.len(), 5).into_iter().filter(|path| is_allowed(path));
            let best = best.map(|path| probability(&path)).fold(0.0, f64::max);
            prop_assert!((probability(&found.tags) - best).abs() <= 1e-12 * best);
            let least = found.tags.iter().enumerate().map(|(at, tag)| rows[at * 5 + usize::from(*tag)]);
            prop_assert!((found.least - least.fold(1.0, f64::min)).abs() <= 0.0);
        }
    }

    #[test]
    fn a_span_that_ends_within_a_word_has_all_of_it_and_the_longest_of_several_is_said() {
        let words = [0..4, 5..9, 9..10, 11..15];
        let span = |start, end, class| Span { start, end, class };
        let found = tag(&words, &[span(2, 6, 0), span(11, 15, 1)]);
        assert_eq!((found.tags, found.left_out), (vec![1, 2, 0, 3], 0));
        // The shorter one within, one between words, one behind the text, one of no length.
        let spans = [span(0, 9, 0), span(5, 9, 1), span(10, 11, 0), span(20, 30, 0), span(6, 6, 0)];
        let found = tag(&words, &spans);
        assert_eq!((found.tags, found.left_out), (vec![1, 2, 0, 0], 4));
        assert_eq!(tag(&words, &[span(0, 4, usize::MAX)]).left_out, 1);
        // Two spans of a class that touch stay two.
        let found = tag(&words, &[span(0, 4, 1), span(5, 10, 1)]);
        assert_eq!(found.tags, [3, 3, 4, 0]);
        assert_eq!(spans_of(&words, &found.tags), [(0, 4), (5, 10)]);
        assert_eq!(spans_of(&words, &[2, 4, 4, 0]), [(0, 4), (5, 10)]);
    }

    fn spans_of(words: &[Range<usize>], tags: &[u16]) -> Vec<(usize, usize)> {
        spans(words, tags).into_iter().map(|span| (span.start, span.end)).collect()
    }

    #[test]
    fn a_word_that_goes_on_within_no_span_is_decided_with_its_neighbours() {
        // One by one the tags would be: outside, within.
        let found = decode(&[0.55, 0.45, 0.0, 0.1, 0.1, 0.8], 3);
        assert_eq!((found.tags, found.least), (vec![1, 2], 0.45));
        let alone = decode(&[0.3, 0.1, 0.6], 3);
        assert_eq!((alone.tags, alone.least), (vec![0], 0.3));
        assert_eq!(decode(&[], 3), Path { tags: Vec::new(), least: 1.0 });
        assert_eq!(decode(&[0.2; 5], 5).tags, [0], "of equals the one that marks nothing");
        let zeros = decode(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 3);
        assert_eq!((zeros.tags.len(), zeros.least), (2, 0.0));
    }
}
