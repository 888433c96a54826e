//! Who is there now: the last request of each site, and which sites are revoked. In memory only;
//! after a restart it fills again within a poll.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError, RwLock};

use insitu_protocol::ids::SiteName;

/// A site that was silent for longer is not connected, seconds.
const SILENT_MAX_S: i64 = 60;

/// The sites as the link sees them. Bounded by the number of sites that were ever added.
#[derive(Debug, Default)]
pub struct Presence {
    last: Mutex<BTreeMap<SiteName, i64>>,
    revoked: RwLock<BTreeSet<SiteName>>,
}

impl Presence {
    /// A member of `site` asks something.
    pub fn seen(&self, site: &SiteName, now_unix_s: i64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get_mut(site) {
            Some(at) => *at = now_unix_s,
            None => drop(last.insert(site.clone(), now_unix_s)),
        }
    }

    /// When a member of `site` last asked something, since the start.
    pub fn last(&self, site: &SiteName) -> Option<i64> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(site).copied()
    }

    /// Whether a member of `site` asked something lately.
    pub fn is_connected(&self, site: &SiteName, now_unix_s: i64) -> bool {
        !self.is_revoked(site)
            && self.last(site).is_some_and(|last| now_unix_s.saturating_sub(last) <= SILENT_MAX_S)
    }

    /// Takes the sites that are revoked from here on.
    pub fn set_revoked(&self, sites: BTreeSet<SiteName>) {
        *self.revoked.write().unwrap_or_else(PoisonError::into_inner) = sites;
    }

    /// Whether `site` is revoked.
    pub fn is_revoked(&self, site: &SiteName) -> bool {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains(site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_revocation_end_a_connection() {
        let (presence, site) = (Presence::default(), "north".parse().unwrap());
        assert!(!presence.is_connected(&site, 100));
        presence.seen(&site, 100);
        assert!(presence.is_connected(&site, 100 + SILENT_MAX_S));
        assert!(!presence.is_connected(&site, 101 + SILENT_MAX_S));
        presence.set_revoked(BTreeSet::from([site.clone()]));
        assert!(!presence.is_connected(&site, 100));
        assert_eq!(presence.last(&site), Some(100));
    }
}
