//! Places that are handed out one by one: so many for each site, or for each address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// At most so many places for each key. Those who hold a key's places share an `S`.
#[derive(Debug)]
pub(crate) struct Places<K, S = ()> {
    taken: Taken<K, S>,
    each_max: usize,
}

type Taken<K, S> = Arc<Mutex<HashMap<K, Holders<S>>>>;

/// Those who hold a key's places.
#[derive(Debug)]
struct Holders<S> {
    count: usize,
    share: Arc<S>,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash, S = ()> {
    taken: Taken<K, S>,
    key: K,
    /// What the holders of this key's places share.
    pub(crate) share: Arc<S>,
}

impl<K: Clone + Eq + Hash, S> Places<K, S> {
    /// All free.
    pub(crate) fn new(each_max: usize) -> Self {
        Self { taken: Taken::default(), each_max }
    }

    /// One more place for `key`, if it has one left. The first to hold one makes what they share.
    pub(crate) fn take(&self, key: &K, share: impl FnOnce() -> S) -> Option<Place<K, S>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(key).map_or(0, |holders| holders.count);
        if count >= self.each_max {
            return None;
        }
        let holders = taken
            .entry(key.clone())
            .or_insert_with(|| Holders { count: 0, share: Arc::new(share()) });
        holders.count += 1;
        let share = Arc::clone(&holders.share);
        Some(Place { taken: Arc::clone(&self.taken), key: key.clone(), share })
    }
}

impl<K: Eq + Hash, S> Drop for Place<K, S> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Each place was counted, so the key is there.
        if let Some(holders) = taken.get_mut(&self.key) {
            holders.count -= 1;
            if holders.count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// Places by address, for those from other machines: this one's own programs are not counted.
#[derive(Debug)]
pub(crate) struct Strangers(Places<IpAddr>);

/// Somebody who was let in.
#[derive(Debug)]
pub(crate) struct Guest {
    _place: Option<Place<IpAddr>>,
}

impl Strangers {
    /// None there yet.
    pub(crate) fn new(each_max: usize) -> Self {
        Self(Places::new(each_max))
    }

    /// Lets one more in from there, unless too many are.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Guest> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Some(Guest { _place: None });
        }
        let place = self.0.take(&address, || ())?;
        Some(Guest { _place: Some(place) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_many_places_keeps_nobody_else_out() {
        let strangers = Strangers::new(3);
        let [outside, mapped, other, here] =
            ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "127.0.0.1"]
                .map(|address| address.parse::<IpAddr>().unwrap());
        let mut held: Vec<Guest> = (0..3).map(|_| strangers.admit(outside).unwrap()).collect();
        assert!(strangers.admit(outside).is_none() && strangers.admit(mapped).is_none());
        assert!(strangers.admit(other).is_some() && strangers.admit(here).is_some());
        held.pop();
        assert!(strangers.admit(outside).is_some());
        held.clear();
        assert!(strangers.0.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn holders_share_one_thing_until_the_last_is_gone() {
        let places = Places::new(2);
        let first = places.take(&"a", || 1).unwrap();
        let second = places.take(&"a", || 2).unwrap();
        let other = places.take(&"b", || 3).unwrap();
        assert_eq!((*first.share, *second.share, *other.share), (1, 1, 3));
        drop((first, second));
        assert_eq!(*places.take(&"a", || 4).unwrap().share, 4);
    }
}
