//! From a map of probabilities to places of text.
//!
//! # Source
//! M. Liao, Z. Wan, C. Yao, K. Chen, X. Bai, *Real-time Scene Text Detection with Differentiable
//! Binarization*, AAAI 2020, section 3.5: a threshold, connected regions, and each grown by
//! `D = A · r / L` (area, unclip ratio, perimeter), because the network is taught shrunk regions.
//! Here a region is its upright bounding box: of a slanted line that is more than the line.

/// Probability from which a pixel is of text.
const THRESHOLD: f32 = 0.3;
/// Mean probability of a region's pixels, below which it is none.
const SCORE_MIN: f32 = 0.4;
/// How far a region is grown to what is blackened: more than is usual (1.5 to 2), because that must be
/// all of every letter.
const UNCLIP_RATIO: f32 = 2.2;
/// And at least so far, in pixels of the map: strokes at the edge are not in the region.
const GROWN_MIN: f32 = 3.0;
/// How far it is grown to what is read: less than is usual, too (RapidOCR: 1.6), because what else is
/// of the lines above and below makes a reading unsure.
const READ_RATIO: f32 = 1.3;
/// Shortest side of a region, in pixels of the map.
const SIDE_MIN: usize = 3;

/// A box on a map: left, top, right, bottom, the last two exclusive. It may reach beyond the map.
pub(super) type Span = [f32; 4];

/// Where text is.
#[derive(Debug, PartialEq)]
pub(super) struct Spans {
    /// What holds all of it.
    pub(super) whole: Span,
    /// What is read.
    pub(super) read: Span,
}

/// The places of text on a map of `width` columns, row by row.
pub(super) fn regions(map: &[f32], width: usize) -> Vec<Spans> {
    let mut seen = vec![false; map.len()];
    let mut found = Vec::new();
    let mut waiting = Vec::new();
    for start in 0..map.len() {
        if seen[start] || map[start] <= THRESHOLD {
            continue;
        }
        seen[start] = true;
        waiting.push(start);
        let mut region = Region::default();
        while let Some(at) = waiting.pop() {
            let (x, y) = (at % width, at / width);
            region.add(x, y, map[at]);
            let rows = y.saturating_sub(1)..(y + 2).min(map.len() / width);
            for beside in rows
                .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| y * width + x))
            {
                if !seen[beside] && map[beside] > THRESHOLD {
                    seen[beside] = true;
                    waiting.push(beside);
                }
            }
        }
        found.extend(region.spans());
    }
    found
}

/// Pixels that touch one another.
struct Region {
    /// First and last column, first and last row.
    columns: (usize, usize),
    rows: (usize, usize),
    pixels: f32,
    sum: f32,
}

impl Default for Region {
    fn default() -> Self {
        Self { columns: (usize::MAX, 0), rows: (usize::MAX, 0), pixels: 0.0, sum: 0.0 }
    }
}

impl Region {
    fn add(&mut self, x: usize, y: usize, probability: f32) {
        self.columns = (self.columns.0.min(x), self.columns.1.max(x));
        self.rows = (self.rows.0.min(y), self.rows.1.max(y));
        self.pixels += 1.0;
        self.sum += probability;
    }

    fn spans(&self) -> Option<Spans> {
        let sides = (self.columns.1 + 1 - self.columns.0, self.rows.1 + 1 - self.rows.0);
        if sides.0.min(sides.1) < SIDE_MIN || self.sum / self.pixels < SCORE_MIN {
            return None;
        }
        let (width, height) = (sides.0 as f32, sides.1 as f32);
        let (left, top) = (self.columns.0 as f32, self.rows.0 as f32);
        let grown = |ratio: f32, least: f32| {
            let by = (width * height * ratio / (2.0 * (width + height))).max(least);
            [left - by, top - by, left + width + by, top + height + by]
        };
        Some(Spans { whole: grown(UNCLIP_RATIO, GROWN_MIN), read: grown(READ_RATIO, 0.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map 40 pixels wide of rectangles `(left, top, right, bottom, probability)`.
    fn map(rectangles: &[(usize, usize, usize, usize, f32)]) -> Vec<f32> {
        let mut map = vec![0.05; 40 * 30];
        for (left, top, right, bottom, probability) in rectangles {
            for y in *top..*bottom {
                map[y * 40 + left..y * 40 + right].fill(*probability);
            }
        }
        map
    }

    #[test]
    fn a_region_is_grown_by_its_area_over_its_perimeter() {
        // 20 by 10.
        let by = 200.0 * UNCLIP_RATIO / 60.0;
        let found = regions(&map(&[(10, 10, 30, 20, 0.9)]), 40);
        let grown = |by: f32| [10.0 - by, 10.0 - by, 30.0 + by, 20.0 + by];
        assert_eq!(found, [Spans { whole: grown(by), read: grown(200.0 * READ_RATIO / 60.0) }]);
    }

    #[test]
    fn a_thin_region_is_grown_by_some_pixels_at_least() {
        let found = regions(&map(&[(10, 10, 30, 13, 0.9)]), 40);
        let by = 60.0 * READ_RATIO / 46.0;
        let read = [10.0 - by, 10.0 - by, 30.0 + by, 13.0 + by];
        assert_eq!(found, [Spans { whole: [7.0, 7.0, 33.0, 16.0], read }]);
    }

    #[test]
    fn what_touches_at_a_corner_is_one_region_and_what_does_not_is_two() {
        assert_eq!(regions(&map(&[(2, 2, 8, 6, 0.9), (8, 6, 14, 10, 0.9)]), 40).len(), 1);
        assert_eq!(regions(&map(&[(2, 2, 8, 6, 0.9), (9, 7, 14, 11, 0.9)]), 40).len(), 2);
    }

    #[test]
    fn what_is_faint_or_a_speck_is_no_region() {
        assert!(regions(&map(&[(10, 10, 30, 20, 0.3)]), 40).is_empty(), "below the threshold");
        assert!(regions(&map(&[(10, 10, 30, 20, 0.35)]), 40).is_empty(), "below the score");
        assert!(regions(&map(&[(10, 10, 12, 20, 0.9)]), 40).is_empty(), "two columns");
        assert_eq!(regions(&map(&[(10, 10, 30, 20, 0.45)]), 40).len(), 1);
        assert!(regions(&[], 40).is_empty());
    }
}
