//! Pictures, and what of one a network is given.

use super::views::View;

/// Mean and deviation of a colour's value, between 0 and 1, as the networks were taught.
const MEAN: f32 = 0.5;
const DEVIATION: f32 = 0.5;
/// What black is then.
pub(super) const BLACK: f32 = -MEAN / DEVIATION;

/// A picture of eight bits a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// Red, green and blue of each pixel, row by row; `None` when these are no full rows.
    pub fn new(width: usize, rgb: Vec<u8>) -> Option<Self> {
        let row = width.checked_mul(3).filter(|row| *row > 0)?;
        (!rgb.is_empty() && rgb.len().is_multiple_of(row)).then_some(Self { width, rgb })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.rgb.len() / 3 / self.width
    }

    /// The view as a network takes it: three planes (blue, green, red, as it was taught) of
    /// `padded_width` by `padded_height`, with `beyond` beside the view, values around 0. Where a view
    /// is smaller, its pixels are means; where it is larger, they lie on lines between the picture's.
    pub(super) fn planes(
        &self,
        view: &View,
        (padded_width, padded_height): (usize, usize),
        beyond: f32,
    ) -> Vec<f32> {
        let (width, height) = view.size();
        let plane = padded_width * padded_height;
        let mut planes = vec![beyond; 3 * plane];
        let across = weights(view.columns.len(), width, view.scale);
        let down = weights(view.rows.len(), height, view.scale);
        // Rows that were made narrower or wider, each once: rows of the view share them.
        let mut rows: Vec<Option<Vec<f32>>> = vec![None; view.rows.len()];
        for (y, (first, weights)) in down.iter().enumerate() {
            let mut sum = vec![0.0_f32; 3 * width];
            for (row, weight) in (*first..).zip(weights) {
                let row = rows[row].get_or_insert_with(|| self.row(view, row, &across));
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * *value);
            }
            for (x, pixel) in sum.chunks_exact(3).enumerate() {
                for (colour, value) in pixel.iter().enumerate() {
                    let at = (2 - colour) * plane + y * padded_width + x;
                    planes[at] = (value / 255.0 - MEAN) / DEVIATION;
                }
            }
            rows[..*first].iter_mut().for_each(|row| *row = None);
        }
        planes
    }

    fn row(&self, view: &View, row: usize, across: &[(usize, Vec<f32>)]) -> Vec<f32> {
        let start = ((view.rows.start + row) * self.width + view.columns.start) * 3;
        let pixels = &self.rgb[start..start + 3 * view.columns.len()];
        let mut out = Vec::with_capacity(3 * across.len());
        for (first, weights) in across {
            let mut sum = [0.0; 3];
            for (pixel, weight) in pixels[3 * first..].chunks_exact(3).zip(weights) {
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(*value);
                }
            }
            out.extend(sum);
        }
        out
    }
}

/// For each of `to` pixels, the first of `from` pixels that it is made of, and what each counts for:
/// a triangle, as wide as two pixels of the coarser side.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places on a picture are small positive numbers"
)]
fn weights(from: usize, to: usize, scale: f32) -> Vec<(usize, Vec<f32>)> {
    let reach = (1.0 / scale).max(1.0);
    let of = |n: usize| {
        let centre = (n as f32 + 0.5) / to as f32 * from as f32 - 0.5;
        let first = ((centre - reach).ceil().max(0.0) as usize).min(from - 1);
        let last = ((centre + reach).floor().max(0.0) as usize).clamp(first, from - 1);
        let mut weights: Vec<f32> = (first..=last)
            .map(|at| (1.0 - (at as f32 - centre).abs() / reach).max(f32::EPSILON))
            .collect();
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        (first, weights)
    };
    (0..to).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(width: usize, height: usize, scale: f32) -> View {
        View { columns: 0..width, rows: 0..height, scale }
    }

    fn planes(picture: &Picture, view: &View) -> Vec<f32> {
        picture.planes(view, view.padded(), BLACK)
    }

    fn value(normalised: f32) -> f32 {
        (normalised * DEVIATION + MEAN) * 255.0
    }

    #[test]
    fn a_picture_is_made_of_full_rows() {
        assert_eq!(Picture::new(0, vec![]), None);
        assert_eq!(Picture::new(2, vec![0; 9]), None);
        assert_eq!(Picture::new(usize::MAX, vec![0; 9]), None);
        let picture = Picture::new(2, vec![0; 18]).unwrap();
        assert_eq!((picture.width(), picture.height()), (2, 3));
    }

    #[test]
    fn colours_become_planes_and_what_is_beyond_is_black() {
        let picture = Picture::new(2, vec![255, 0, 51, 255, 0, 51]).unwrap();
        let planes = planes(&picture, &view(2, 1, 1.0));
        assert_eq!(planes.len(), 3 * 32 * 32);
        for (plane, expected) in [51.0, 0.0, 255.0].into_iter().enumerate() {
            for x in [0, 1] {
                assert!((value(planes[plane * 1024 + x]) - expected).abs() < 1e-3);
            }
            assert!(value(planes[plane * 1024 + 2]).abs() < 1e-3);
            assert!(value(planes[plane * 1024 + 32]).abs() < 1e-3);
        }
    }

    #[test]
    fn what_is_larger_lies_between_and_what_is_smaller_is_a_mean() {
        let grey = |values: &[u8]| values.iter().flat_map(|v| [*v; 3]).collect::<Vec<u8>>();
        let picture = Picture::new(2, grey(&[0, 200])).unwrap();
        let row: Vec<f32> =
            planes(&picture, &view(2, 1, 2.0))[..4].iter().map(|v| value(*v)).collect();
        for (got, want) in row.iter().zip([0.0, 50.0, 150.0, 200.0]) {
            assert!((got - want).abs() < 1e-2, "{row:?}");
        }
        let stripes = Picture::new(64, grey(&[0, 200].repeat(32))).unwrap();
        let row = planes(&stripes, &view(64, 1, 0.25));
        let middle = value(row[8]);
        assert!((middle - 100.0).abs() < 15.0, "stripes become grey, not black or white: {middle}");
    }

    #[test]
    fn a_part_is_only_that_part() {
        let rgb: Vec<u8> = (0..4 * 4).flat_map(|n| [n * 10; 3]).collect();
        let part = View { columns: 2..4, rows: 1..3, scale: 1.0 };
        let planes = planes(&Picture::new(4, rgb).unwrap(), &part);
        let got = [planes[0], planes[1], planes[32], planes[33]].map(value);
        for (got, want) in got.iter().zip([60.0, 70.0, 100.0, 110.0]) {
            assert!((got - want).abs() < 1e-2);
        }
    }
}
