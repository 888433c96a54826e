//! How a picture is looked at: at a size at which the network knows text, and, where it is large, as
//! a whole and in tiles that overlap.
//!
//! A second look at half the size was tried: it found hardly more, and took many times as much of what
//! is round for text.

use std::ops::Range;

/// A small picture is made larger until its shorter side has so many pixels.
const SIDE_MIN: f32 = 736.0;
/// Longest side of a view. Beyond it a picture is looked at in tiles.
const SIDE_MAX: usize = 1280;
/// Side of a tile, and how much of it is of its neighbour too: more than a line of text is high.
const TILE: usize = 1024;
const OVERLAP: usize = 160;
/// The network takes multiples of it.
const STEP: usize = 32;

/// A part of a picture, and how large the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// Columns and rows of the picture.
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    /// Pixels of the view for one of the picture.
    pub(super) scale: f32,
}

impl View {
    fn whole(width: usize, height: usize, scale: f32) -> Self {
        Self { columns: 0..width, rows: 0..height, scale }
    }

    /// Columns and rows of the picture on the view.
    pub(super) fn size(&self) -> (usize, usize) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a side of a view is a small positive number"
        )]
        let side = |pixels: usize| ((pixels as f32 * self.scale).round() as usize).max(1);
        (side(self.columns.len()), side(self.rows.len()))
    }

    /// The size that the network is given: what is beyond the picture is black.
    pub(super) fn padded(&self) -> (usize, usize) {
        let (width, height) = self.size();
        (width.next_multiple_of(STEP), height.next_multiple_of(STEP))
    }
}

/// The views of a picture. Every pixel is in one at its own size or larger.
pub(super) fn views(width: usize, height: usize) -> Vec<View> {
    let (short, long) = (width.min(height) as f32, width.max(height) as f32);
    let larger = (SIDE_MIN / short).min(SIDE_MAX as f32 / long).max(1.0);
    if width.max(height) <= SIDE_MAX {
        return vec![View::whole(width, height, larger)];
    }
    let mut views = vec![View::whole(width, height, SIDE_MAX as f32 / long)];
    for rows in tiles(height) {
        let of_row = |columns| View { columns, rows: rows.clone(), scale: 1.0 };
        views.extend(tiles(width).into_iter().map(of_row));
    }
    views
}

/// Ranges of at most [`TILE`] pixels that overlap and together cover `length`.
fn tiles(length: usize) -> Vec<Range<usize>> {
    if length <= TILE {
        return std::iter::once(0..length).collect();
    }
    let count = (length - OVERLAP).div_ceil(TILE - OVERLAP);
    let last = length - TILE;
    (0..count).map(|n| last * n / (count - 1)).map(|start| start..start + TILE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_are_made_larger() {
        let [view] = &views(512, 512)[..] else { panic!("one view") };
        assert_eq!((view.size(), view.padded()), ((736, 736), (736, 736)));
        let [view] = &views(1024, 768)[..] else { panic!("one view") };
        assert_eq!((view.size(), view.padded()), ((1024, 768), (1024, 768)));
        let [view] = &views(800, 600)[..] else { panic!("one view") };
        assert_eq!((view.size(), view.padded()), ((981, 736), (992, 736)));
        let [view] = &views(1, 1)[..] else { panic!("one view") };
        assert_eq!(view.size(), (736, 736));
    }

    #[test]
    fn a_strip_is_not_made_longer_than_a_view_may_be() {
        let [view] = &views(1250, 10)[..] else { panic!("one view") };
        assert_eq!((view.size(), view.padded()), ((1280, 10), (1280, 32)));
    }

    #[test]
    fn large_pictures_are_covered_by_tiles_that_overlap() {
        for (width, height) in [(2500, 3000), (1281, 1), (1600, 1024), (65_535, 20), (1884, 1200)] {
            let [whole, tiles @ ..] = &views(width, height)[..] else { panic!("no view") };
            assert!(whole.size().0 <= SIDE_MAX && whole.size().1 <= SIDE_MAX);
            let mut columns: Vec<_> = tiles.iter().map(|tile| tile.columns.clone()).collect();
            columns.dedup();
            columns.truncate(columns.iter().position(|c| c.end == width).unwrap() + 1);
            assert_eq!((columns[0].start, columns[columns.len() - 1].end), (0, width));
            for pair in columns.windows(2) {
                assert!(pair[1].start + OVERLAP <= pair[0].end, "{width}: {pair:?}");
            }
            assert!(tiles.iter().all(|tile| tile.size().0 <= TILE && tile.size().1 <= TILE));
            assert_eq!(tiles.last().unwrap().rows.end, height);
        }
    }
}
