//! What a Label Studio must be set to, and whether it is: for `label-studio check` and the page of stewards.

use serde::Serialize;
use serde_json::Value;

use super::Studio;
use super::client::{Client, ClientError};
use super::compare;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Events that could not be taken that are shown.
const FAULTS_SHOWN: u32 = 20;

/// Something of Label Studio's environment that nobody can see from here.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it must be.
    pub value: &'static str,
    /// What happens without it.
    pub why: &'static str,
}

/// What Label Studio 1.23 needs in its environment.
pub const SETTINGS: &[Setting] = &[Setting {
    name: "USE_DEFAULT_BANNED_SUBNETS",
    value: "false",
    why: "without it Label Studio refuses backends and webhooks at private addresses: 403, \"URL \
          resolves to a reserved network address\"",
}];

/// A thing that must be so, and whether it is.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// Why not.
    pub fault: Option<String>,
}

/// An event that was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Untaken {
    /// Its name.
    pub event: String,
    /// Why; names nothing of the item.
    pub reason: String,
}

/// How a project and its Label Studio stand.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// What must be so.
    pub findings: Vec<Finding>,
    /// Tasks that are items.
    pub tasks: u64,
    /// Events that wait for their item's draft.
    pub waiting: u64,
    /// The last events that could not be taken.
    pub faults: Vec<Untaken>,
}

/// Asks Label Studio, and the store. Blocks for as long as Label Studio takes.
///
/// # Errors
/// [`StoreError`]; what Label Studio refuses is a finding.
pub fn check(store: &Store, studio: &Studio, project: &ProjectRow) -> Result<Standing, StoreError> {
    let findings = findings(studio, project);
    store.read("studio", |tx| {
        let project = project.project;
        let faults = tx.studio_faults(project, FAULTS_SHOWN)?;
        Ok(Standing {
            findings,
            tasks: tx.studio_task_count(project)?,
            waiting: tx.waiting_studio_events(project)?,
            faults: faults.into_iter().map(|(event, reason)| Untaken { event, reason }).collect(),
        })
    })
}

/// What must be so, in the order in which it is set up.
fn findings(studio: &Studio, project: &ProjectRow) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |what, fault: Option<String>| findings.push(Finding { what, fault });
    let open = studio.settings.is_open();
    let fault = "it travels over http to another machine, where others may read it".to_owned();
    find("the token is safe on its way", open.then_some(fault));
    let mut client = match Client::new(&studio.settings) {
        Ok(client) => client,
        Err(error) => {
            find("its token can be read", Some(crate::store::explain(&error)));
            return findings;
        }
    };
    let schema = compare::schema(&mut client, project, studio);
    let fault = schema.err().map(|error| crate::store::explain(&error));
    find("its project can be asked, and asks for what the project here does", fault);
    let id = studio.settings.project.to_string();
    let mark = format!("/label-studio/{}/", project.definition.name);
    let ours = |entry: &Value| entry["url"].as_str().is_some_and(|url| url.contains(&mark));
    let listed = |answer: Result<Value, ClientError>| match answer {
        Ok(answer) => {
            Ok(answer.as_array().and_then(|all| all.iter().find(|one| ours(one))).cloned())
        }
        Err(error) => Err(crate::store::explain(&error)),
    };
    let backend = listed(client.get("backends", "/api/ml/", &[("project", &id)]));
    find(
        "this agent is its backend",
        match backend {
            Ok(Some(backend)) if backend["state"] == "CO" => None,
            Ok(Some(_)) => {
                Some("it cannot reach the agent, or its label config does not fit".to_owned())
            }
            Ok(None) => Some("connect it: Settings, Model, with the URL above".to_owned()),
            Err(fault) => Some(fault),
        },
    );
    let webhook = listed(client.get("webhooks", "/api/webhooks/", &[("project", &id)]));
    find(
        "it tells this agent of annotations",
        match webhook {
            Ok(Some(hook)) if hook["is_active"] == true && hook["send_payload"] == true => None,
            Ok(Some(_)) => Some("its webhook is off, or sends no payload".to_owned()),
            Ok(None) => Some("it has no webhook at this agent's address".to_owned()),
            Err(fault) => Some(fault),
        },
    );
    findings
}
