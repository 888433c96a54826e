//! A head of a site's own, between what all sites learned and what its own items say.
//!
//! The site fits a head to its own labels, held near the federation's by a proximal term, and mixes
//! the two (interpolation: Mansour, Mohri, Ro, Suresh, *Three approaches for personalization with
//! applications to federated learning*, 2020; the term: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith,
//! *Federated optimization in heterogeneous networks*, 2020). How much of its own it takes is what
//! does best on items that the fit did not see. Nothing of it leaves, so it costs no privacy and
//! must never be sent.

use crate::head::{Head, HeadError, Target, narrow};

/// Parts into which a site's items are cut to choose the share where none are held out.
const FOLDS: usize = 4;
/// Fewest items of a site for a head of its own; below it the federation's stays.
pub const ITEMS_MIN: usize = 2 * FOLDS;
/// Shares of the site's own head to choose from; the least wins a tie.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Steps of a fit.
pub const STEPS: u32 = 60;
/// Weight of the squared distance to the federation's head.
pub const PROXIMAL: f64 = 1e-3;

/// A labelled item: its features and what is true of it.
pub type Item<'a> = (&'a [f32], Target<'a>);

/// A site's head.
#[derive(Clone, Debug, PartialEq)]
pub struct Personal {
    /// The mix, which serves.
    pub head: Head,
    /// Share of the site's own head in it, in `[0, 1]`.
    pub share: f64,
}

/// How right the federation's head and a mix are on items that neither was fitted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Share of the site's own head in the mix.
    pub share: f64,
    /// Held-out items.
    pub items: usize,
    /// Of them, those about which the federation's head is right.
    pub right_global: usize,
    /// Of them, those about which the mix is right.
    pub right_mixed: usize,
}

/// A descent that is taken a step at a time, so that the caller may do other things between them.
#[derive(Clone, Debug)]
pub struct Fit {
    start: Head,
    head: Head,
    proximal: f64,
}

impl Fit {
    /// A descent that begins at `start` and is held near it by `proximal`.
    pub fn new(start: &Head, proximal: f64) -> Self {
        Self { start: start.clone(), head: start.clone(), proximal }
    }

    /// One step along the mean cross entropy of `items` plus `proximal`/2·‖W − start‖²; without
    /// items none.
    ///
    /// The curvature of a softmax over K classes is of the order 1/K for features of length at most
    /// 1, that of a logistic function at most 1/4; the step is its inverse.
    ///
    /// # Errors
    /// [`HeadError`] for an item that does not fit; the head is as it was.
    pub fn step(&mut self, items: &[Item<'_>]) -> Result<(), HeadError> {
        if items.is_empty() {
            return Ok(());
        }
        let curvature = match self.start.shape().sharing() {
            1 => 0.25,
            classes => 1.0 / classes as f64,
        };
        let rate = 1.0 / (curvature + self.proximal);
        let gradient = self.head.subject_gradient(items.iter().copied())?;
        let count = items.len() as f64;
        let next = self.head.weights().iter().zip(self.start.weights()).zip(&gradient);
        let next = next.map(|((weight, origin), gradient)| {
            let (weight, origin) = (f64::from(*weight), f64::from(*origin));
            let slope = f64::from(*gradient) / count + self.proximal * (weight - origin);
            narrow(weight - rate * slope)
        });
        self.head = self.head.with_weights(next.collect())?;
        Ok(())
    }

    /// Where the descent is.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

/// Descends from `start` for `steps` steps of a [`Fit`].
///
/// # Errors
/// [`HeadError`] for an item that does not fit; without items the head stays as it is.
pub fn fit(start: &Head, items: &[Item<'_>], steps: u32, proximal: f64) -> Result<Head, HeadError> {
    let mut fit = Fit::new(start, proximal);
    for _ in 0..steps {
        fit.step(items)?;
    }
    Ok(fit.head)
}

/// Chooses the share of a site's own head by items that it was not fitted to.
///
/// A share above zero must mend more items than it breaks by what chance alone would do: by more
/// than one deviation of a fair coin over the items about which the two heads differ in being right
/// (the sign test: McNemar, *Note on the sampling error of the difference between correlated
/// proportions*, 1947). Of those that do, the one that is right most often; the least wins a tie.
/// The accuracy of the mix is a little flattered by having been chosen on the same items.
///
/// # Errors
/// [`HeadError`] for an item that does not fit.
pub fn choose(global: &Head, own: &Head, held_out: &[Item<'_>]) -> Result<Choice, HeadError> {
    let right = |head: &Head| -> Result<Vec<bool>, HeadError> {
        held_out.iter().map(|(features, target)| head.is_right(features, *target)).collect()
    };
    let count = |right: &[bool]| right.iter().filter(|right| **right).count();
    let of_global = right(global)?;
    let (items, right_global) = (held_out.len(), count(&of_global));
    let mut best = Choice { share: 0.0, items, right_global, right_mixed: right_global };
    for share in SHARES {
        let of_mix = right(&mix(global, own, share)?)?;
        let right_mixed = count(&of_mix);
        let differ = of_mix.iter().zip(&of_global).filter(|(mix, global)| mix != global).count();
        let gain = right_mixed.saturating_sub(right_global);
        // gain > √differ, in integers
        if gain * gain > differ && right_mixed > best.right_mixed {
            best = Choice { share, right_mixed, ..best };
        }
    }
    Ok(best)
}

/// Fits a site's own head and mixes it with the federation's, by a share that cross-validation over
/// the same items chooses.
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
            for (features, target) in part(true) {
                *right += usize::from(mixed.is_right(features, target)?);
            }
        }
    }
    let first_best = |best: usize, next: usize| if right[next] > right[best] { next } else { best };
    let share = SHARES[(0..SHARES.len()).fold(0, first_best)];
    let own = fit(global, items, STEPS, PROXIMAL)?;
    Ok(Personal { head: mix(global, &own, share)?, share })
}

/// `(1 − share)·global + share·own`.
///
/// # Errors
/// [`HeadError`] when the two have different shapes.
pub fn mix(global: &Head, own: &Head, share: f64) -> Result<Head, HeadError> {
    let pairs = global.weights().iter().zip(own.weights());
    let weights = pairs
        .map(|(global, own)| narrow(f64::from(*global) * (1.0 - share) + f64::from(*own) * share));
    global.with_weights(weights.collect())
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
        items.iter().map(|(features, class)| (features.as_slice(), (*class).into())).collect()
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

    #[test]
    fn held_out_items_choose_the_share_and_chance_does_not() {
        let (train, held_out) = (items(true), items(true));
        let own = fit(&global(), &borrowed(&train), STEPS, PROXIMAL).unwrap();
        let choice = choose(&global(), &own, &borrowed(&held_out)).unwrap();
        assert!(choice.share >= 0.5, "{choice:?}");
        assert_eq!((choice.items, choice.right_global, choice.right_mixed), (16, 0, 16));
        // Where the federation's head is right, or there is nothing to judge by, it stays.
        let choice = choose(&global(), &own, &borrowed(&items(false))).unwrap();
        assert_eq!((choice.share, choice.right_global, choice.right_mixed), (0.0, 16, 16));
        assert_eq!(
            choose(&global(), &own, &[]).unwrap(),
            Choice { share: 0.0, items: 0, right_global: 0, right_mixed: 0 }
        );
        // One item more is what chance gives: 1 mended of 1 that differs.
        let mut mixed = items(false);
        mixed[0].1 = 1 - mixed[0].1;
        let one: Vec<_> = mixed.iter().map(|(f, c)| (f.as_slice(), (*c).into())).take(1).collect();
        let choice = choose(&global(), &own, &one).unwrap();
        assert_eq!((choice.share, choice.right_global, choice.right_mixed), (0.0, 0, 0));
    }

    #[test]
    fn a_fit_is_the_same_step_by_step_and_every_time() {
        let items = items(true);
        let mut stepped = Fit::new(&global(), PROXIMAL);
        (0..STEPS).for_each(|_| stepped.step(&borrowed(&items)).unwrap());
        assert_eq!(*stepped.head(), fit(&global(), &borrowed(&items), STEPS, PROXIMAL).unwrap());
    }
}
