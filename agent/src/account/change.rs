//! What is changed about a person: password, role, and that their time is over.

use serde_json::json;

use super::{AccountError, NAME_BYTES_MAX, password};
use crate::store::Store;
use crate::store::roles::{Action, Role};
use crate::store::trail::{Event, What};

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

/// As [`Accounts::set_password`], on the caller's thread.
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
    put_password(store, name, &password::hash(password)?, None, now)
}

/// Gives a person another role, and signs them out everywhere.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Store`]; [`AccountError::Role`] where a program becomes a
/// person or the other way round.
pub fn set_role(store: &Store, name: &str, role: Role) -> Result<(), AccountError> {
    store.tx("set role", |tx| {
        let person = tx.person_named(name)?;
        let person = person.ok_or_else(|| AccountError::Unknown { name: name.to_owned() })?;
        if person.role.may(Action::SignIn) != role.may(Action::SignIn) {
            return Err(AccountError::Role { role: Role::Application.name() });
        }
        tx.set_role(person.person, role)?;
        let changed = Event::new(What::PersonChanged);
        tx.note(&changed.with(json!({"name": name, "role": role.name()})))?;
        Ok(tx.end_sign_ins(person.person)?)
    })
}

/// Ends a person's time: token and password are gone, and they are signed out everywhere. What they
/// said stays, under their name.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Randomness`], [`AccountError::Store`].
pub fn remove(store: &Store, name: &str, now: i64) -> Result<(), AccountError> {
    let nobody = nobodys_token()?;
    store.tx("remove person", |tx| {
        let person = tx.person_named(name)?;
        let person = person.ok_or_else(|| AccountError::Unknown { name: name.to_owned() })?;
        tx.retire(person.person, &nobody, now)?;
        tx.note(&Event::new(What::PersonRemoved).with(json!({"name": name})))?;
        Ok(tx.end_sign_ins(person.person)?)
    })
}

/// Whether a person can have this name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
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

/// Stores a password's hash in place of `used`, or of whatever there is.
pub(super) fn put_password(
    store: &Store,
    name: &str,
    hash: &str,
    used: Option<&str>,
    now: i64,
) -> Result<(), AccountError> {
    store.tx("set password", |tx| {
        let person = tx.person_named(name)?;
        let person = person.ok_or_else(|| AccountError::Unknown { name: name.to_owned() })?;
        if !person.role.may(Action::SignIn) {
            return Err(AccountError::Role { role: person.role.name() });
        }
        if used.is_some() && tx.password(person.person)?.as_deref() != used {
            return Err(AccountError::Current);
        }
        tx.put_password(person.person, hash, now)?;
        let changed = Event::new(What::PersonChanged);
        tx.note(&changed.with(json!({"name": name, "password": true})))?;
        Ok(tx.end_sign_ins(person.person)?)
    })
}
