//! One list of spans from many findings: sorted, apart, every confident character kept.

use super::Find;
use super::kind::Kind;
use super::scan::is_mark;

/// Resolves overlaps. A better score wins, then a longer span; what a loser covers beyond the
/// winner stays hidden under the loser's kind, since two readings that are both likely must not
/// uncover a part of either.
pub(super) fn resolve(text: &str, mut finds: Vec<Find>) -> Vec<Find> {
    finds.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then((b.end - b.start).cmp(&(a.end - a.start)))
            .then(a.start.cmp(&b.start))
            .then(a.kind.cmp(&b.kind))
    });
    let mut kept = std::collections::BTreeMap::<usize, Find>::new();
    for find in finds {
        let mut start = find.start;
        // Walk over the spans that are taken, and fill the gaps between them.
        while start < find.end {
            let before = kept.range(..=start).next_back().map(|(_, taken)| *taken);
            if let Some(taken) = before.filter(|taken| taken.end > start) {
                start = taken.end;
                continue;
            }
            let next = kept.range(start..find.end).next().map_or(find.end, |(at, _)| *at);
            if let Some(part) = trimmed(text, Find { start, end: next, ..find }) {
                kept.insert(part.start, part);
            }
            start = next;
        }
    }
    joined(text, kept.into_values())
}

/// The one of `finds`, which are sorted and apart, over byte `at`.
pub(super) fn covering(finds: &[Find], at: usize) -> Option<&Find> {
    let next = finds.partition_point(|find| find.end <= at);
    finds.get(next).filter(|find| find.start <= at)
}

/// Pieces of one name or place that only a space parts are one span.
fn joined(text: &str, finds: impl Iterator<Item = Find>) -> Vec<Find> {
    let mut all: Vec<Find> = Vec::new();
    for find in finds {
        let words = matches!(find.kind, Kind::Name | Kind::Location | Kind::Organization);
        match all.last_mut() {
            Some(last) if words && last.kind == find.kind && &text[last.end..find.start] == " " => {
                last.end = find.end;
                last.score = last.score.max(find.score);
            }
            _ => all.push(find),
        }
    }
    all
}

/// Without spaces and punctuation at the edges of a cut piece; `None` when nothing is left.
fn trimmed(text: &str, find: Find) -> Option<Find> {
    let piece = &text[find.start..find.end];
    let inner = |c: char| {
        c.is_alphanumeric() || is_mark(c) || matches!(c, '+' | '(' | ')' | '#' | ':' | '/' | '.')
    };
    let (first, _) = piece.char_indices().find(|(_, c)| inner(*c))?;
    let (last, c) = piece.char_indices().rev().find(|(_, c)| inner(*c))?;
    piece.chars().any(char::is_alphanumeric).then_some(Find {
        start: find.start + first,
        end: find.start + last + c.len_utf8(),
        ..find
    })
}
