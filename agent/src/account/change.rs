//! What is changed about a person: password, role, and that their time is over. The audit log names
//! who did it: somebody who is given, or else whoever uses the store.

use serde_json::json;

use super::{AccountError, NAME_BYTES_MAX, password};
use crate::store::labels::Person;
use crate::store::roles::{Action, Role};
use crate::store::trail::{Event, What, Who};
use crate::store::{Store, StoreError, Tx};

/// Whether somebody of this role may have this password.
///
/// # Errors
/// [`AccountError::Role`], [`AccountError::Short`], [`AccountError::Long`].
pub fn check_new(role: Role, password: &str) -> Result<(), AccountError> {
    if !role.may(Action::SignIn) {
        return Err(AccountError::Role { role: role.name() });
    }
    password::check(password)
}

/// As [`super::Accounts::set_password`], on the caller's thread.
///
/// # Errors
/// [`AccountError`].
pub fn set_password(
    store: &Store,
    name: &str,
    password: &str,
    now: i64,
) -> Result<(), AccountError> {
    password::check(password)?;
    put_password(store, None, (name, &password::hash(password)?), None, now)
}

/// Gives a person another role, and signs them out everywhere.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Store`]; [`AccountError::Role`] where a program becomes a
/// person or the other way round.
pub fn set_role(
    store: &Store,
    by: Option<Who>,
    name: &str,
    role: Role,
) -> Result<(), AccountError> {
    store.tx("set role", |tx| {
        let person = known(tx, name)?;
        if person.role.may(Action::SignIn) != role.may(Action::SignIn) {
            return Err(AccountError::Role { role: Role::Application.name() });
        }
        Ok(change_role(tx, by, &person, role)?)
    })
}

/// Gives a person another role, and signs them out everywhere.
pub(super) fn change_role(
    tx: &Tx<'_>,
    by: Option<Who>,
    person: &Person,
    role: Role,
) -> Result<(), StoreError> {
    tx.set_role(person.person, role)?;
    let changed = done(What::PersonChanged, by);
    tx.note(&changed.with(json!({"name": person.name, "role": role.name()})))?;
    tx.end_sign_ins(person.person).map(drop)
}

/// Signs a person out everywhere, and says in how many browsers that was.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Store`].
pub fn sign_out(store: &Store, by: Option<Who>, name: &str) -> Result<usize, AccountError> {
    store.tx("sign out everywhere", |tx| Ok(end_sign_ins(tx, by, &known(tx, name)?)?))
}

/// Signs a person out everywhere; nothing is noted of who is signed in nowhere.
pub(super) fn end_sign_ins(
    tx: &Tx<'_>,
    by: Option<Who>,
    person: &Person,
) -> Result<usize, StoreError> {
    let browsers = tx.end_sign_ins(person.person)?;
    if browsers > 0 {
        let ended = done(What::SignedOut, by);
        tx.note(&ended.with(json!({"name": person.name, "browsers": browsers})))?;
    }
    Ok(browsers)
}

/// Ends a person's time: token and password are gone, and they are signed out everywhere. What they
/// said stays, under their name.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Randomness`], [`AccountError::Store`].
pub fn remove(store: &Store, by: Option<Who>, name: &str, now: i64) -> Result<(), AccountError> {
    let nobody = nobodys_token()?;
    store.tx("remove person", |tx| {
        let person = known(tx, name)?;
        tx.retire(person.person, &nobody, now)?;
        tx.note(&done(What::PersonRemoved, by).with(json!({"name": name})))?;
        Ok(tx.end_sign_ins(person.person).map(drop)?)
    })
}

/// Whether a person can have this name. Signing in passes over spaces around what is typed.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

/// What the store has for the token of a person who has none: nothing has this hash.
///
/// # Errors
/// [`AccountError::Randomness`].
pub fn nobodys_token() -> Result<[u8; 32], AccountError> {
    let mut nobody = [0; 32];
    getrandom::fill(&mut nobody).map_err(|_| AccountError::Randomness)?;
    Ok(nobody)
}

/// Stores a password's hash for the person of a name in place of `used`, or of whatever there is.
pub(super) fn put_password(
    store: &Store,
    by: Option<Who>,
    (name, hash): (&str, &str),
    used: Option<&str>,
    now: i64,
) -> Result<(), AccountError> {
    store.tx("set password", |tx| {
        let person = known(tx, name)?;
        if !person.role.may(Action::SignIn) {
            return Err(AccountError::Role { role: person.role.name() });
        }
        if used.is_some() && tx.password(person.person)?.as_deref() != used {
            return Err(AccountError::Current);
        }
        tx.put_password(person.person, hash, now)?;
        let changed = done(What::PersonChanged, by);
        tx.note(&changed.with(json!({"name": name, "password": true})))?;
        Ok(tx.end_sign_ins(person.person).map(drop)?)
    })
}

fn known(tx: &Tx<'_>, name: &str) -> Result<Person, AccountError> {
    tx.person_named(name)?.ok_or_else(|| AccountError::Unknown { name: name.to_owned() })
}

fn done(what: What, by: Option<Who>) -> Event<'static> {
    match by {
        Some(who) => Event::new(what).by(who),
        None => Event::new(what),
    }
}
