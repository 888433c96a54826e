//! `person`: who labels, until when, and the tokens by which they are known.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use insitu_daemon::exit;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::arguments::PersonCommand;
use super::{Context, Failure, Outcome, print_json, table};
use crate::review::{PersonError, add_person};
use crate::store::labels::{Person, Role, Terms};

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Known at the site only
    name: String,
    /// What the person may do
    #[arg(long)]
    role: RoleName,
    /// A new file
    #[arg(long)]
    token_file: PathBuf,
    /// Last day on which the token is valid, such as 2027-03-31; in UTC
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Last day on which an expert, or a lead, decides; from then on they read as annotators do
    #[arg(long, value_name = "DATE")]
    expert_until: Option<Date>,
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
    /// A program at the site that sends items and its users' corrections to /v1
    Application,
}

pub(super) fn person(context: &Context, command: &PersonCommand) -> Outcome {
    match command {
        PersonCommand::Add(arguments) => add(context, arguments),
        PersonCommand::List(format) => list(context, format.json),
    }
}

fn add(context: &Context, arguments: &AddArguments) -> Outcome {
    let AddArguments { name, role, token_file, until, expert_until } = arguments;
    let role = match role {
        RoleName::Annotator => Role::Annotator,
        RoleName::Expert => Role::Expert,
        RoleName::Lead => Role::Lead,
        RoleName::Steward => Role::Steward,
        RoleName::Application => Role::Application,
    };
    let end = |day: &Option<Date>| day.map(end_of).transpose();
    let terms = Terms { until: end(until)?, expert_until: end(expert_until)? };
    let added = add_person(&context.store, name, role, terms, token_file, context.now());
    added.map_err(|error| match error {
        PersonError::Store(_) | PersonError::Randomness => Failure::runtime(&error),
        PersonError::Taken { .. }
        | PersonError::Name
        | PersonError::Over { .. }
        | PersonError::NotExpert { .. }
        | PersonError::File(_) => Failure::refused(&error),
    })?;
    let file = token_file.display();
    writeln!(io::stdout(), "added {name}, {}; the token is in {file}", role.name())?;
    Ok(exit::DONE)
}

/// The moment at which a day is over, Unix seconds.
fn end_of(day: Date) -> Result<i64, Failure> {
    let next = day.checked_add(1.day()).and_then(|day| day.to_zoned(TimeZone::UTC));
    next.map(|next| next.timestamp().as_second()).map_err(|error| Failure::refused(&error))
}

fn list(context: &Context, json: bool) -> Outcome {
    let people = context.store.read("people", |tx| tx.people())?;
    let now = context.now();
    let date = |end: Option<i64>| end.and_then(|end| Timestamp::from_second(end).ok());
    if json {
        let listed: Vec<_> = people
            .iter()
            .map(|person| {
                json!({
                    "name": person.name, "role": person.role.name(),
                    "until": date(person.terms.until),
                    "expert_until": date(person.terms.expert_until),
                    "ended": person.ended(now).is_some(),
                })
            })
            .collect();
        print_json(&listed)?;
        return Ok(exit::DONE);
    }
    let shown = |end| date(end).map_or_else(String::new, |end| end.to_string());
    let row = |person: Person| {
        let Terms { until, expert_until } = person.terms;
        vec![person.name, person.role.name().to_owned(), shown(until), shown(expert_until)]
    };
    let rows: Vec<Vec<String>> = people.into_iter().map(row).collect();
    table::print(&["name", "role", "until", "expert until"], &rows)?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_day_is_valid_to_its_end() {
        let last: Date = "2027-03-31".parse().unwrap();
        let end: Timestamp = "2027-04-01T00:00:00Z".parse().unwrap();
        assert_eq!(end_of(last).unwrap(), end.as_second());
    }
}
