//! Sets that the coordinator published: the steward reads, approves and declines them.
//!
//! The text is verified each time it is used: it is what the signed manifest names, or it is not
//! used.

use std::io::Write;

use insitu_daemon::exit;
use insitu_protocol::ids::{ProjectName, digest};
use insitu_protocol::project::Project;
use serde_json::json;

use super::arguments::{SetArguments, SetName};
use super::set::{FunctionSet, SetError};
use crate::cli::{Context, Failure, Outcome, table};
use crate::prelabel::Shelf;
use crate::store::StoreError;
use crate::store::functions::FunctionsRow;
use crate::store::orders::BundleState;
use crate::store::trail::{Event, What};

/// The set that the arguments name.
///
/// # Errors
/// [`Failure`] for a file that is none, and for a published set that is not there or not approved.
pub(super) fn chosen(
    open: impl FnOnce() -> Result<Context, Failure>,
    arguments: &SetArguments,
) -> Result<FunctionSet, Failure> {
    match (&arguments.functions, &arguments.set) {
        (Some(path), _) => FunctionSet::read(path).map_err(refused),
        (None, Some(name)) => approved(&open()?, name, None),
        (None, None) => Err(Failure::text(exit::USAGE, "neither --functions nor --set")),
    }
}

/// A published set that the steward approved; for items of `project`, if any.
pub(super) fn approved(
    context: &Context,
    name: &SetName,
    project: Option<&ProjectName>,
) -> Result<FunctionSet, Failure> {
    let row = find(context, name)?;
    if project.is_some_and(|project| *project != row.manifest.project) {
        let text = format!("{} is for project {}", named(&row), row.manifest.project);
        return Err(Failure::text(exit::REFUSED, text));
    }
    if row.state != BundleState::Ready {
        let text = format!(
            "{} is {}: the steward decides by label-functions approve",
            named(&row),
            row.state.name()
        );
        return Err(Failure::text(exit::REFUSED, text));
    }
    FunctionSet::parse(&named(&row), &text(context, &row)?, None).map_err(refused)
}

pub(super) fn list(context: &Context, json: bool, out: &mut impl Write) -> Outcome {
    let sets = context.store.read("functions", |tx| tx.functions())?;
    if json {
        let all: Vec<_> = sets
            .iter()
            .map(|row| {
                json!({
                    "set": named(row), "project": row.manifest.project,
                    "bytes": row.manifest.bytes, "state": row.state.name(), "note": row.note,
                })
            })
            .collect();
        writeln!(out, "{}", json!(all))?;
        return Ok(exit::DONE);
    }
    let row = |row: &FunctionsRow| {
        let (project, state) = (row.manifest.project.to_string(), row.state.name().to_owned());
        vec![named(row), project, state, row.note.clone()]
    };
    let rows: Vec<_> = sets.iter().map(row).collect();
    write!(out, "{}", table::lines(&["functions", "project", "state", "note"], &rows))?;
    Ok(exit::DONE)
}

pub(super) fn show(context: &Context, name: &SetName, out: &mut impl Write) -> Outcome {
    let row = find(context, name)?;
    let text = text(context, &row)?;
    // What a coordinator sends cannot break out of the steward's screen.
    let visible = |c: char| if c == '\n' || !c.is_control() { c } else { '\u{fffd}' };
    writeln!(out, "{}", text.trim_end().chars().map(visible).collect::<String>())?;
    Ok(exit::DONE)
}

pub(super) fn decide(
    context: &Context,
    name: &SetName,
    approve: bool,
    out: &mut impl Write,
) -> Outcome {
    let row = find(context, name)?;
    let (state, note, word) = if approve {
        let set = FunctionSet::parse(&named(&row), &text(context, &row)?, None).map_err(refused)?;
        let project = context.store.read("project", |tx| tx.project(&row.manifest.project))?;
        let project = project.ok_or_else(|| {
            let text = format!("there is no project {}", row.manifest.project);
            Failure::text(exit::REFUSED, text)
        })?;
        positions(&set, &project.definition)?;
        (BundleState::Ready, "", "approved")
    } else {
        (BundleState::Declined, "by the steward", "declined")
    };
    context.store.tx("decide functions", |tx| {
        tx.set_functions_state(&row.digest, state, note)?;
        let what = if approve { What::Approved } else { What::Declined };
        let decided = Event::new(what).of(row.manifest.project.as_str());
        tx.note(&decided.with(json!({"functions": row.digest})))?;
        Ok::<_, StoreError>(())
    })?;
    writeln!(out, "functions {} {word}", named(&row))?;
    Ok(exit::DONE)
}

/// The project's position of each class of the set.
///
/// # Errors
/// [`Failure`] for a class that the project does not have.
pub(super) fn positions(set: &FunctionSet, project: &Project) -> Result<Vec<u16>, Failure> {
    let known = &project.classes;
    set.classes
        .iter()
        .map(|class| {
            let at = known.iter().position(|known| known.name.as_str() == class);
            at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|class| class.name.as_str()).collect();
                let text = format!(
                    "the set's class {class:?} is not one of the project's: {}",
                    names.join(", ")
                );
                Failure::text(exit::REFUSED, text)
            })
        })
        .collect()
}

fn refused(error: SetError) -> Failure {
    if let SetError::Dictionary(error) = error {
        return Failure::from(error);
    }
    Failure::refused(&error)
}

fn named(row: &FunctionsRow) -> String {
    format!("{}@{}", row.manifest.name, row.manifest.object)
}

fn find(context: &Context, name: &SetName) -> Result<FunctionsRow, Failure> {
    let mut sets = context.store.read("functions", |tx| tx.functions())?;
    sets.retain(|row| {
        let starts = row.manifest.object.to_hex().starts_with(&name.digest);
        row.manifest.name == name.name && starts
    });
    let count = sets.len();
    match (sets.pop(), count) {
        (Some(row), 1) => Ok(row),
        (_, found) => {
            let SetName { name, digest } = name;
            let text = format!(
                "{found} published sets are named {name}@{digest}…: see label-functions list"
            );
            Err(Failure::text(exit::REFUSED, text))
        }
    }
}

/// The set's text, if it has arrived and is what the manifest names.
fn text(context: &Context, row: &FunctionsRow) -> Result<String, Failure> {
    let missing =
        |what: &str| Failure::text(exit::REFUSED, format!("{}: its text {what}", named(row)));
    match row.state {
        BundleState::Pending | BundleState::Ready | BundleState::Declined => {}
        BundleState::Wanted => return Err(missing("has not arrived yet")),
        BundleState::Failed => return Err(missing("cannot be fetched")),
    }
    let path = Shelf::new(&context.config.data).path(&row.manifest.object);
    let limit = usize::try_from(row.manifest.bytes).unwrap_or(usize::MAX);
    let bytes =
        insitu_daemon::files::read(&path, limit).map_err(|error| Failure::runtime(&error))?;
    if digest(&bytes) != row.manifest.object {
        return Err(missing(
            "on this disk is not what was signed: a restarted agent fetches it again",
        ));
    }
    String::from_utf8(bytes).map_err(|_| missing("is not UTF-8"))
}
