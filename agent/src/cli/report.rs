//! How the agent is doing, and the steward's decisions.

use std::io::{self, Write};

use insitu_daemon::exit;
use insitu_protocol::ids::CampaignId;
use insitu_protocol::order::{Clause, Selector};
use insitu_protocol::project::Project;
use serde_json::{Value, json};

use super::arguments::{CampaignsCommand, ModelsCommand};
use super::{Context, Failure, Outcome, print_json, table};
use crate::acceptance::{self, ClassStanding};
use crate::prelabel::personal::Standing;
use crate::status::{self, CampaignStatus, ProjectStatus, SessionStatus, Status, Underway};
use crate::store::StoreError;
use crate::store::campaigns::{CampaignRow, CampaignState};
use crate::store::orders::{ApprovalKind, BundleRow, BundleState};
use crate::store::synthetic::SyntheticCounts;
use crate::store::trail::{Event, What};

pub(super) fn status(context: &Context, json: bool) -> Outcome {
    let running = status::daemon_runs(&context.config);
    let Context { store, config, limits, .. } = context;
    let status = Status::read(store, config, limits, running, context.now())?;
    if json {
        print_json(&status)?;
    } else {
        tell(&status)?;
    }
    Ok(status::exit_code(&status))
}

fn tell(status: &Status) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let unknown = || "?".to_owned();
    writeln!(
        out,
        "site {}, agent {}, federation {}; {}; engine {}",
        status.site.clone().unwrap_or_else(unknown),
        status.agent.clone().unwrap_or_else(unknown),
        status.federation.clone().unwrap_or_else(unknown),
        if status.running { "running" } else { "not running" },
        status.engine
    )?;
    let link = match (&status.link.trouble, status.link.connected) {
        (None, true) => "connected".to_owned(),
        (Some(trouble), true) => format!("connected, but {trouble}"),
        (Some(trouble), false) => format!("not connected: {trouble}"),
        (None, false) => "not connected".to_owned(),
    };
    let last = status.link.last_contact.map_or_else(unknown, |at| at.to_string());
    writeln!(out, "link {link}; last contact {last}")?;
    for waiting in &status.waiting {
        let closes = waiting.closes.map_or_else(String::new, |at| {
            format!(
                "; the first order that waits closes at {at}, without this site if it still does"
            )
        });
        writeln!(out, "{} waits: {}{closes}", waiting.work, waiting.reason)?;
    }
    let budget = &status.budget;
    writeln!(
        out,
        "budget ε {:.3} of {:.3} in 365 days (δ {:e})",
        budget.epsilon_spent, budget.epsilon_allowed, budget.delta
    )?;
    writeln!(
        out,
        "were all other sites to collude in their sums: ε {:.3} of {:.3}",
        budget.epsilon_local_spent, budget.epsilon_local_allowed
    )?;
    let outbox = &status.outbox;
    writeln!(
        out,
        "outbox {} releases: {} acknowledged, {} queued, {} refused; chain {}",
        outbox.releases,
        outbox.acknowledged,
        outbox.queued,
        outbox.refused,
        if outbox.verified { "in order" } else { "NOT in order" }
    )?;
    let audit = &status.audit;
    let at = audit.signed_at.map_or_else(String::new, |at| format!(" at {at}"));
    writeln!(out, "audit log {} events, signed up to {}{at}", audit.events, audit.signed)?;
    drop(out);
    tell_projects(status)?;
    tell_rest(status)
}

fn tell_projects(status: &Status) -> io::Result<()> {
    let rows: Vec<Vec<String>> = status
        .projects
        .iter()
        .map(|project| {
            let bundle = project.bundle.as_ref().map(|digest| digest[..12].to_owned());
            vec![
                project.name.clone(),
                bundle.unwrap_or_else(|| "none".to_owned()),
                project.items.to_string(),
                project.prelabeled.to_string(),
                project.auto_accepted.to_string(),
                project.queued.annotator.to_string(),
                project.queued.expert.to_string(),
                project.queued.review.to_string(),
                project.queued.campaign.to_string(),
                project.corrected.to_string(),
                project.window.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let heading = [
        "project",
        "model",
        "items",
        "prelabeled",
        "accepted",
        "annotator",
        "expert",
        "review",
        "campaign",
        "corrected",
        "window",
    ];
    table::print(&heading, &rows)?;
    for project in &status.projects {
        tell_underway(project, status.running)?;
        if let Some(standing) = &project.personal {
            writeln!(io::stdout(), "{}: {}", project.name, personal(standing))?;
        }
        let SyntheticCounts { items, waiting, validated } = project.synthetic;
        let name = &project.name;
        tell_acceptance(name, &project.acceptance)?;
        if items > 0 {
            writeln!(
                io::stdout(),
                "{name}: besides {items} synthetic items, {validated} judged, {waiting} waiting"
            )?;
        }
    }
    Ok(())
}

/// How far the way of a project's items to people is.
fn tell_underway(project: &ProjectStatus, running: bool) -> io::Result<()> {
    let ProjectStatus { name, redaction, drafting, bundle, .. } = project;
    let idle = match (running, bundle) {
        (false, _) => "the agent does not run",
        (true, None) => "a model has yet to come",
        (true, Some(_)) => "none in the last seconds",
    };
    let to_redact = if running { "none in the last seconds" } else { idle };
    for (what, Underway { waiting, a_minute, seconds_left }, idle) in
        [("to be redacted", redaction, to_redact), ("for a draft", drafting, idle)]
    {
        if *waiting == 0 {
            continue;
        }
        let pace = match (a_minute, seconds_left) {
            (Some(pace), Some(left)) => {
                format!("{pace} a minute, about {} min left", left.div_ceil(60))
            }
            _ => idle.to_owned(),
        };
        writeln!(io::stdout(), "{name}: {waiting} items wait {what}: {pace}")?;
    }
    Ok(())
}

/// A personal head in words.
fn personal(standing: &Standing) -> String {
    let Standing { share, lessons, held_out, accuracy_global, accuracy_personal } = standing;
    let (Some(global), Some(personal)) = (accuracy_global, accuracy_personal) else {
        return "no personal head yet: it needs corrected items of the hold-out".to_owned();
    };
    let held_out = format!("{held_out} held-out items");
    if *share > 0.0 {
        format!(
            "personal head from {lessons} corrections at weight {share}: right on {personal:.3} of \
             {held_out}, the model alone on {global:.3}"
        )
    } else {
        format!(
            "personal head from {lessons} corrections at weight 0: no better on {held_out} than \
             the model alone, right on {global:.3}"
        )
    }
}

fn tell_acceptance(project: &str, standing: &acceptance::Standing) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if standing.mode == "nothing" {
        let why = "agent.toml has no [project.acceptance] for it";
        return writeln!(out, "{project}: nothing is accepted without a person: {why}");
    }
    for class in &standing.classes {
        let ClassStanding { class, state, threshold, audited, errors, bound, .. } = class;
        let from = threshold.map_or_else(String::new, |from| format!(" from {from:.3} on"));
        let state = match *state {
            "earned" => "accepted",
            "off" => "no longer accepted",
            _ => "not accepted yet",
        };
        writeln!(
            out,
            "{project}: prelabels {class:?} are {state}{from}: {errors} errors in {audited} audited, \
             at most {bound:.4} of all"
        )?;
    }
    Ok(())
}

fn tell_rest(status: &Status) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for round in &status.rounds {
        let run = &round.run[..12];
        writeln!(out, "run {run} round {}: {} {}", round.round, round.state, round.note)?;
    }
    for session in &status.sessions {
        let SessionStatus { project, kind, step, attempt, state, note, .. } = session;
        let which = if kind == "update" { format!(" round {step}") } else { String::new() };
        writeln!(out, "sum of {kind} for {project}{which}, attempt {attempt}: {state} {note}")?;
    }
    for campaign in &status.campaigns {
        let CampaignStatus { title, state, matched, note, .. } = campaign;
        writeln!(out, "campaign {title:?}: {state}, {matched} items here {note}")?;
    }
    for waiting in &status.pending {
        writeln!(out, "waits: {waiting}")?;
    }
    Ok(())
}

pub(super) fn campaigns(context: &Context, command: &CampaignsCommand) -> Outcome {
    match command {
        CampaignsCommand::List(format) => list_campaigns(context, format.json),
        CampaignsCommand::Show { id, json } => show_campaign(context, id, *json),
        CampaignsCommand::Approve { id } => decide_campaign(context, id, true),
        CampaignsCommand::Decline { id } => decide_campaign(context, id, false),
    }
}

fn list_campaigns(context: &Context, json: bool) -> Outcome {
    let all = context.store.read("campaigns", |tx| status::campaigns(tx, &context.limits))?;
    if json {
        print_json(&all)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = all
        .into_iter()
        .map(|campaign| {
            vec![
                campaign.campaign,
                campaign.title,
                campaign.state.to_owned(),
                campaign.matched.to_string(),
                format!("{:.3}", campaign.epsilon),
                campaign.answers.map(|at| at.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    table::print(&["campaign", "title", "state", "items", "ε", "answers"], &rows)?;
    Ok(exit::DONE)
}

fn show_campaign(context: &Context, id: &str, json: bool) -> Outcome {
    let row = campaign(context, id)?;
    let project = context.store.read("project", |tx| tx.project_by_key(row.project))?;
    let project =
        project.ok_or_else(|| Failure::text(exit::RUNTIME, "the campaign's project is gone"))?;
    let words = words(&row.order.selector, &project.definition);
    let all = context.store.read("campaigns", |tx| status::campaigns(tx, &context.limits))?;
    let shown = all.into_iter().find(|other| other.campaign == row.order.campaign.to_hex());
    if json {
        let mut value = serde_json::to_value(&shown).unwrap_or(Value::Null);
        value["selector"] = json!(words);
        value["items_max"] = json!(row.order.items_max);
        print_json(&value)?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {}", row.order.title, row.state.name())?;
    writeln!(out, "items where {words}, at most {}", row.order.items_max)?;
    if let Some(shown) = shown {
        let answers = shown.answers.map(|at| at.to_string()).unwrap_or_default();
        writeln!(out, "answers at {answers} with noised progress, for ε {:.3}", shown.epsilon)?;
        writeln!(out, "{} items queued here {}", shown.matched, shown.note)?;
    }
    Ok(exit::DONE)
}

/// A selector as a sentence.
fn words(selector: &Selector, project: &Project) -> String {
    let clause = |clause: &Clause| match *clause {
        Clause::Feature { feature, bins } => {
            let Some(feature) = project.features.get(usize::from(feature)) else {
                return "an unknown feature".to_owned();
            };
            let titles: Vec<String> = (0..feature.bin_count())
                .filter(|bin| bins >> bin & 1 == 1)
                .map(|bin| feature.bin_title(bin))
                .collect();
            format!("{} is {}", feature.field, titles.join(" or "))
        }
        Clause::Prelabel { class } => {
            let class = project.class(class);
            format!("the prelabel is {}", class.map_or("unknown", |class| class.name.as_str()))
        }
        Clause::ConfidenceBelow { milli } => {
            format!("the confidence is below {:.3}", f64::from(milli) / 1000.0)
        }
    };
    selector.clauses().iter().map(clause).collect::<Vec<_>>().join(" and ")
}

fn decide_campaign(context: &Context, id: &str, approve: bool) -> Outcome {
    let row = campaign(context, id)?;
    let (to, note, word) = if approve {
        (CampaignState::Approved, "", "approved: experts get its items")
    } else {
        let note = "by the steward";
        (CampaignState::Declined, note, "declined: it is answered like any other, with noise alone")
    };
    let movable = match row.state {
        CampaignState::Proposed => true,
        CampaignState::Approved | CampaignState::Open => !approve,
        CampaignState::Declined => approve,
        CampaignState::Answered | CampaignState::Unanswered => false,
    };
    let id = &row.order.campaign;
    let moved = movable
        && context.store.tx("decide campaign", |tx| {
            let moved = tx.move_campaign(id, row.state, to, note)?;
            if moved {
                tx.note(&decided(approve).with(json!({"campaign": id})))?;
            }
            Ok::<_, StoreError>(moved)
        })?;
    if !moved {
        let text = format!("the campaign is {}: nothing to decide", row.state.name());
        return Err(Failure::text(exit::REFUSED, text));
    }
    writeln!(io::stdout(), "{word}")?;
    Ok(exit::DONE)
}

/// What the audit log says of a decision.
fn decided(approve: bool) -> Event<'static> {
    Event::new(if approve { What::Approved } else { What::Declined })
}

fn campaign(context: &Context, id: &str) -> Result<CampaignRow, Failure> {
    let row = match CampaignId::from_hex(id) {
        Some(id) => context.store.read("campaign", |tx| tx.campaign(&id))?,
        None => None,
    };
    row.ok_or_else(|| {
        Failure::text(exit::REFUSED, format!("there is no campaign {id}: see campaigns list"))
    })
}

pub(super) fn models(context: &Context, command: &ModelsCommand) -> Outcome {
    match command {
        ModelsCommand::List(format) => list_models(context, format.json),
        ModelsCommand::Approve { digest } => decide_model(context, digest, true),
        ModelsCommand::Decline { digest } => decide_model(context, digest, false),
    }
}

fn list_models(context: &Context, json: bool) -> Outcome {
    let (bundles, used) = context.store.read("models", |tx| {
        let used: Vec<_> = tx.projects()?.into_iter().filter_map(|row| row.bundle).collect();
        Ok::<_, StoreError>((tx.bundles()?, used))
    })?;
    let state = |row: &BundleRow| match row.state {
        BundleState::Ready if used.contains(&row.bundle) => "in use",
        BundleState::Wanted
        | BundleState::Pending
        | BundleState::Ready
        | BundleState::Declined
        | BundleState::Failed => row.state.name(),
    };
    if json {
        let all: Vec<Value> = bundles
            .iter()
            .map(|row| {
                json!({
                    "bundle": row.bundle, "project": row.order.project, "backbone": row.backbone,
                    "candidate": row.candidate, "state": state(row), "note": row.note,
                })
            })
            .collect();
        print_json(&all)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = bundles
        .iter()
        .map(|row| {
            let project = row.order.project.to_string();
            let backbone = row.backbone.to_hex();
            let kind = if row.candidate { "candidate, " } else { "" };
            let state = format!("{kind}{}", state(row));
            vec![row.bundle.to_hex(), project, backbone, state, row.note.clone()]
        })
        .collect();
    table::print(&["model", "project", "backbone", "state", "note"], &rows)?;
    Ok(exit::DONE)
}

fn decide_model(context: &Context, digest: &str, approve: bool) -> Outcome {
    let now = context.now();
    let found = context.store.tx("decide model", |tx| {
        let bundles = tx.bundles()?;
        let mut named = bundles.iter().filter(|row| row.bundle.to_hex().starts_with(digest));
        let (Some(row), None) = (named.next(), named.next()) else { return Ok(None) };
        tx.decide(ApprovalKind::Bundle, &row.bundle, approve, now)?;
        if approve {
            tx.decide(ApprovalKind::Backbone, &row.backbone, true, now)?;
        }
        let next = match (row.state, approve) {
            // The daemon judges what is pending again on its next tick.
            (BundleState::Pending | BundleState::Ready, _) => Some(BundleState::Pending),
            // Another chance; what is missing of it, or was removed, is fetched first.
            (BundleState::Declined | BundleState::Failed, true) => Some(BundleState::Wanted),
            // Also one in use that does not load: an older one may take its place then.
            (BundleState::Wanted | BundleState::Failed, false) => Some(BundleState::Declined),
            (BundleState::Wanted, true) | (BundleState::Declined, false) => None,
        };
        if let Some(next) = next {
            tx.set_bundle_state(&row.bundle, next, "")?;
        }
        let event = decided(approve).of(row.order.project.as_str());
        tx.note(&event.with(json!({"model": row.bundle})))?;
        Ok::<_, StoreError>(Some(row.bundle))
    })?;
    let bundle = found.ok_or_else(|| {
        let text = format!("{digest} is not the beginning of one model's digest: see models list");
        Failure::text(exit::REFUSED, text)
    })?;
    let word = if approve { "approved" } else { "declined" };
    writeln!(io::stdout(), "model {bundle} {word}")?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::{Bytes, Fixed};
    use insitu_protocol::order::BundleOrder;

    use super::*;
    use crate::cli::testing;

    #[test]
    fn a_model_that_failed_is_wanted_again_when_it_is_approved_and_given_up_when_it_is_declined() {
        let (_folder, context, project) = testing::context(0);
        let bundle = Fixed([1; 32]);
        let order = BundleOrder {
            project: project.definition.name,
            manifest: Bytes(Vec::new()),
            signature: Fixed([0; 64]),
        };
        let put = context.store.tx("test", |tx| {
            tx.put_bundle(bundle, 1, &order, Fixed([2; 32]))?;
            tx.set_bundle_state(&bundle, BundleState::Failed, "too slow")
        });
        put.unwrap();
        let decide = |approve| {
            decide_model(&context, &bundle.to_hex(), approve).unwrap();
            let row = context.store.read("test", |tx| tx.bundle(&bundle)).unwrap().unwrap();
            (row.state, row.note)
        };
        assert_eq!(decide(true), (BundleState::Wanted, String::new()));
        assert_eq!(decide(false), (BundleState::Declined, String::new()));
        assert_eq!(decide(false).0, BundleState::Declined);
        assert_eq!(decide(true).0, BundleState::Wanted);
        let failed = |tx: &crate::store::Tx<'_>| {
            tx.set_bundle_state(&bundle, BundleState::Failed, "too slow")
        };
        context.store.tx("test", failed).unwrap();
        assert_eq!(decide(false).0, BundleState::Declined, "it may be the one in use");
    }
}
