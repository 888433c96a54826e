//! Boxes and polygons at random.

use super::*;

/// A number of percent with six decimals.
pub(super) fn percent(most: u32) -> impl Strategy<Value = f64> {
    (0..=most * 1_000_000).prop_map(|millionths| f64::from(millionths) / 1e6)
}

pub(super) fn boxes() -> impl Strategy<Value = Json> {
    let one = (0..2_u16, percent(60), percent(60), percent(39), percent(39)).prop_map(
        |(class, x, y, width, height)| json!({"class": class, "box": [x, y, width + 0.5, height + 0.5]}),
    );
    prop::collection::vec(one, 0..4).prop_map(|regions| json!({"regions": regions}))
}

pub(super) fn polygons() -> impl Strategy<Value = Json> {
    let points = prop::collection::vec((percent(99), percent(99)), 1..5);
    let one = (0..2_u16, points).prop_map(|(class, points)| {
        let mut all = vec![[0.5, 0.25], [100.0, 99.75]];
        all.extend(points.into_iter().map(|(x, y)| [x, y]));
        json!({"class": class, "polygon": all})
    });
    prop::collection::vec(one, 0..3).prop_map(|regions| json!({"regions": regions}))
}
