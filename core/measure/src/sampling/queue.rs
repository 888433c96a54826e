//! Each item once, and one of each group of near-duplicates.

use std::collections::BTreeSet;

use crate::input::{InvalidInput, known};

/// Hands out items in the order that a strategy wants, but none twice, and none whose
/// near-duplicate was handed out: those share the task and get its label as a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    group: Vec<usize>,
    done: BTreeSet<usize>,
    budget: usize,
}

impl Queue {
    /// A queue over items whose near-duplicates are named by `group` (for example by
    /// [`near_duplicates`](crate::propagation::near_duplicates)), for at most `budget` tasks.
    #[must_use]
    pub const fn new(group: Vec<usize>, budget: usize) -> Self {
        Self { group, done: BTreeSet::new(), budget }
    }

    /// Tasks that the budget still allows.
    #[must_use]
    pub const fn budget(&self) -> usize {
        self.budget
    }

    /// Counts an item, and so its group, as labeled without spending budget.
    ///
    /// # Errors
    /// [`InvalidInput::Unknown`] if there is no such item.
    pub fn labeled(&mut self, item: u32) -> Result<(), InvalidInput> {
        known("item", &[item], self.group.len())?;
        self.done.insert(self.group[item as usize]);
        Ok(())
    }

    /// The next `count` tasks among `wanted`, most wanted first.
    ///
    /// # Errors
    /// [`InvalidInput::Unknown`] if there is no such item; nothing is handed out then.
    ///
    /// ```
    /// use insitu_measure::sampling::Queue;
    ///
    /// let mut queue = Queue::new(vec![0, 0, 2, 3], 2);
    /// assert_eq!(queue.take(&[1, 0, 2, 3], 3)?, [1, 2]); // 0 is like 1, and the budget is 2
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    pub fn take(&mut self, wanted: &[u32], count: usize) -> Result<Vec<u32>, InvalidInput> {
        known("wanted", wanted, self.group.len())?;
        let mut tasks = Vec::new();
        for &item in wanted {
            if tasks.len() == count.min(self.budget) {
                break;
            }
            if self.done.insert(self.group[item as usize]) {
                tasks.push(item);
            }
        }
        self.budget -= tasks.len();
        Ok(tasks)
    }

    /// The items that share a task with `item`, itself not among them.
    pub fn sharing(&self, item: usize) -> impl Iterator<Item = usize> {
        let group = self.group.get(item);
        let same = move |&other: &usize| other != item && self.group.get(other) == group;
        (0..self.group.len()).filter(same)
    }
}
