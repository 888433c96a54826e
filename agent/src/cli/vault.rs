//! `vault`: what surrogates stand for, for who may know it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use insitu_daemon::files;
use serde_json::{Value, json};

use super::{Context, Failure, Outcome, print_json, table, when};
use crate::redact::Kind;
use crate::review::{SignInError, sign_in};
use crate::store::StoreError;
use crate::store::labels::{Action, Person};
use crate::store::trail::{Event, REASON_BYTES_MAX, What};
use crate::store::vault::Reveal;

/// Entries of the log that are shown.
const LOG_ENTRIES_MAX: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum VaultCommand {
    /// Show what a surrogate stands for; only a steward may, and it is recorded
    Reveal(RevealArguments),
    /// Show who has asked, when and why
    Log(super::arguments::Json),
}

#[derive(Debug, Args)]
pub(super) struct RevealArguments {
    /// The surrogate, as it stands in the text
    surrogate: String,
    /// Its type, such as NAME or MEDICAL_RECORD
    #[arg(long, value_name = "TYPE")]
    kind: Kind,
    /// The file with the steward's token
    #[arg(long)]
    token_file: PathBuf,
    /// Why it must be known: goes into the log
    #[arg(long)]
    reason: String,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn vault(context: &Context, command: &VaultCommand) -> Outcome {
    match command {
        VaultCommand::Reveal(arguments) => reveal(context, arguments),
        VaultCommand::Log(format) => log(context, format.json),
    }
}

fn reveal(context: &Context, arguments: &RevealArguments) -> Outcome {
    let kind = arguments.kind;
    let reason = arguments.reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        let text = format!("a reason has 1 to {REASON_BYTES_MAX} bytes");
        return Err(Failure::text(exit::USAGE, text));
    }
    let file = &arguments.token_file;
    let person = steward(context, file, Action::Reveal, "may not see originals")?;
    let surrogate = arguments.surrogate.as_str();
    // The record is there before anything is shown.
    let originals = context.store.tx("reveal", |tx| {
        let originals = tx.originals(kind.as_str(), surrogate)?;
        let reveal = Reveal {
            at: context.now(),
            person: person.name.clone(),
            kind: kind.as_str().to_owned(),
            surrogate: surrogate.to_owned(),
            reason: reason.to_owned(),
            found: u64::try_from(originals.len()).unwrap_or(u64::MAX),
        };
        let number = tx.add_reveal(person.person, &reveal)?;
        // Why, and of which surrogate, is in the vault's own log.
        tx.note(&Event::new(What::Revealed).by(&person).with(json!({
            "reveal": number, "kind": kind.as_str(), "found": reveal.found,
        })))?;
        Ok::<_, StoreError>(originals)
    })?;
    if arguments.json {
        print_json(&json!({"kind": kind.as_str(), "originals": originals}))?;
    } else {
        let mut out = io::stdout().lock();
        originals.iter().try_for_each(|original| writeln!(out, "{original}"))?;
    }
    if originals.is_empty() {
        super::complain("this surrogate was not made at this site, or not kept");
        return Ok(exit::REFUSED);
    }
    Ok(exit::DONE)
}

/// The steward whose token is in a file, who may do this; anybody else `may_not`.
pub(super) fn steward(
    context: &Context,
    token_file: &Path,
    action: Action,
    may_not: &str,
) -> Result<Person, Failure> {
    let token = files::read_secret(token_file).map_err(|error| Failure::refused(&error))?;
    let token = String::from_utf8_lossy(&token);
    let person = sign_in(&context.store, &token, context.now()).map_err(|error| match error {
        SignInError::Store(_) => Failure::runtime(&error),
        SignInError::Unknown | SignInError::Ended { .. } => Failure::refused(&error),
    })?;
    if !person.role.may(action) {
        let text = format!("{} is no steward, and {may_not}", person.role.name());
        return Err(Failure::text(exit::REFUSED, text));
    }
    Ok(person)
}

fn log(context: &Context, json: bool) -> Outcome {
    let reveals = context.store.read("reveals", |tx| tx.reveals(LOG_ENTRIES_MAX))?;
    if json {
        let all: Vec<Value> = reveals
            .iter()
            .map(|reveal| {
                json!({
                    "at": when(reveal.at), "person": reveal.person, "kind": reveal.kind,
                    "surrogate": reveal.surrogate, "reason": reveal.reason,
                    "found": reveal.found,
                })
            })
            .collect();
        print_json(&all)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = reveals
        .into_iter()
        .map(|r| vec![when(r.at), r.person, r.kind, r.surrogate, r.found.to_string(), r.reason])
        .collect();
    table::print(&["when", "who", "type", "surrogate", "found", "why"], &rows)?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insitu_daemon::clock::SystemClock;

    use super::*;
    use crate::config::Config;
    use crate::review::add_person;
    use crate::store::labels::{Role, Terms};
    use crate::store::tests::scratch;

    #[test]
    fn only_a_steward_sees_originals_and_it_is_recorded() {
        let scratch = scratch();
        let folder = scratch.folder.path().to_owned();
        let config: Config = toml::from_str("site = \"a\"\n").unwrap();
        let limits = config.policy.limits().unwrap();
        let (_folder, store) = (scratch.folder, scratch.store);
        for (name, role) in [("ada", Role::Steward), ("eve", Role::Lead)] {
            add_person(&store, name, role, Terms::default(), Some(&folder.join(name)), 0).unwrap();
        }
        store.tx("test", |tx| tx.keep_original("NAME", "Laura Keller", "Jane Roe", None)).unwrap();
        let context = Context { config, limits, store, clock: Arc::new(SystemClock) };
        let ask = |person: &str, surrogate: &str| {
            reveal(
                &context,
                &RevealArguments {
                    surrogate: surrogate.to_owned(),
                    kind: Kind::Name,
                    token_file: folder.join(person),
                    reason: " recall of a device ".to_owned(),
                    json: true,
                },
            )
        };
        let refused = ask("eve", "Laura Keller").unwrap_err();
        assert_eq!(refused.code, exit::REFUSED);
        assert!(refused.message.contains("lead is no steward"), "{}", refused.message);
        assert_eq!(ask("ada", "Laura Keller").unwrap(), exit::DONE);
        assert_eq!(ask("ada", "Nobody Else").unwrap(), exit::REFUSED);
        let log = context.store.read("test", |tx| tx.reveals(10)).unwrap();
        let log: Vec<_> = log.iter().map(|r| (r.person.as_str(), r.found)).collect();
        assert_eq!(log, [("ada", 0), ("ada", 1)], "who was refused has learned nothing");
    }
}
