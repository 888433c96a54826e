//! Days without a year that lines start with, as those of a diary do: `3.1.`, `14/11`.

use super::judge::passes;
use super::rules::Edge;
use super::scan::Candidate;

/// Whether a candidate is a day without a year that a line starts with.
pub(super) fn starts_line(text: &str, candidate: &Candidate) -> bool {
    let before = text[..candidate.start].trim_end_matches([' ', '\t', '-', '*', '•']);
    candidate.rule.edge == Edge::Diary
        && passes(candidate.rule, &text[candidate.start..candidate.end])
        && (before.is_empty() || before.ends_with(['\n', '\r']))
}

/// Whether the lines that start with `3.1.` or `14/11` are those of a diary, and no headings and no ratios: in the
/// order of time, perhaps over one new year, and not all of one day, which would be of one chapter.
pub(super) fn is_diary(text: &str, candidates: &[Candidate]) -> bool {
    let days = candidates.iter().filter(|candidate| starts_line(text, candidate));
    let days = days.map(|candidate| &text[candidate.start..candidate.end]);
    let american = days.clone().next().is_some_and(|first| first.contains('/'));
    let days: Vec<(u8, u8)> = days
        .filter_map(|day| {
            let mut parts = day.split(['.', '/']);
            let day = parts.next()?.parse().ok()?;
            Some((parts.next()?.parse().ok()?, day))
        })
        .collect();
    let new_year = |pair: &[(u8, u8)]| pair[0].0 >= 10 && pair[1].0 <= 3;
    let in_order = days.windows(2).all(|pair| pair[0] <= pair[1] || new_year(pair))
        || american && days.is_sorted_by_key(|(month, day)| (*day, *month));
    in_order && days.iter().any(|(_, day)| *day != days[0].1)
}
