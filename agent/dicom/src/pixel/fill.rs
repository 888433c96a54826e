//! What was blackened, shown as what is around it: a black bar on a grey image looks like a sign, and
//! a detector would find text where there is none any more, and ever more around it.

use crate::Picture;

/// Pixels beside a gap that say what is in it: more than one, because they are noisy.
const BESIDE: usize = 4;

/// Sums of values and of their weights, for red, green and blue of each pixel.
struct Sums {
    values: Vec<[f32; 3]>,
    weights: Vec<f32>,
}

/// Fills the pixels of `picture` that are `hidden` (row by row) from both sides, and from above and
/// below; what is nearer counts for more.
pub(super) fn fill(picture: &mut Picture, hidden: &[bool]) {
    let (width, height) = (picture.width, hidden.len() / picture.width);
    let mut sums = Sums { values: vec![[0.0; 3]; hidden.len()], weights: vec![0.0; hidden.len()] };
    for row in 0..height {
        let line: Vec<usize> = (row * width..(row + 1) * width).collect();
        sums.line(picture, hidden, &line);
    }
    for column in 0..width {
        let line: Vec<usize> = (column..hidden.len()).step_by(width).collect();
        sums.line(picture, hidden, &line);
    }
    let (pixels, _) = picture.rgb.as_chunks_mut::<3>();
    for ((pixel, sum), weight) in pixels.iter_mut().zip(&sums.values).zip(&sums.weights) {
        if *weight > 0.0 {
            *pixel = sum.map(|sum| byte(sum / weight));
        }
    }
}

impl Sums {
    /// Fills the gaps in a row or column of pixels.
    fn line(&mut self, picture: &Picture, hidden: &[bool], line: &[usize]) {
        let mut from = 0;
        while let Some(start) = (from..line.len()).find(|at| hidden[line[*at]]) {
            let end = (start..line.len()).find(|at| !hidden[line[*at]]).unwrap_or(line.len());
            let before = mean(picture, line[..start].iter().rev(), hidden);
            let after = mean(picture, line[end..].iter(), hidden);
            for (at, place) in line[start..end].iter().enumerate() {
                for (value, distance) in [(before, at + 1), (after, end - start - at)] {
                    let Some(value) = value else { continue };
                    let weight = 1.0 / distance as f32;
                    self.weights[*place] += weight;
                    for (sum, value) in self.values[*place].iter_mut().zip(value) {
                        *sum += weight * value;
                    }
                }
            }
            from = end;
        }
    }
}

/// The mean of the pixels that come first, up to the next gap; `None` at an edge.
fn mean<'a>(
    picture: &Picture,
    places: impl Iterator<Item = &'a usize>,
    hidden: &[bool],
) -> Option<[f32; 3]> {
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for at in places.take(BESIDE).take_while(|at| !hidden[**at]) {
        count += 1.0;
        for (sum, value) in sum.iter_mut().zip(&picture.rgb[3 * at..3 * at + 3]) {
            *sum += f32::from(*value);
        }
    }
    (count > 0.0).then(|| sum.map(|sum| sum / count))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of bytes")]
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(width: usize, grey: &[u8], hidden: &[usize]) -> Vec<u8> {
        let rgb = grey.iter().flat_map(|grey| [*grey; 3]).collect();
        let mut picture = Picture { width, rgb };
        let mask: Vec<bool> = (0..grey.len()).map(|at| hidden.contains(&at)).collect();
        fill(&mut picture, &mask);
        picture.rgb.chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn gaps_are_filled_from_all_sides_and_nothing_else_changes() {
        let plain = [9, 8, 7, 6, 5, 4];
        assert_eq!(filled(3, &plain, &[]), plain);
        assert_eq!(filled(5, &[40, 0, 0, 0, 80], &[1, 2, 3]), [40, 50, 60, 70, 80]);
        assert_eq!(filled(3, &[0, 0, 80], &[0, 1]), [80, 80, 80], "an edge is no side");
        assert_eq!(filled(3, &[1, 20, 1, 40, 0, 60, 1, 40, 1], &[4])[4], 40);
        assert_eq!(filled(1, &[40, 0, 80], &[1]), [40, 60, 80]);
        assert_eq!(filled(2, &[7, 7], &[0, 1]), [7, 7], "all of it is hidden");
    }
}
