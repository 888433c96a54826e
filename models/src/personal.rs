//! A head of a site's own, between what all sites learned and what its own items say.
//!
//! The site fits a head to its own labels, held near the federation's by a proximal term, and mixes
//! the two (interpolation: Mansour, Mohri, Ro, Suresh, *Three approaches for personalization with
//! applications to federated learning*, 2020; the term: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith,
//! *Federated optimization in heterogeneous networks*, 2020). How much of its own it takes is what
//! does best on items that the fit did not see. Nothing of it leaves, so it costs no privacy and
//! must never be sent.

use crate::head::{Head, HeadError, narrow};

/// Parts into which a site's items are cut to choose the share.
const FOLDS: usize = 4;
/// Fewest items of a site for a head of its own; below it the federation's stays.
pub const ITEMS_MIN: usize = 2 * FOLDS;
/// Shares of the site's own head to choose from; the least wins a tie.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Steps of a fit.
const STEPS: u32 = 60;
/// Weight of the squared distance to the federation's head.
const PROXIMAL: f64 = 1e-3;

/// A labelled item: its features and its class.
pub type Item<'a> = (&'a [f32], usize);

/// A site's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Personal {
    /// The mix, which serves.
    pub head: Head,
    /// Share of the site's own head in it, in `[0, 1]`.
    pub share: f64,
}

/// Descends from `start` along the mean cross entropy of `items` plus
/// `proximal`/2·‖W − start‖², full batch, `steps` steps.
///
/// The curvature of a softmax over K classes is of the order 1/K for features of length at most 1;
/// the step is its inverse.
///
/// # Errors
/// [`HeadError`] for an item that does not fit; without items the head stays as it is.
pub fn fit(start: &Head, items: &[Item<'_>], steps: u32, proximal: f64) -> Result<Head, HeadError> {
    if items.is_empty() {
        return Ok(start.clone());
    }
    let rate = 1.0 / (1.0 / start.classes() as f64 + proximal);
    let mut head = start.clone();
    for _ in 0..steps {
        let gradient = head.subject_gradient(items.iter().copied())?;
        let count = items.len() as f64;
        let next = head.weights().iter().zip(start.weights()).zip(&gradient);
        let next = next.map(|((weight, origin), gradient)| {
            let (weight, origin) = (f64::from(*weight), f64::from(*origin));
            let slope = f64::from(*gradient) / count + proximal * (weight - origin);
            narrow(weight - rate * slope)
        });
        head = Head::new(head.classes(), head.features(), next.collect())?;
    }
    Ok(head)
}

/// Fits a site's own head and mixes it with the federation's.
///
/// # Errors
/// [`HeadError`] for an item that does not fit.
pub fn personalise(global: &Head, items: &[Item<'_>]) -> Result<Personal, HeadError> {
    if items.len() < ITEMS_MIN {
        return Ok(Personal { head: global.clone(), share: 0.0 });
    }
    let mut right = [0_usize; SHARES.len()];
    for fold in 0..FOLDS {
        let part = |held: bool| -> Vec<Item<'_>> {
            let of = items.iter().enumerate().filter(|(at, _)| (at % FOLDS == fold) == held);
            of.map(|(_, item)| *item).collect()
        };
        let own = fit(global, &part(false), STEPS, PROXIMAL)?;
        for (right, share) in right.iter_mut().zip(SHARES) {
            let mixed = mix(global, &own, share)?;
            for (features, class) in part(true) {
                *right += usize::from(mixed.best(features)? == class);
            }
        }
    }
    let first_best = |best: usize, next: usize| if right[next] > right[best] { next } else { best };
    let share = SHARES[(0..SHARES.len()).fold(0, first_best)];
    let own = fit(global, items, STEPS, PROXIMAL)?;
    Ok(Personal { head: mix(global, &own, share)?, share })
}

/// `(1 − share)·global + share·own`.
fn mix(global: &Head, own: &Head, share: f64) -> Result<Head, HeadError> {
    let pairs = global.weights().iter().zip(own.weights());
    let weights = pairs
        .map(|(global, own)| narrow(f64::from(*global) * (1.0 - share) + f64::from(*own) * share));
    Head::new(global.classes(), global.features(), weights.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items along two directions; `swapped` sites call them by each other's class.
    fn items(swapped: bool) -> Vec<([f32; 2], usize)> {
        (0..16)
            .map(|at| {
                let class = at % 2;
                let lean = 0.1 * (at as f32 / 16.0);
                let features = if class == 0 { [0.9, lean] } else { [lean, 0.9] };
                (features, if swapped { 1 - class } else { class })
            })
            .collect()
    }

    fn borrowed(items: &[([f32; 2], usize)]) -> Vec<Item<'_>> {
        items.iter().map(|(features, class)| (features.as_slice(), *class)).collect()
    }

    fn global() -> Head {
        Head::new(2, 2, vec![2.0, -2.0, -2.0, 2.0]).unwrap()
    }

    #[test]
    fn a_site_that_labels_otherwise_takes_its_own_head() {
        let items = items(true);
        let personal = personalise(&global(), &borrowed(&items)).unwrap();
        assert!(personal.share >= 0.5, "{}", personal.share);
        for (features, class) in &items {
            assert_eq!(personal.head.best(features).unwrap(), *class);
        }
    }

    #[test]
    fn a_site_like_the_others_keeps_their_head() {
        let items = items(false);
        let personal = personalise(&global(), &borrowed(&items)).unwrap();
        assert_eq!(personal, Personal { head: global(), share: 0.0 });
        let few = personalise(&global(), &borrowed(&items[..ITEMS_MIN - 1])).unwrap();
        assert_eq!(few.head, global());
    }

    #[test]
    fn a_stronger_term_stays_nearer() {
        let items = items(true);
        let distance = |proximal| {
            let head = fit(&global(), &borrowed(&items), 200, proximal).unwrap();
            let pairs = head.weights().iter().zip(global().weights().to_vec());
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let (near, far) = (distance(10.0), distance(0.0));
        assert!(near < 0.1 * far && near > 0.0, "{near} and {far}");
        assert_eq!(fit(&global(), &[], 9, 0.0).unwrap(), global());
    }
}
