//! Near-duplicates whose labels differ.

use crate::input::{InvalidInput, same_length};
use std::collections::BTreeMap;

/// A group of near-duplicates with more than one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The items, ascending.
    pub items: Vec<usize>,
    /// The label of more than half of them, if there is one.
    pub majority: Option<u32>,
    /// Items with another label than the majority; all of them without a majority.
    pub suspects: Vec<usize>,
}

/// Groups of near-duplicates whose labels differ, by first item. `group` names each item's group,
/// as [`near_duplicates`](crate::propagation::near_duplicates) does.
///
/// # Errors
/// [`InvalidInput::Length`] if the lengths differ.
///
/// ```
/// use insitu_measure::label_errors::conflicts;
///
/// let found = conflicts(&[0, 0, 0, 1], &[7, 7, 8, 9])?;
/// assert_eq!((found.len(), found[0].majority, &found[0].suspects[..]), (1, Some(7), &[2][..]));
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn conflicts(group: &[usize], labels: &[u32]) -> Result<Vec<Conflict>, InvalidInput> {
    same_length("labels", group.len(), labels.len())?;
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (item, &group) in group.iter().enumerate() {
        groups.entry(group).or_default().push(item);
    }
    let mut found: Vec<Conflict> =
        groups.into_values().filter_map(|items| conflict(items, labels)).collect();
    found.sort_by_key(|conflict| conflict.items[0]);
    Ok(found)
}

fn conflict(items: Vec<usize>, labels: &[u32]) -> Option<Conflict> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    items.iter().for_each(|&item| *counts.entry(labels[item]).or_default() += 1);
    if counts.len() < 2 {
        return None;
    }
    let majority =
        counts.iter().find(|(_, count)| **count * 2 > items.len()).map(|(label, _)| *label);
    let suspects = items.iter().copied().filter(|&item| Some(labels[item]) != majority).collect();
    Some(Conflict { items, majority, suspects })
}
