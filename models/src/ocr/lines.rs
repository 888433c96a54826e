//! Parts of text that stand on one line are one line: a word of a name beside a number with its unit is
//! no measurement, and what two views have found of one line is not two lines.

use super::Place;

/// Widest gap between parts of one line, in heights of the higher one: some six spaces.
const GAP_MAX: f32 = 3.0;
/// Share of the lower one's rows from which two parts are on the same.
const SHARED_ROWS_MIN: f32 = 0.5;
/// Most parts of a picture that are joined. More are noise, not text: they become one line, which
/// nobody can read.
pub(super) const PARTS_MAX: usize = 1024;

/// Text that was found in one view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// What holds all of it.
    pub(super) whole: Place,
    /// What is read: less beside the letters.
    pub(super) read: Place,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is read.
    pub place: Place,
    /// Places that together hold all of its letters, and some of what is around them. They may overlap.
    pub parts: Vec<Place>,
}

/// The lines of which these are parts, in their order.
pub(super) fn join(parts: Vec<Part>) -> Vec<Line> {
    if parts.len() > PARTS_MAX {
        return line(parts).into_iter().collect();
    }
    let mut lines: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        // What is on the same line as several joins them.
        let beside = |line: &mut Vec<Part>| line.iter().any(|other| same(other.read, part.read));
        let mut line: Vec<Part> = lines.extract_if(.., beside).flatten().collect();
        line.push(part);
        lines.push(line);
    }
    lines.into_iter().filter_map(line).collect()
}

/// The line that is made of these parts, of which there must be some.
fn line(parts: Vec<Part>) -> Option<Line> {
    let place = parts.iter().map(|part| part.read).reduce(around)?;
    Some(Line { place, parts: parts.into_iter().map(|part| part.whole).collect() })
}

/// Whether two places are on one line.
fn same(one: Place, other: Place) -> bool {
    let height = |place: Place| place[3] - place[1];
    let shared = one[3].min(other[3]).saturating_sub(one[1].max(other[1]));
    let gap = one[0].max(other[0]).saturating_sub(one[2].min(other[2]));
    let (low, high) = (height(one).min(height(other)), height(one).max(height(other)));
    shared as f32 >= SHARED_ROWS_MIN * low as f32 && gap as f32 <= GAP_MAX * high as f32
}

fn around(one: Place, other: Place) -> Place {
    [one[0].min(other[0]), one[1].min(other[1]), one[2].max(other[2]), one[3].max(other[3])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(places: &[Place]) -> Vec<Place> {
        let parts = places.iter().map(|read| Part { whole: *read, read: *read }).collect();
        join(parts).into_iter().map(|line| line.place).collect()
    }

    #[test]
    fn words_beside_one_another_are_a_line() {
        assert_eq!(joined(&[[0, 0, 30, 20], [90, 2, 99, 22]]), [[0, 0, 99, 22]]);
        assert_eq!(joined(&[[0, 0, 30, 20], [91, 0, 99, 20]]).len(), 2, "too far");
        assert_eq!(joined(&[[0, 0, 30, 20], [0, 15, 30, 35]]).len(), 2, "another row");
        assert_eq!(joined(&[[0, 0, 30, 20], [10, 5, 20, 12]]), [[0, 0, 30, 20]], "in the other");
        // What a line is, all together, may be higher than any part of it, and reach into the next row.
        let rows = [[0, 0, 30, 20], [40, 9, 70, 29], [0, 20, 30, 40]];
        assert_eq!(joined(&rows), [[0, 0, 70, 29], [0, 20, 30, 40]]);
    }

    #[test]
    fn a_part_between_two_lines_joins_them() {
        let lines = joined(&[[0, 0, 30, 20], [150, 0, 180, 20], [80, 0, 100, 20]]);
        assert_eq!(lines, [[0, 0, 180, 20]]);
        let [line] = &join(vec![
            Part { whole: [0, 0, 9, 9], read: [2, 2, 7, 7] },
            Part { whole: [8, 0, 20, 9], read: [9, 2, 18, 7] },
        ])[..] else {
            panic!("one line")
        };
        assert_eq!(
            (line.place, &line.parts[..]),
            ([2, 2, 18, 7], &[[0, 0, 9, 9], [8, 0, 20, 9]][..])
        );
    }

    #[test]
    fn too_many_parts_are_one_line() {
        let places: Vec<Place> = (0..1025).map(|at| [0, 50 * at, 20, 50 * at + 20]).collect();
        assert_eq!(joined(&places[1..]).len(), PARTS_MAX);
        assert_eq!(joined(&places), [[0, 0, 20, 51_220]]);
        assert_eq!(joined(&[]), Vec::<Place>::new());
    }
}
