//! Whether two labels say the same.

use std::collections::BTreeMap;

use super::{Label, Region, Segment, Shape};

/// Regions and segments are the same if they share at least this part of what both cover.
pub const OVERLAP_MIN: f64 = 0.5;
/// Points in time are the same if they are no further apart than this part of the longer of the two
/// labels, from its first to its last moment. A label that is one point has no length: then only
/// equal points agree, and an expert decides about others.
pub const POINT_SHARE: f64 = 0.01;
/// Lines across the height of two polygons along which their overlap is measured.
const LINES: u32 = 64;

impl Label {
    /// Whether two labels say the same: equal classes; equal sets of classes, or of spans and
    /// relations; regions and segments that can be paired off, each with one of the same class that
    /// overlaps it enough.
    ///
    /// Symmetric, and true of a label and itself; not transitive.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Classes(a), Self::Classes(b)) => a == b,
            (Self::Spans(a), Self::Spans(b)) => a == b,
            (Self::Regions(a), Self::Regions(b)) => {
                let same = |i: usize, j: usize| same_region(&a[i], &b[j]);
                a == b || pair_off(a.len(), b.len(), same)
            }
            (Self::Segments(a), Self::Segments(b)) => {
                let near = POINT_SHARE * length(a).max(length(b));
                let same = |i: usize, j: usize| same_segment(&a[i], &b[j], near);
                a == b || pair_off(a.len(), b.len(), same)
            }
            (
                Self::Class(_)
                | Self::Classes(_)
                | Self::Spans(_)
                | Self::Regions(_)
                | Self::Segments(_),
                _,
            ) => false,
        }
    }
}

/// Whether every one of `left` can have its own of equally many `right`, given who fits whom.
///
/// Source: H. W. Kuhn's augmenting paths, in the form for unweighted graphs. Each pair is looked at
/// once, and one without a partner ends the search.
fn pair_off(left: usize, right: usize, fits: impl Fn(usize, usize) -> bool) -> bool {
    if left != right {
        return false;
    }
    let mut owner: Vec<Option<usize>> = vec![None; right];
    let mut known: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    let mut fits = |i: usize, j: usize| *known.entry((i, j)).or_insert_with(|| fits(i, j));
    (0..left).all(|start| {
        // Breadth first over those who would have to give up their partner.
        let mut seen = vec![false; right];
        let mut paths = vec![(start, None)]; // who seeks, and the step before, by position
        let mut reached: Vec<(usize, usize)> = Vec::new(); // partner, position of its seeker
        let mut at = 0;
        while at < paths.len() {
            let (seeker, _) = paths[at];
            for j in (0..right).map(|step| (seeker + step) % right) {
                if seen[j] || !fits(seeker, j) {
                    continue;
                }
                seen[j] = true;
                reached.push((j, at));
                let Some(rival) = owner[j] else {
                    hand_over(&mut owner, &paths, &reached);
                    return true;
                };
                paths.push((rival, Some(reached.len() - 1)));
            }
            at += 1;
        }
        false
    })
}

/// Gives the last partner reached to its seeker, and so on back to the first seeker.
fn hand_over(
    owner: &mut [Option<usize>],
    paths: &[(usize, Option<usize>)],
    reached: &[(usize, usize)],
) {
    let mut step = reached.len().checked_sub(1);
    while let Some(at) = step {
        let (partner, by) = reached[at];
        let (seeker, before) = paths[by];
        owner[partner] = Some(seeker);
        step = before;
    }
}

fn same_segment(a: &Segment, b: &Segment, near: f64) -> bool {
    if (a.class, a.channel) != (b.class, b.channel) {
        return false;
    }
    let (long_a, long_b) = (a.end - a.start, b.end - b.start);
    if long_a <= 0.0 || long_b <= 0.0 {
        return long_a <= 0.0 && long_b <= 0.0 && (a.start - b.start).abs() <= near;
    }
    let shared = (a.end.min(b.end) - a.start.max(b.start)).max(0.0);
    shared >= OVERLAP_MIN * (long_a + long_b - shared)
}

/// From the first to the last moment.
fn length(segments: &[Segment]) -> f64 {
    let first = segments.iter().map(|segment| segment.start).fold(f64::INFINITY, f64::min);
    let last = segments.iter().map(|segment| segment.end).fold(f64::NEG_INFINITY, f64::max);
    (last - first).max(0.0)
}

fn same_region(a: &Region, b: &Region) -> bool {
    a.class == b.class && (a == b || overlap(&a.shape, &b.shape) >= OVERLAP_MIN)
}

/// Intersection over union: exact for boxes; where a polygon is involved, of the stretches that both
/// cover along [`LINES`] lines, with the even-odd rule for lines that cross themselves.
fn overlap(a: &Shape, b: &Shape) -> f64 {
    if let (Shape::Box { .. }, Shape::Box { .. }) = (a, b) {
        let ([left_a, up_a, right_a, down_a], [left_b, up_b, right_b, down_b]) =
            (a.extent(), b.extent());
        let width = (right_a.min(right_b) - left_a.max(left_b)).max(0.0);
        let height = (down_a.min(down_b) - up_a.max(up_b)).max(0.0);
        let area = |[left, up, right, down]: [f64; 4]| (right - left) * (down - up);
        let shared = width * height;
        return ratio(shared, area(a.extent()) + area(b.extent()) - shared);
    }
    let ([left_a, up_a, right_a, down_a], [left_b, up_b, right_b, down_b]) =
        (a.extent(), b.extent());
    if right_a < left_b || right_b < left_a || down_a < up_b || down_b < up_a {
        return 0.0;
    }
    let (points_a, points_b) = (a.outline(), b.outline());
    let (up, down) = (up_a.min(up_b), down_a.max(down_b));
    let (mut shared, mut both) = (0.0, 0.0);
    for line in 0..LINES {
        let y = up + (down - up) * (f64::from(line) + 0.5) / f64::from(LINES);
        let (in_a, in_b) = (crossings(&points_a, y), crossings(&points_b, y));
        let common = common(&in_a, &in_b);
        shared += common;
        both += covered(&in_a) + covered(&in_b) - common;
    }
    ratio(shared, both)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Shape {
    /// Left, upper, right and lower end.
    pub(crate) fn extent(&self) -> [f64; 4] {
        match self {
            Self::Box { x, y, width, height } => [*x, *y, x + width, y + height],
            Self::Polygon(points) => points.iter().fold(
                [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
                |[left, up, right, down], [x, y]| {
                    [left.min(*x), up.min(*y), right.max(*x), down.max(*y)]
                },
            ),
        }
    }

    fn outline(&self) -> Vec<[f64; 2]> {
        match self {
            Self::Box { x, y, width, height } => {
                vec![[*x, *y], [x + width, *y], [x + width, y + height], [*x, y + height]]
            }
            Self::Polygon(points) => points.clone(),
        }
    }
}

/// Where a closed line crosses the height `y`, ascending: inside is between the first and the
/// second, the third and the fourth, and so on.
fn crossings(points: &[[f64; 2]], y: f64) -> Vec<f64> {
    let next = points.iter().cycle().skip(1);
    let mut found: Vec<f64> = points
        .iter()
        .zip(next)
        .filter(|([_, from], [_, to])| (*from <= y) != (*to <= y))
        .map(|([x0, y0], [x1, y1])| x0 + (x1 - x0) * (y - y0) / (y1 - y0))
        .collect();
    found.sort_by(f64::total_cmp);
    found
}

fn covered(crossings: &[f64]) -> f64 {
    crossings.chunks_exact(2).map(|pair| pair[1] - pair[0]).sum()
}

/// Length of what two ascending lists of stretches have in common.
fn common(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i + 1 < a.len() && j + 1 < b.len() {
        sum += (a[i + 1].min(b[j + 1]) - a[i].max(b[j])).max(0.0);
        if a[i + 1] < b[j + 1] { i += 2 } else { j += 2 }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Shape {
        Shape::Box { x, y, width, height }
    }

    /// An ellipse of 40 points.
    fn ellipse(x: f64, y: f64, a: f64, b: f64) -> Shape {
        let point = |i: u32| {
            let angle = f64::from(i) / 40.0 * std::f64::consts::TAU;
            [a.mul_add(angle.cos(), x), b.mul_add(angle.sin(), y)]
        };
        Shape::Polygon((0..40).map(point).collect())
    }

    #[test]
    fn overlaps_are_those_of_geometry() {
        let close = |a: &Shape, b: &Shape, expected: f64, error: f64| {
            let found = overlap(a, b);
            assert!((found - expected).abs() < error, "{found} where {expected} is right");
            assert!((found - overlap(b, a)).abs() < 1e-12);
        };
        close(&rectangle(0.0, 0.0, 2.0, 1.0), &rectangle(1.0, 0.0, 2.0, 1.0), 1.0 / 3.0, 1e-12);
        // The half of a square.
        let triangle = Shape::Polygon(vec![[10.0, 10.0], [50.0, 10.0], [10.0, 50.0]]);
        close(&triangle, &rectangle(10.0, 10.0, 40.0, 40.0), 0.5, 1e-9);
        // Two ellipses, one of half the height of the other.
        close(&ellipse(50.0, 50.0, 20.0, 10.0), &ellipse(50.0, 50.0, 20.0, 20.0), 0.5, 0.01);
        close(&ellipse(20.0, 20.0, 5.0, 5.0), &ellipse(40.0, 20.0, 5.0, 5.0), 0.0, 1e-12);
        // A frame: what lies between two squares, drawn in one line.
        let frame = Shape::Polygon(vec![
            [0.0, 0.0],
            [40.0, 0.0],
            [40.0, 40.0],
            [0.0, 40.0],
            [0.0, 0.0],
            [10.0, 10.0],
            [10.0, 30.0],
            [30.0, 30.0],
            [30.0, 10.0],
            [10.0, 10.0],
        ]);
        close(&frame, &rectangle(0.0, 0.0, 40.0, 40.0), 0.75, 1e-9);
    }

    #[test]
    fn pairing_off_gives_up_partners_for_others() {
        // 0 fits both, 1 fits only what 0 would take first.
        let fits = [[true, true, false], [true, false, false], [false, true, true]];
        assert!(pair_off(3, 3, |i, j| fits[i][j]));
        let fits = [[true, true, false], [true, true, false], [true, true, false]];
        assert!(!pair_off(3, 3, |i, j| fits[i][j]));
        assert!(pair_off(0, 0, |_, _| false) && !pair_off(1, 2, |_, _| true));
    }

    #[test]
    fn every_pairing_that_exists_is_found() {
        // All relations between three and three.
        for bits in 0_u32..512 {
            let fits = |i: usize, j: usize| bits >> (3 * i + j) & 1 == 1;
            let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
            let exists = orders.iter().any(|order| (0..3).all(|i| fits(i, order[i])));
            assert_eq!(pair_off(3, 3, fits), exists, "{bits:b}");
        }
    }
}
