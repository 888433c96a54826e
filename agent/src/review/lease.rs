//! A lease goes on while its holder works on the item.

use insitu_protocol::bytes::Fixed;

use super::{ITEMS_MAX, LEASE_SECONDS, ReviewError, check_labels};
use crate::store::Store;
use crate::store::labels::Person;

/// How long who had an item may still answer it after the lease has ended, seconds, while nobody else
/// has taken it: the network may be away over a weekend, and the decision wait in the browser.
pub const LATE_SECONDS_MAX: i64 = 7 * 24 * 3600;

/// Prolongs the person's leases on items, and says until when each lasts now: `None` of what is the
/// person's no more. No lease lasts longer than four hours from when it was given.
///
/// # Errors
/// [`ReviewError::Role`]; [`ReviewError::Invalid`] for more than [`ITEMS_MAX`] items.
pub fn renew(
    store: &Store,
    person: &Person,
    items: &[Fixed<16>],
    now: i64,
) -> Result<Vec<Option<i64>>, ReviewError> {
    check_labels(person)?;
    if items.len() > usize::try_from(ITEMS_MAX).unwrap_or(usize::MAX) {
        return Err(ReviewError::Invalid {
            what: "leases on 50 items at most are renewed at once",
        });
    }
    store.tx("renew", |tx| {
        let until = now + LEASE_SECONDS;
        let renew = |item: &Fixed<16>| {
            let lease = tx.renew_lease(&item.0, person.person, now, until)?;
            Ok(lease.filter(|until| *until > now))
        };
        items.iter().map(renew).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::next;
    use crate::store::labels::Role;
    use crate::store::leases::LEASE_SECONDS_MAX;
    use crate::testing;

    #[test]
    fn a_lease_goes_on_while_its_holder_works_but_not_for_ever() {
        let (scratch, project) = testing::with_project();
        testing::add_items(&scratch.store, &project, 0..1, 1);
        testing::prelabel(&scratch.store, &project, |_| 0.7);
        let store = &scratch.store;
        let [ann, bob] = ["ann", "bob"].map(|name| testing::person(store, name, Role::Annotator));
        let name = &project.definition.name;
        let item = Fixed(next(store, &ann, name, 1, 0).unwrap()[0].row.opaque);
        let renewed = |person: &Person, now| renew(store, person, &[item], now).unwrap()[0];
        assert_eq!(renewed(&ann, 500), Some(500 + LEASE_SECONDS));
        assert_eq!(renewed(&bob, 500), None, "it is not his");
        assert!(next(store, &bob, name, 1, 1000).unwrap().is_empty());
        let mut now = 500;
        while let Some(until) = renewed(&ann, now) {
            assert!(until <= LEASE_SECONDS_MAX);
            now = until - 1;
            if until == LEASE_SECONDS_MAX {
                break;
            }
        }
        assert_eq!(renewed(&ann, LEASE_SECONDS_MAX), None);
        assert_eq!(next(store, &bob, name, 1, LEASE_SECONDS_MAX).unwrap().len(), 1);
        assert_eq!(renewed(&ann, LEASE_SECONDS_MAX + 1), None, "it is his now");
        // A new lease begins anew.
        let now = LEASE_SECONDS_MAX + LEASE_SECONDS + 1;
        assert_eq!(next(store, &ann, name, 1, now).unwrap().len(), 1);
        assert_eq!(renewed(&ann, now + 9), Some(now + 9 + LEASE_SECONDS));
    }

    /// A page that asks for more items is given those that its reader has, once more.
    #[test]
    fn asking_again_keeps_an_item_no_longer_than_renewing() {
        let (scratch, project) = testing::with_project();
        testing::add_items(&scratch.store, &project, 0..1, 1);
        testing::prelabel(&scratch.store, &project, |_| 0.7);
        let store = &scratch.store;
        let [ann, bob] = ["ann", "bob"].map(|name| testing::person(store, name, Role::Annotator));
        let name = &project.definition.name;
        let mut now = 0;
        while now < LEASE_SECONDS_MAX {
            let card = next(store, &ann, name, 1, now).unwrap().remove(0);
            let (item, told) = (card.row.item, card.lease.until);
            assert_eq!(told, (now + LEASE_SECONDS).min(LEASE_SECONDS_MAX), "what the page is told");
            let kept = store.read("test", |tx| tx.lease(item)).unwrap().unwrap();
            assert_eq!(kept.until, told);
            now += LEASE_SECONDS - 1;
        }
        assert_eq!(next(store, &bob, name, 1, LEASE_SECONDS_MAX).unwrap().len(), 1);
    }

    #[test]
    fn only_who_labels_renews_and_not_too_much_at_once() {
        let (scratch, _) = testing::with_project();
        let sam = testing::person(&scratch.store, "sam", Role::Steward);
        let refused = renew(&scratch.store, &sam, &[], 0);
        assert!(matches!(refused, Err(ReviewError::Role { .. })));
        let ann = testing::person(&scratch.store, "ann", Role::Annotator);
        let refused = renew(&scratch.store, &ann, &[Fixed([0; 16]); 51], 0);
        assert!(matches!(refused, Err(ReviewError::Invalid { .. })));
    }
}
