//! Accounts: people sign in with a password, and their browser is known by a cookie from then on.
//!
//! The store holds hashes alone: of passwords (argon2id) and of cookies (256 random bits, so that a
//! plain hash is enough). What a browser must show beside its cookie is derived from the cookie, so a
//! page that was opened by one person can do nothing in the name of the next.

mod browser;
mod change;
mod limit;
pub mod oidc;
mod password;
mod refusals;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::config::SignInTimes;
use crate::store::accounts::SignInRow;
use crate::store::labels::Person;
use crate::store::roles::Action;
use crate::store::trail::{Event, What, Who};
use crate::store::{Store, StoreError, explain};

pub use browser::{Browser, Fresh};
use change::put_password;
pub use change::{check_new, is_name, nobodys_token, remove, set_password, set_role, sign_out};
use limit::{Buckets, network};
pub use password::{BYTES_MAX as PASSWORD_BYTES_MAX, CHARACTERS_MIN as PASSWORD_CHARACTERS_MIN};
use refusals::Refusals;

/// Longest name of a person, bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Browsers in which one person is signed in at a time; the oldest is signed out for one more.
const BROWSERS_MAX: u32 = 16;
/// How often the store notes that a browser was heard of.
const SEEN_EVERY_SECONDS: i64 = 60;
/// Attempts on one account from one address: ten, then one in half a minute.
const ACCOUNT_BURST: u32 = 10;
const ACCOUNT_EVERY: Duration = Duration::from_secs(30);
/// Attempts on one name from everywhere: enough that nobody locks others out by guessing.
const NAME_BURST: u32 = 100;
const NAME_EVERY: Duration = Duration::from_secs(3);
/// Attempts from one address, which a whole site may share behind its proxy.
const PEER_BURST: u32 = 60;
const PEER_EVERY: Duration = Duration::from_secs(1);
/// Items whose originals one person sees: twenty, then one in half a minute. Enough to look something
/// up, too few to read a store out.
const REVEAL_BURST: u32 = 20;
const REVEAL_EVERY: Duration = Duration::from_secs(30);
/// What a page must show is derived for this use only.
const CONTEXT: &str = "insitu agent 2026-11 page token of a sign-in";

/// Why somebody is not signed in, or an account stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Name or password; which of them is not told.
    #[error("the name or the password is wrong")]
    Wrong,
    /// The password in use was not the one given.
    #[error("the current password is wrong")]
    Current,
    /// Too many attempts.
    #[error("too many attempts: the next one may be made in {} s", after.as_secs() + 1)]
    Limited {
        /// When there may be another.
        after: Duration,
    },
    /// Too many people sign in at the same moment.
    #[error("too many people are signing in at this moment")]
    Busy,
    /// Too short a password.
    #[error(
        "a password has at least {PASSWORD_CHARACTERS_MIN} characters, this one has {characters}"
    )]
    Short {
        /// Its length.
        characters: usize,
    },
    /// Too long a password.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    Long,
    /// Programs have tokens.
    #[error("a {role} has no password")]
    Role {
        /// The role.
        role: &'static str,
    },
    /// Nobody of this name.
    #[error("there is nobody named {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// No random bytes from the operating system.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The hash in the store is none, or could not be computed.
    #[error("the password could not be hashed")]
    Hash,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What signing in takes: times, limits, and a place to compute.
#[derive(Debug)]
pub struct Accounts {
    times: SignInTimes,
    kiln: password::Kiln,
    accounts: Buckets,
    names: Buckets,
    peers: Buckets,
    reveals: Buckets,
    refused: Refusals,
}

impl Accounts {
    /// Nobody has tried anything yet.
    pub fn new(times: SignInTimes) -> Self {
        Self {
            times,
            kiln: password::Kiln::new(),
            accounts: Buckets::new(ACCOUNT_BURST, ACCOUNT_EVERY),
            names: Buckets::new(NAME_BURST, NAME_EVERY),
            peers: Buckets::new(PEER_BURST, PEER_EVERY),
            reveals: Buckets::new(REVEAL_BURST, REVEAL_EVERY),
            refused: Refusals::default(),
        }
    }

    /// Signs a browser in by name and password.
    ///
    /// # Errors
    /// [`AccountError::Wrong`], after the same time whatever was wrong; [`AccountError::Limited`],
    /// [`AccountError::Busy`].
    pub async fn sign_in(
        &self,
        store: &Arc<Store>,
        name: &str,
        password: Zeroizing<String>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Fresh, AccountError> {
        let signed_in = async {
            let attempt = self.attempt(name, peer, now)?;
            let (whose, second) = (name.to_owned(), now.as_second());
            let known = blocking(store, move |store| {
                store.read("account", |tx| {
                    let person = tx.person_named(&whose)?;
                    let person = person.filter(|person| may_sign_in(person, second));
                    let Some(person) = person else { return Ok(None) };
                    Ok(tx.password(person.person)?.map(|hash| (person, hash)))
                })
            });
            let (person, hash) = known.await?.unzip();
            let is_known = self.kiln.verify(password, hash.clone()).await?;
            let person = person.filter(|_| is_known).ok_or(AccountError::Wrong)?;
            attempt.put_back();
            let entered =
                blocking(store, move |store| enter(store, person, hash.as_deref(), second));
            let (person, secret) = entered.await?;
            Ok(self.fresh(person, &secret, second))
        };
        let result = signed_in.await;
        note(&result);
        if let Err(error) = &result {
            self.count_refusal(store, name, error).await;
        }
        result
    }

    /// Gives a person a new password, if `current` is the one in use, and signs them out everywhere.
    /// Who has none gets the first from an administrator: a token, or a browser in which the identity
    /// provider signed somebody in, must not make itself a way in that stays.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn change_password(
        &self,
        store: &Arc<Store>,
        person: &Person,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
        from: (IpAddr, Timestamp),
    ) -> Result<(), AccountError> {
        password::check(&new)?;
        let (peer, now) = from;
        let key = person.person;
        let used = blocking(store, move |store| Ok(store.read("password", |tx| tx.password(key))?));
        let used = used.await?.ok_or(AccountError::Current)?;
        let shown = async {
            let attempt = self.attempt(&person.name, peer, now)?;
            if !self.kiln.verify(current, Some(used.clone())).await? {
                return Err(AccountError::Current);
            }
            attempt.put_back();
            Ok(())
        };
        if let Err(error) = shown.await {
            self.count_refusal(store, &person.name, &error).await;
            return Err(error);
        }
        let hash = self.kiln.hash(new).await?;
        let (by, name) = (Some(person.into()), person.name.clone());
        let put = move |store: &Store| {
            put_password(store, by, (&name, &hash), Some(&used), now.as_second())
        };
        blocking(store, put).await
    }

    /// Gives the person of this name a password, by somebody else, and signs them out everywhere.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_password(
        &self,
        store: &Arc<Store>,
        by: Who,
        name: &str,
        new: Zeroizing<String>,
        now: i64,
    ) -> Result<(), AccountError> {
        let (hash, name) = (self.hash(new).await?, name.to_owned());
        let put = move |store: &Store| put_password(store, Some(by), (&name, &hash), None, now);
        blocking(store, put).await
    }

    /// What the store holds of a new password.
    ///
    /// # Errors
    /// [`AccountError::Short`], [`AccountError::Long`], [`AccountError::Busy`].
    pub async fn hash(&self, new: Zeroizing<String>) -> Result<String, AccountError> {
        password::check(&new)?;
        self.kiln.hash(new).await
    }

    /// Signs a browser in as `person`, who has shown who they are; where by a password, `by` is the
    /// hash that it fits.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] when the password has changed meanwhile; [`AccountError::Randomness`],
    /// [`AccountError::Store`].
    pub fn open(
        &self,
        store: &Store,
        person: Person,
        by: Option<&str>,
        now: i64,
    ) -> Result<Fresh, AccountError> {
        let (person, secret) = enter(store, person, by, now)?;
        Ok(self.fresh(person, &secret, now))
    }

    /// The browser that has signed in with a secret.
    fn fresh(&self, person: Person, secret: &[u8; 32], now: i64) -> Fresh {
        let row = SignInRow { person: person.person, started_at: now, seen_at: now };
        let cookie = Zeroizing::new(hex::encode(secret));
        Fresh { cookie, browser: self.browser(person, &row, secret) }
    }

    /// The browser that has this cookie, if it is signed in. That it was heard of is noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known(
        &self,
        store: &Store,
        cookie: &str,
        now: i64,
    ) -> Result<Option<Browser>, StoreError> {
        let mut secret = Zeroizing::new([0; 32]);
        if hex::decode_to_slice(cookie, secret.as_mut()).is_err() {
            return Ok(None);
        }
        let hash = secret_hash(&secret);
        let found = store.read("browser", |tx| {
            let Some(row) = tx.sign_in(&hash)? else { return Ok::<_, StoreError>(None) };
            Ok(tx.person_of(row.person)?.map(|person| (person, row)))
        })?;
        let Some((person, mut row)) = found else { return Ok(None) };
        let (idle_until, until) = self.ends(&row);
        if idle_until.min(until) <= now || !may_sign_in(&person, now) {
            return Ok(None);
        }
        if now - row.seen_at >= SEEN_EVERY_SECONDS {
            store.tx("see browser", |tx| tx.see_sign_in(&hash, now))?;
            row.seen_at = now;
        }
        Ok(Some(self.browser(person, &row, &secret)))
    }

    /// In how many browsers each person is signed in now, by key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn browsers(&self, store: &Store, now: i64) -> Result<BTreeMap<i64, u64>, StoreError> {
        let (idle, longest) = (seconds(self.times.idle), seconds(self.times.longest));
        store.read("browsers", |tx| tx.count_sign_ins(now - idle, now - longest))
    }

    /// Forgets browsers whose time is over, and says how many; sign-ins that were refused since the
    /// last time come into the audit log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self, store: &Store, now: i64) -> Result<usize, StoreError> {
        self.write_refusals(store)?;
        let (idle, longest) = (seconds(self.times.idle), seconds(self.times.longest));
        store.tx("drop browsers", |tx| tx.drop_sign_ins(now - idle, now - longest))
    }

    /// One of the times that a person may see an item's originals, if there is one left.
    ///
    /// # Errors
    /// [`AccountError::Limited`].
    pub fn reveal(&self, person: &Person, now: Timestamp) -> Result<(), AccountError> {
        let limited = |after| AccountError::Limited { after };
        self.reveals.take(&person.person.to_le_bytes(), now.as_millisecond()).map_err(limited)
    }

    /// Brings sign-ins that were refused into the audit log: one row for each of the first people
    /// whose they were, and one for the rest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_refusals(&self, store: &Store) -> Result<(), StoreError> {
        self.refused.write(store).map(drop)
    }

    /// Counts somebody whom the identity provider did not bring in.
    pub fn count_refusal_by_provider(&self) {
        self.refused.provider();
    }

    /// Counts a password that was refused, or was not looked at after too many others.
    async fn count_refusal(&self, store: &Arc<Store>, name: &str, error: &AccountError) {
        let is_refusal = matches!(
            error,
            AccountError::Wrong | AccountError::Current | AccountError::Limited { .. }
        );
        if !is_refusal {
            return;
        }
        let whose = name.to_owned();
        let known =
            move |store: &Store| Ok(store.read("refused", |tx| tx.person_named(&whose))?.is_some());
        match blocking(store, known).await {
            Ok(is_known) => self.refused.password(name, is_known),
            Err(error) => {
                tracing::warn!(error = explain(&error), "a refused sign-in is not counted");
            }
        }
    }

    /// An attempt from an address, if there is one left.
    fn attempt_from(&self, peer: IpAddr, now: Timestamp) -> Result<(), AccountError> {
        let limited = |after| AccountError::Limited { after };
        self.peers.take(&network(peer), now.as_millisecond()).map_err(limited)
    }

    /// An attempt on a name from an address, if there is one left of both.
    fn attempt<'a>(
        &'a self,
        name: &'a str,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt<'a>, AccountError> {
        self.attempt_from(peer, now)?;
        let attempt = Attempt { of: self, name, peer: network(peer) };
        let (limited, now) = (|after| AccountError::Limited { after }, now.as_millisecond());
        self.names.take(name.as_bytes(), now).map_err(limited)?;
        self.accounts.take(&attempt.account(), now).map_err(limited)?;
        Ok(attempt)
    }

    fn ends(&self, row: &SignInRow) -> (i64, i64) {
        let SignInTimes { idle, longest } = self.times;
        (row.seen_at + seconds(idle), row.started_at + seconds(longest))
    }

    fn browser(&self, person: Person, row: &SignInRow, secret: &[u8; 32]) -> Browser {
        let (idle_until, until) = self.ends(row);
        let page_token = hex::encode(blake3::derive_key(CONTEXT, secret));
        Browser { person, page_token, idle_until, until, secret: secret_hash(secret) }
    }
}

/// An attempt that counts unless it is put back.
struct Attempt<'a> {
    of: &'a Accounts,
    name: &'a str,
    peer: [u8; 16],
}

impl Attempt<'_> {
    /// The account as this address tries it.
    fn account(&self) -> Vec<u8> {
        [self.peer.as_slice(), self.name.as_bytes()].concat()
    }

    fn put_back(self) {
        self.of.peers.put_back(&self.peer);
        self.of.names.put_back(self.name.as_bytes());
        self.of.accounts.put_back(&self.account());
    }
}

/// Runs what waits for the store off the runtime's threads.
async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    f: impl FnOnce(&Store) -> Result<T, AccountError> + Send + 'static,
) -> Result<T, AccountError> {
    let store = Arc::clone(store);
    spawn_blocking(move || f(&store)).await.unwrap_or(Err(AccountError::Busy))
}

/// Keeps that a person is signed in by a new secret, if the password's hash is still `by`.
fn enter(
    store: &Store,
    person: Person,
    by: Option<&str>,
    now: i64,
) -> Result<(Person, Zeroizing<[u8; 32]>), AccountError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(|_| AccountError::Randomness)?;
    let hash = secret_hash(&secret);
    store.tx("sign in", |tx| {
        if by.is_some() && tx.password(person.person)?.as_deref() != by {
            return Err(AccountError::Wrong);
        }
        tx.add_sign_in(&hash, person.person, BROWSERS_MAX - 1, now)?;
        Ok(tx.note(&Event::new(What::SignedIn).by(&person)).map(drop)?)
    })?;
    Ok((person, secret))
}

fn may_sign_in(person: &Person, now: i64) -> bool {
    person.role.may(Action::SignIn) && person.ended(now).is_none()
}

fn secret_hash(secret: &[u8; 32]) -> [u8; 32] {
    *blake3::hash(secret).as_bytes()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

/// Counts an attempt, without saying whose.
fn note(result: &Result<Fresh, AccountError>) {
    let result = match result {
        Ok(_) => "signed_in",
        Err(AccountError::Wrong) => "wrong",
        Err(AccountError::Limited { .. }) => "limited",
        Err(AccountError::Busy) => "busy",
        Err(_) => "failed",
    };
    metrics::counter!("insitu_agent_sign_ins_total", "result" => result).increment(1);
}

#[cfg(test)]
mod tests;
