//! People and their tokens. The store holds a hash; the token itself is in a file of its person's.

use std::path::Path;

use insitu_daemon::files::{self, Access, FileError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::account::{NAME_BYTES_MAX, is_name, nobodys_token};
use crate::store::labels::{Person, Role, Terms};
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// Why a person cannot be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// Somebody has the name.
    #[error("there is a person named {name:?} already")]
    Taken {
        /// The name.
        name: String,
    },
    /// Empty, too long, with control characters, or with spaces around it.
    #[error(
        "a name has 1 to {NAME_BYTES_MAX} bytes, no control characters, and no spaces before or after it"
    )]
    Name,
    /// A date that was.
    #[error("{what} is over already")]
    Over {
        /// Which date.
        what: &'static str,
    },
    /// An end to what the role never allows.
    #[error("a {role} decides nothing as an expert: there is nothing to end")]
    NotExpert {
        /// The role.
        role: &'static str,
    },
    /// Nobody has the name.
    #[error("there is nobody named {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// No random bytes from the operating system.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The token cannot be written.
    #[error("the token cannot be written")]
    File(#[from] FileError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Adds a person, and writes a fresh bearer token to a new file that only its owner can read. Without
/// a file there is no token: the person has an account.
///
/// # Errors
/// [`PersonError`]; no person is added then.
pub fn add_person(
    store: &Store,
    name: &str,
    role: Role,
    terms: Terms,
    token_file: Option<&Path>,
    now: i64,
) -> Result<(), PersonError> {
    check(name, role, terms, now)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| PersonError::Randomness)?;
    let token = hex::encode(secret);
    store.tx("add person", |tx| {
        add(tx, Event::new(What::PersonAdded), (name, role, terms), &token_hash(&token), now)?;
        if let Some(file) = token_file {
            // Written before the commit: a person without a token could never be one.
            files::create(file, format!("{token}\n").as_bytes(), Access::Secret)?;
        }
        Ok(())
    })
}

/// Adds a person by somebody else, with a password of this hash and without a token.
///
/// # Errors
/// [`PersonError`]; no person is added then.
pub(super) fn add_account(
    store: &Store,
    by: &Person,
    (name, role, terms): (&str, Role, Terms),
    password_hash: &str,
    now: i64,
) -> Result<(), PersonError> {
    check(name, role, terms, now)?;
    let nobody = nobodys_token().map_err(|_| PersonError::Randomness)?;
    store.tx("add person", |tx| {
        let added = Event::new(What::PersonAdded).by(by);
        let person = add(tx, added, (name, role, terms), &nobody, now)?;
        Ok(tx.put_password(person, password_hash, now)?)
    })
}

/// Gives a person another end to signing in, and to deciding as an expert: `Some(None)` for none, and
/// what is `None` stays as it is. Returns both.
///
/// # Errors
/// [`PersonError::Unknown`], [`PersonError::Over`], [`PersonError::NotExpert`],
/// [`PersonError::Store`]; nothing has changed then.
pub fn renew_person(
    store: &Store,
    name: &str,
    (until, expert_until): (Option<Option<i64>>, Option<Option<i64>>),
    now: i64,
) -> Result<Terms, PersonError> {
    store.tx("renew person", |tx| {
        let known = tx.person_named(name)?;
        let person = known.ok_or_else(|| PersonError::Unknown { name: name.to_owned() })?;
        let wanted = Terms { until: until.flatten(), expert_until: expert_until.flatten() };
        check(name, person.role, wanted, now)?;
        let terms = Terms {
            until: until.unwrap_or(person.terms.until),
            expert_until: expert_until.unwrap_or(person.terms.expert_until),
        };
        tx.set_terms(person.person, terms)?;
        let ends = json!({"name": name, "until": terms.until, "expert_until": terms.expert_until});
        tx.note(&Event::new(What::PersonChanged).with(ends))?;
        Ok(terms)
    })
}

fn check(name: &str, role: Role, terms: Terms, now: i64) -> Result<(), PersonError> {
    if !is_name(name) {
        return Err(PersonError::Name);
    }
    for (what, end) in [("until", terms.until), ("expert-until", terms.expert_until)] {
        if end.is_some_and(|end| end <= now) {
            return Err(PersonError::Over { what });
        }
    }
    if terms.expert_until.is_some() && !role.is_expert() {
        return Err(PersonError::NotExpert { role: role.name() });
    }
    Ok(())
}

/// Adds a person by the hash of their token, and notes it.
fn add(
    tx: &Tx<'_>,
    event: Event<'_>,
    (name, role, terms): (&str, Role, Terms),
    token: &[u8; 32],
    now: i64,
) -> Result<i64, PersonError> {
    let added = tx.add_person(name, role, terms, token, now)?;
    let person = added.ok_or_else(|| PersonError::Taken { name: name.to_owned() })?;
    let Terms { until, expert_until } = terms;
    tx.note(&event.with(json!({
        "name": name, "role": role.name(), "until": until, "expert_until": expert_until,
    })))?;
    Ok(person)
}

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// Nobody has it.
    #[error("nobody at this site has this token")]
    Unknown,
    /// Its time is over.
    #[error("the token was valid until {until}")]
    Ended {
        /// Until when.
        until: Timestamp,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Whoever has the token, while it is valid.
///
/// # Errors
/// [`SignInError`].
pub fn sign_in(store: &Store, token: &str, now: i64) -> Result<Person, SignInError> {
    let hash = token_hash(token.trim());
    let person = store.read("sign in", |tx| tx.person_by_token(&hash))?;
    let person = person.ok_or(SignInError::Unknown)?;
    match person.ended(now) {
        None => Ok(person),
        Some(end) => {
            Err(SignInError::Ended { until: Timestamp::from_second(end).unwrap_or(Timestamp::MAX) })
        }
    }
}

/// A person in the list of all.
pub(crate) fn listed(person: &Person, has_password: bool, now: i64) -> Value {
    json!({
        "name": person.name, "role": person.role.name(), "password": has_password,
        "until": date(person.terms.until), "expert_until": date(person.terms.expert_until),
        "ended": person.ended(now).is_some(),
    })
}

/// The moment at which a last day, in UTC, is over, Unix seconds.
///
/// # Errors
/// The day is the last one that there is.
pub(crate) fn end_of(day: Date) -> Result<i64, jiff::Error> {
    let next = day.checked_add(1.day()).and_then(|day| day.to_zoned(TimeZone::UTC));
    next.map(|next| next.timestamp().as_second())
}

/// The end of a time, if it has one.
pub(super) fn date(end: Option<i64>) -> Option<Timestamp> {
    end.and_then(|end| Timestamp::from_second(end).ok())
}

/// What the store holds of a token. Tokens are 256 random bits: a plain hash is enough.
pub fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}
