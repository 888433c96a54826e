//! A browser in which somebody is signed in.

use std::fmt;

use zeroize::Zeroizing;

use crate::store::labels::Person;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError};

/// A browser that has just signed in.
pub struct Fresh {
    /// The cookie's value.
    pub cookie: Zeroizing<String>,
    /// What it is from here on.
    pub browser: Browser,
}

/// A browser in which somebody is signed in.
#[derive(Clone)]
pub struct Browser {
    /// Who.
    pub person: Person,
    /// What its pages show with each request that changes something.
    pub page_token: String,
    /// When it is signed out unless it is heard of, Unix seconds.
    pub idle_until: i64,
    /// When it is signed out in any case, Unix seconds.
    pub until: i64,
    /// Hash of the cookie's secret.
    pub(super) secret: [u8; 32],
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh")
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Browser")
    }
}

impl Browser {
    /// Whether a page was opened in this very sign-in.
    pub fn is_page(&self, page_token: &str) -> bool {
        // Compared as hashes: their equality takes the same time wherever they differ.
        let (own, shown) = (&self.page_token, page_token);
        blake3::hash(own.as_bytes()) == blake3::hash(shown.as_bytes())
    }

    /// Signs the browser out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sign_out(&self, store: &Store) -> Result<(), StoreError> {
        store.tx("sign out", |tx| {
            tx.end_sign_in(&self.secret)?;
            tx.note(&Event::new(What::SignedOut).by(&self.person)).map(drop)
        })
    }
}
