//! A committee of heads: each learned from another draw of the site's own labels, over the features
//! of the bundle in use. Where they disagree, labels are missing.
//!
//! Nothing of it leaves, or is kept.

use insitu_models::head::{Head, HeadError};
use insitu_models::personal::{Item, fit};

/// Heads.
const HEADS: u64 = 5;
/// Labels that a head learns from: the newest.
pub(super) const LESSONS_MAX: usize = 2_000;
/// Steps of a head's descent.
const STEPS: u32 = 60;

/// Heads that start from `head`, each learned from as many lessons as there are, drawn with
/// replacement (L. Breiman, *Bagging predictors*, 1996). Equal seeds give equal heads.
///
/// # Errors
/// [`HeadError`] for a lesson that does not fit the head.
pub(super) fn committee(
    head: &Head,
    lessons: &[Item<'_>],
    seed: u64,
) -> Result<Vec<Head>, HeadError> {
    (0..HEADS).map(|member| fit(head, &drawn(lessons, seed, member), STEPS, 0.0)).collect()
}

/// As many lessons as there are, with replacement.
fn drawn<'a>(lessons: &[Item<'a>], seed: u64, member: u64) -> Vec<Item<'a>> {
    let key = blake3::derive_key("insitu sample 2026 committee", &seed.to_le_bytes());
    let mut stream = blake3::Hasher::new_keyed(&key).update(&member.to_le_bytes()).finalize_xof();
    let count = u64::try_from(lessons.len()).unwrap_or(u64::MAX).max(1);
    let mut draw = || {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % count).unwrap_or(0)
    };
    (0..lessons.len()).map(|_| lessons[draw()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes along the first feature; nothing is known of the second.
    #[test]
    fn heads_agree_where_there_are_labels_and_not_elsewhere() {
        let points: Vec<([f32; 3], usize)> = (0_u8..40)
            .map(|at| {
                let (side, class) = if at % 2 == 0 { (0.6, 1) } else { (-0.6, 0) };
                ([side + f32::from(at) / 400.0, f32::from(at % 7) / 60.0, 0.5], class)
            })
            .collect();
        let lessons: Vec<Item<'_>> =
            points.iter().map(|(features, class)| (features.as_slice(), (*class).into())).collect();
        let start = Head::new(2, 3, vec![0.0; 6]).unwrap();
        let heads = committee(&start, &lessons, 7).unwrap();
        assert_eq!(heads, committee(&start, &lessons, 7).unwrap());
        assert_ne!(heads, committee(&start, &lessons, 8).unwrap());
        let range = |item: [f32; 3]| {
            let all = heads.iter().map(|head| head.probabilities(&item, 1.0).unwrap()[1]);
            let (low, high) = all.fold((1.0, 0.0), |(l, h), p| (f64::min(l, p), f64::max(h, p)));
            (low, high)
        };
        assert!(range([0.7, 0.0, 0.5]).0 > 0.8, "{:?}", range([0.7, 0.0, 0.5]));
        let (low, high) = range([0.0, 0.9, 0.1]);
        assert!(high - low > 0.02, "{low} to {high}");
        assert_eq!(committee(&start, &[], 7).unwrap()[0], start);
        let wrong: Item<'_> = (&[0.0; 3], 2.into());
        assert!(committee(&start, &[wrong], 7).is_err());
    }
}
