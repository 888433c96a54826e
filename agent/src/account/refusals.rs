//! Refused sign-ins, for the audit log: however many there are, a minute of them is a few rows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError};

/// People who are named at a time; what is tried on others meanwhile is one row together.
const NAMES_MAX: usize = 16;

/// What a sign-in was refused on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Tried {
    /// The password of somebody at the site.
    Person(String),
    /// A password with a name that nobody has, or of people beyond [`NAMES_MAX`]. Such a name is not
    /// kept: it may be a password that was typed into the wrong field.
    Others,
    /// The way in by the identity provider.
    Provider,
}

/// Counts until they are written.
///
/// They are written by whoever sweeps the store, not by who is refused: how long an answer takes
/// then tells nothing of who is known here. A crash loses what came after the last sweep.
#[derive(Default)]
pub(super) struct Refusals {
    counts: Mutex<BTreeMap<Tried, u64>>,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    /// Counts a password that was refused with a name, which somebody has or nobody.
    pub(super) fn password(&self, name: &str, is_known: bool) {
        self.count(if is_known { Tried::Person(name.to_owned()) } else { Tried::Others });
    }

    /// Counts somebody whom the provider did not bring in.
    pub(super) fn provider(&self) {
        self.count(Tried::Provider);
    }

    fn count(&self, tried: Tried) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = |tried: &Tried| matches!(tried, Tried::Person(_));
        let is_full = counts.keys().filter(|tried| is_named(tried)).count() >= NAMES_MAX;
        let is_new = is_named(&tried) && !counts.contains_key(&tried);
        let tried = if is_new && is_full { Tried::Others } else { tried };
        *counts.entry(tried).or_default() += 1;
    }

    /// Writes into the audit log what was counted since the last time; how many rows.
    pub(super) fn write(&self, store: &Store) -> Result<usize, StoreError> {
        let taken = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *counts)
        };
        if taken.is_empty() {
            return Ok(0);
        }
        let written = store.tx("refused sign-ins", |tx| {
            taken.iter().try_for_each(|(tried, count)| {
                let detail = match tried {
                    Tried::Person(name) => json!({"name": name, "by": "password", "count": count}),
                    Tried::Others => json!({"name": null, "by": "password", "count": count}),
                    Tried::Provider => json!({"by": "provider", "count": count}),
                };
                tx.note(&Event::new(What::SignInRefused).with(detail)).map(drop)
            })
        });
        if written.is_err() {
            // Nothing was written: it is counted until something is.
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (tried, count) in &taken {
                *counts.entry(tried.clone()).or_default() += count;
            }
        }
        written.map(|()| taken.len())
    }
}
