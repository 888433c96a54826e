//! COCO's run-length masks, as the polygons around what they cover.
//!
//! A mask is runs of pixels, column by column, of background and object in turn; as numbers, or packed in
//! a string. Each part that hangs together becomes a polygon along the edges of its pixels, straightened
//! where that moves no corner by a pixel. A polygon has no holes: a mask that has some is refused.
//!
//! Sources: `maskApi.c` of <https://github.com/cocodataset/cocoapi> for the runs and their packing;
//! D. Douglas, T. Peucker, *Algorithms for the reduction of the number of points required to represent a
//! digitized line or its caricature*, Cartographica 10 (1973) for the straightening.

use serde_json::Value;

use super::{each, missing, pixels};
use crate::source::LineError;

/// Most pixels of the part of an image that a mask covers.
const PIXELS_MAX: usize = 64 * 1024 * 1024;
/// Most corners of a mask before it is straightened.
const CORNERS_MAX: usize = 50_000;
/// How far a corner may be from the line that replaces it, in pixels: a diagonal's steps are 0.71 high.
const TOLERANCE_PIXELS: f64 = 0.75;
/// How much of its area a straightened polygon may gain or lose.
const AREA_CHANGE_MAX: f64 = 0.02;

/// The polygons around a mask, in pixels.
pub(super) struct Mask {
    /// Width and height of the image that it is of.
    pub(super) size: [u32; 2],
    pub(super) polygons: Vec<Vec<[f64; 2]>>,
}

/// Reads `{"size": [height, width], "counts": […] or "…"}`.
pub(super) fn read(segmentation: &Value) -> Result<Mask, LineError> {
    let [height, width] = each(&segmentation["size"]) else { return Err(missing("size")) };
    let (height, width) = (pixels(height, "size")?, pixels(width, "size")?);
    let counts = &segmentation["counts"];
    let runs = match counts.as_str() {
        Some(packed) => unpacked(packed.as_bytes()),
        None => each(counts).iter().map(Value::as_u64).collect(),
    };
    let runs = runs.ok_or_else(|| missing("counts"))?;
    let whole = runs.iter().try_fold(0_u64, |sum, run| sum.checked_add(*run));
    if whole != Some(u64::from(height) * u64::from(width)) {
        return Err(missing("counts"));
    }
    let polygons = match Raster::of(&runs, u64::from(height))? {
        Some(raster) => raster.polygons()?,
        None => Vec::new(),
    };
    Ok(Mask { size: [width, height], polygons })
}

/// The runs of a packed string: signed numbers of six-bit digits, from the third on as differences to
/// the one before the last. `None` for another string.
fn unpacked(packed: &[u8]) -> Option<Vec<u64>> {
    let mut runs: Vec<i64> = Vec::new();
    let mut digits = packed.iter();
    while !digits.as_slice().is_empty() {
        let (mut number, mut shift) = (0_i64, 0_u32);
        loop {
            let digit = i64::from(digits.next()?.checked_sub(48).filter(|digit| *digit < 64)?);
            if shift > 50 {
                return None;
            }
            number |= (digit & 0x1f) << shift;
            shift += 5;
            if digit & 0x20 == 0 {
                if digit & 0x10 != 0 {
                    number |= -1 << shift;
                }
                break;
            }
        }
        if let [.., before, _] = runs.as_slice()
            && runs.len() > 2
        {
            number = number.checked_add(*before)?;
        }
        runs.push(number);
    }
    runs.into_iter().map(|run| u64::try_from(run).ok()).collect()
}

/// The part of the image that the mask covers, with an empty border of a pixel around it.
struct Raster {
    covered: Vec<bool>,
    width: usize,
    /// Where its inner upper left corner is in the image.
    at: [u64; 2],
}

/// Right, down, left and up; the covered side is on the right hand of whoever goes around.
const STEPS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];
/// From a corner, the pixels ahead on the left and on the right, by direction.
const AHEAD: [[[isize; 2]; 2]; 4] =
    [[[0, -1], [0, 0]], [[0, 0], [-1, 0]], [[-1, 0], [-1, -1]], [[-1, -1], [0, -1]]];

impl Raster {
    /// `None` for a mask that covers nothing.
    fn of(runs: &[u64], height: u64) -> Result<Option<Self>, LineError> {
        let covered = || {
            let mut at = 0;
            runs.iter().enumerate().filter_map(move |(number, run)| {
                let from = at;
                at += run;
                (number % 2 == 1 && *run > 0).then_some((from, at))
            })
        };
        let Some((first, _)) = covered().next() else { return Ok(None) };
        let (mut upper, mut lower, mut right) = (height - 1, 0, 0);
        for (from, to) in covered() {
            let last = to - 1;
            right = last / height;
            if from / height == right {
                (upper, lower) = (upper.min(from % height), lower.max(last % height));
            } else {
                (upper, lower) = (0, height - 1);
            }
        }
        let left = first / height;
        let too_large = LineError::Unsupported { what: "a mask over more than 67,108,864 pixels" };
        let side = |length: u64| usize::try_from(length).ok();
        let (Some(width), Some(rows)) = (side(right - left + 3), side(lower - upper + 3)) else {
            return Err(too_large);
        };
        let Some(room) = width.checked_mul(rows).filter(|room| *room <= PIXELS_MAX) else {
            return Err(too_large);
        };
        let mut raster = Self { covered: vec![false; room], width, at: [left, upper] };
        for (from, to) in covered() {
            for pixel in from..to {
                let (column, row) = (side(pixel / height - left), side(pixel % height - upper));
                if let (Some(column), Some(row)) = (column, row)
                    && let Some(cell) = raster.covered.get_mut((row + 1) * width + column + 1)
                {
                    *cell = true;
                }
            }
        }
        Ok(Some(raster))
    }

    fn polygons(&self) -> Result<Vec<Vec<[f64; 2]>>, LineError> {
        let (mut seen, mut corners) = (vec![false; self.covered.len()], 0);
        let mut polygons = Vec::new();
        for start in self.width..self.covered.len() {
            // Each way around has an upper edge, of a pixel under an empty one.
            if !self.covered[start] || self.covered[start - self.width] || seen[start] {
                continue;
            }
            let ring = self.around(start, &mut seen, CORNERS_MAX - corners)?;
            corners += ring.len();
            if twice_area(&ring) < 0.0 {
                return Err(LineError::Unsupported { what: "a mask with a hole" });
            }
            polygons.push(straightened(ring));
        }
        Ok(polygons)
    }

    /// The corners of the way around that goes along the upper edge of a pixel; that of a hole turns
    /// the other way. Parts that only touch at a corner are apart.
    fn around(
        &self,
        start: usize,
        seen: &mut [bool],
        room: usize,
    ) -> Result<Vec<[f64; 2]>, LineError> {
        let mut ring = Vec::new();
        let (mut at, mut direction) = (start, 0);
        loop {
            if direction == 0 {
                if seen[at] {
                    return Ok(ring); // once around
                }
                seen[at] = true;
            }
            at = self.step(at, STEPS[direction]);
            let [left, right] = AHEAD[direction].map(|pixel| self.covered[self.step(at, pixel)]);
            let turned = match (left, right) {
                (_, false) => (direction + 1) % 4,
                (false, true) => direction,
                (true, true) => (direction + 3) % 4,
            };
            if turned != direction {
                if ring.len() == room {
                    return Err(LineError::Unsupported { what: "a mask of over 50,000 corners" });
                }
                ring.push(self.corner(at));
                direction = turned;
            }
        }
    }

    /// The border keeps every step inside.
    fn step(&self, at: usize, [right, down]: [isize; 2]) -> usize {
        at.wrapping_add_signed(right).wrapping_add_signed(down * self.width.cast_signed())
    }

    /// The upper left corner of a pixel, in the image.
    #[expect(clippy::cast_precision_loss, reason = "at most the sides of an image, below 2^32")]
    fn corner(&self, at: usize) -> [f64; 2] {
        let [left, upper] = self.at;
        let (column, row) = (at % self.width - 1, at / self.width - 1);
        [(left as f64) + column as f64, (upper as f64) + row as f64]
    }
}

/// The ring with fewer corners, if it still covers the same but for a little; else as it is.
fn straightened(ring: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let distance = |[x, y]: [f64; 2], [u, v]: [f64; 2]| (x - u).hypot(y - v);
    let first = ring[0];
    let far = |at: &usize, other: &usize| {
        distance(ring[*at], first).total_cmp(&distance(ring[*other], first))
    };
    let Some(farthest) = (0..ring.len()).max_by(far) else { return ring };
    let mut kept = vec![false; ring.len()];
    (kept[0], kept[farthest]) = (true, true);
    let mut parts = vec![(0, farthest), (farthest, ring.len())];
    while let Some((from, to)) = parts.pop() {
        let line = [ring[from], ring[to % ring.len()]];
        let off = |at: &usize| from_line(ring[*at], line);
        let Some(worst) = (from + 1..to).max_by(|a, b| off(a).total_cmp(&off(b))) else { continue };
        if off(&worst) > TOLERANCE_PIXELS {
            kept[worst] = true;
            parts.extend([(from, worst), (worst, to)]);
        }
    }
    let fewer: Vec<[f64; 2]> =
        ring.iter().zip(kept).filter_map(|(corner, kept)| kept.then_some(*corner)).collect();
    let (was, is) = (twice_area(&ring), twice_area(&fewer));
    if fewer.len() > 2 && (is - was).abs() <= AREA_CHANGE_MAX * was { fewer } else { ring }
}

/// How far a point is from the part of a line between two others.
fn from_line([x, y]: [f64; 2], [[a, b], [c, d]]: [[f64; 2]; 2]) -> f64 {
    let (along, down) = (c - a, d - b);
    let length = along * along + down * down;
    let part = if length > 0.0 { ((x - a) * along + (y - b) * down) / length } else { 0.0 };
    let part = part.clamp(0.0, 1.0);
    (x - a - part * along).hypot(y - b - part * down)
}

/// Twice the area inside, below zero for a ring that turns left: Gauss' formula.
fn twice_area(ring: &[[f64; 2]]) -> f64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The runs of a picture, `#` where it is covered.
    fn runs(picture: &[&str]) -> Vec<u64> {
        let rows: Vec<&[u8]> = picture.iter().map(|row| row.as_bytes()).collect();
        let (mut runs, mut now) = (vec![0], b'.');
        for column in 0..rows[0].len() {
            for row in &rows {
                if row[column] != now {
                    now = row[column];
                    runs.push(0);
                }
                *runs.last_mut().unwrap() += 1;
            }
        }
        runs
    }

    fn of(picture: &[&str]) -> Result<Vec<Vec<[f64; 2]>>, String> {
        let size = [picture.len(), picture[0].len()];
        let mask = read(&json!({"size": size, "counts": runs(picture)}));
        mask.map(|mask| mask.polygons).map_err(|error| error.to_string())
    }

    #[test]
    fn the_way_around_is_along_the_pixels() {
        assert_eq!(
            of(&["....", ".##.", "...."]).unwrap(),
            [[[3., 1.], [3., 2.], [1., 2.], [1., 1.]]]
        );
        assert_eq!(of(&["#"]).unwrap(), [[[1., 0.], [1., 1.], [0., 1.], [0., 0.]]]);
        assert_eq!(of(&["..", ".."]).unwrap(), Vec::<Vec<[f64; 2]>>::new());
        // A run from the foot of one column to the head of the next.
        assert_eq!(of(&[".#", "#."]).unwrap().len(), 2, "parts that touch at a corner are apart");
        assert_eq!(of(&["#.#", "###", "#.#"]).unwrap()[0].len(), 12);
    }

    #[test]
    fn a_hole_is_refused() {
        let refused = of(&["###", "#.#", "###"]).unwrap_err();
        assert_eq!(refused, "a mask with a hole cannot be imported");
    }

    #[test]
    fn a_disc_keeps_its_area_with_fewer_corners() {
        let side = 201_i64;
        let row = |y: i64| -> String {
            let inside = |x: i64| (x - 100).pow(2) + (y - 100).pow(2) <= 90 * 90;
            (0..side).map(|x| if inside(x) { '#' } else { '.' }).collect()
        };
        let rows: Vec<String> = (0..side).map(row).collect();
        let picture: Vec<&str> = rows.iter().map(String::as_str).collect();
        let found = of(&picture).unwrap();
        let pixels = rows.iter().flat_map(|row| row.bytes()).filter(|byte| *byte == b'#').count();
        let area = twice_area(&found[0]) / 2.0;
        let share = area / f64::from(u32::try_from(pixels).unwrap());
        assert!((share - 1.0).abs() < AREA_CHANGE_MAX, "{share}");
        assert!(found.len() == 1 && found[0].len() < 200, "{} corners", found[0].len());
    }

    #[test]
    fn packed_runs_are_those_that_were_packed() {
        // As `pycocotools.mask.encode` packs the runs beside them.
        for (packed, runs) in [("52203", &[5, 2, 2, 2, 5][..]), ("Tk2m0_d0", &[2916, 29, 655][..])]
        {
            assert_eq!(unpacked(packed.as_bytes()).unwrap(), runs, "{packed}");
        }
        for wrong in ["5 2", "P", "oooooooooooooooooo0", "~"] {
            assert_eq!(unpacked(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn runs_that_do_not_fill_the_image_are_refused() {
        for counts in [json!([1, 2]), json!([]), json!([u64::MAX, 5]), json!([-1, 13]), json!(7)] {
            let mask = read(&json!({"size": [3, 4], "counts": counts}));
            assert_eq!(mask.err(), Some(missing("counts")), "{counts}");
        }
        let huge = read(&json!({"size": [100_000, 100_000], "counts": [0, 10_000_000_000_u64]}));
        assert!(huge.is_err());
    }
}
