//! `person`: who labels, until when, and the passwords and tokens by which they are known.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use insitu_daemon::{exit, files};
use jiff::civil::Date;
use zeroize::Zeroizing;

use super::arguments::PersonCommand;
use super::{Context, Failure, Outcome, print_json, table, when};
use crate::account::{self, AccountError};
use crate::review::{PersonError, add_person, end_of, listed, renew_person};
use crate::store::labels::{Person, Role, Terms};

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Known at the site only
    name: String,
    /// What the person may do
    #[arg(long)]
    role: RoleName,
    /// A new file for a token
    #[arg(long, required_unless_present_any = ["password", "password_file"])]
    token_file: Option<PathBuf>,
    /// Ask for a password at the terminal
    #[arg(long, conflicts_with = "password_file")]
    password: bool,
    /// A file with a password on its one line, closed to others
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// Last day on which the person may sign in, such as 2027-03-31; in UTC
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Last day on which an expert, or a lead, decides; from then on they read as annotators do
    #[arg(long, value_name = "DATE")]
    expert_until: Option<Date>,
}

#[derive(Debug, Args)]
pub(super) struct PasswordArguments {
    /// Whose
    name: String,
    /// A file with the password on its one line, closed to others; else it is asked for
    #[arg(long)]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RoleArguments {
    /// Whose
    name: String,
    /// What the person may do from now on
    role: RoleName,
}

#[derive(Debug, Args)]
pub(super) struct RenewArguments {
    /// Whose
    name: String,
    /// Last day on which the person may sign in, in UTC, or never: without an end
    #[arg(long, value_name = "DATE", value_parser = last_day, required_unless_present = "expert_until")]
    until: Option<LastDay>,
    /// Last day on which an expert, or a lead, decides, or never
    #[arg(long, value_name = "DATE", value_parser = last_day)]
    expert_until: Option<LastDay>,
}

/// A last day; none for a time without an end.
type LastDay = Option<Date>;

fn last_day(text: &str) -> Result<LastDay, jiff::Error> {
    if text == "never" { Ok(None) } else { text.parse().map(Some) }
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Who; what they said stays under their name
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleName {
    /// Labels
    Annotator,
    /// Decides what annotators cannot
    Expert,
    /// An expert who leads the others
    Lead,
    /// Guards the subjects' privacy; does not label
    Steward,
    /// Manages people; sees nothing of items
    Admin,
    /// A program at the site that sends items and its users' corrections to /v1
    Application,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Annotator => Self::Annotator,
            RoleName::Expert => Self::Expert,
            RoleName::Lead => Self::Lead,
            RoleName::Steward => Self::Steward,
            RoleName::Admin => Self::Admin,
            RoleName::Application => Self::Application,
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(_) | AccountError::Randomness | AccountError::Hash => {
                Self::runtime(&error)
            }
            AccountError::Wrong
            | AccountError::Current
            | AccountError::Limited { .. }
            | AccountError::Busy
            | AccountError::Short { .. }
            | AccountError::Long
            | AccountError::Role { .. }
            | AccountError::Unknown { .. } => Self::refused(&error),
        }
    }
}

impl From<PersonError> for Failure {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::Store(_) | PersonError::Randomness => Self::runtime(&error),
            PersonError::Taken { .. }
            | PersonError::Name
            | PersonError::Over { .. }
            | PersonError::NotExpert { .. }
            | PersonError::Unknown { .. }
            | PersonError::File(_) => Self::refused(&error),
        }
    }
}

pub(super) fn person(context: &Context, command: &PersonCommand) -> Outcome {
    let (store, now) = (&context.store, context.now());
    let done = match command {
        PersonCommand::Add(arguments) => return add(context, arguments),
        PersonCommand::List(format) => return list(context, format.json),
        PersonCommand::Password(PasswordArguments { name, password_file }) => {
            let known = store.read("person", |tx| tx.person_named(name))?;
            known.ok_or_else(|| AccountError::Unknown { name: name.clone() })?;
            let password = new_password(password_file.as_deref())?;
            account::set_password(store, name, &password, now)?;
            format!("{name} has a new password, and is signed out everywhere; a token stays valid")
        }
        PersonCommand::Role(RoleArguments { name, role }) => {
            let role = Role::from(*role);
            account::set_role(store, None, name, role)?;
            format!("{name} is {} from now on, and signed out everywhere", role.name())
        }
        PersonCommand::Renew(arguments) => renew(context, arguments)?,
        PersonCommand::Remove(RemoveArguments { name }) => {
            account::remove(store, None, name, now)?;
            format!("{name} is signed out, and can sign in no more")
        }
    };
    writeln!(io::stdout(), "{done}")?;
    Ok(exit::DONE)
}

fn add(context: &Context, arguments: &AddArguments) -> Outcome {
    let AddArguments { name, role, token_file, password, password_file, until, expert_until } =
        arguments;
    let role = Role::from(*role);
    let terms = Terms { until: end(*until)?, expert_until: end(*expert_until)? };
    // Before anything is stored: a person who can never sign in would only take the name.
    let password = (*password || password_file.is_some())
        .then(|| new_password(password_file.as_deref()))
        .transpose()?;
    if let Some(password) = &password {
        account::check_new(role, password)?;
    }
    let now = context.now();
    add_person(&context.store, name, role, terms, token_file.as_deref(), now)?;
    let mut told = format!("added {name}, {}", role.name());
    if let Some(password) = password {
        account::set_password(&context.store, name, &password, now)?;
        told += "; signs in with the password";
    }
    if let Some(file) = token_file {
        told += &format!("; the token is in {}", file.display());
    }
    writeln!(io::stdout(), "{told}")?;
    Ok(exit::DONE)
}

fn renew(context: &Context, arguments: &RenewArguments) -> Result<String, Failure> {
    let RenewArguments { name, until, expert_until } = arguments;
    let [until, expert_until] = [until, expert_until].map(|day| day.map(end).transpose());
    let terms = renew_person(&context.store, name, (until?, expert_until?), context.now())?;
    let told = |end: Option<i64>| end.map_or_else(|| "without an end".to_owned(), when);
    let mut line = format!("{name} may sign in: {}", told(terms.until));
    if let Some(end) = terms.expert_until {
        line += &format!("; decides: {}", when(end));
    }
    Ok(line)
}

/// The end of a last day, Unix seconds.
fn end(day: LastDay) -> Result<Option<i64>, Failure> {
    day.map(end_of).transpose().map_err(|error| Failure::refused(&error))
}

/// A password from a file, or typed twice at the terminal, where nobody sees it.
fn new_password(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    if let Some(file) = file {
        let bytes = files::read_secret(file).map_err(|error| Failure::refused(&error))?;
        let text = std::str::from_utf8(&bytes).ok();
        let text = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
        let text = text.map(|text| text.strip_suffix('\r').unwrap_or(text));
        let line = text.filter(|text| !text.contains(['\n', '\r']));
        let line = line.ok_or_else(|| {
            let text = format!("{}: not one line of text", file.display());
            Failure::text(exit::REFUSED, text)
        })?;
        return Ok(Zeroizing::new(line.to_owned()));
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let password = ask("New password: ")?;
    if password != ask("The same again: ")? {
        return Err(Failure::text(exit::REFUSED, "these were two different passwords"));
    }
    Ok(password)
}

fn list(context: &Context, json: bool) -> Outcome {
    let (people, accounts) = context.store.read("people", |tx| {
        Ok::<_, crate::store::StoreError>((tx.people()?, tx.with_passwords()?))
    })?;
    let now = context.now();
    let has_password = |person: &Person| accounts.contains(&person.person);
    if json {
        let all = people.iter().map(|person| listed(person, has_password(person), now));
        print_json(&all.collect::<Vec<_>>())?;
        return Ok(exit::DONE);
    }
    let shown = |end: Option<i64>| end.map_or_else(String::new, when);
    let row = |person: Person| {
        let password = if has_password(&person) { "yes" } else { "" }.to_owned();
        let Terms { until, expert_until } = person.terms;
        let role = person.role.name().to_owned();
        vec![person.name, role, password, shown(until), shown(expert_until)]
    };
    let rows: Vec<Vec<String>> = people.into_iter().map(row).collect();
    table::print(&["name", "role", "password", "until", "expert until"], &rows)?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_last_day_is_valid_to_its_end() {
        let last: Date = "2027-03-31".parse().unwrap();
        let end: Timestamp = "2027-04-01T00:00:00Z".parse().unwrap();
        assert_eq!(end_of(last).unwrap(), end.as_second());
    }
}
