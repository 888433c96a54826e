//! What waits for somebody's decision or help at the site, in words, with what to do.

use super::ProjectStatus;
use crate::config::{Config, Source};
use crate::outbox;
use crate::redact::{Settings, SettingsError};
use crate::review;
use crate::store::campaigns::CampaignState;
use crate::store::orders::{BundleState, ProjectRow};
use crate::store::peers::{PeerRow, PeerState};
use crate::store::{StoreError, Tx, explain};

/// What waits for the steward, or for an operator, with what to do.
///
/// # Errors
/// [`StoreError`].
pub(super) fn pending(
    tx: &Tx<'_>,
    config: &Config,
    enrolled: bool,
    projects: &[ProjectStatus],
    now: i64,
) -> Result<Vec<String>, StoreError> {
    let mut pending = unfit_reviews(tx, config)?;
    if !enrolled && config.coordinator.address.is_some() {
        pending.push("not enrolled: insitu-agent enroll --token-file FILE".to_owned());
    }
    if let Err(error) = outbox::check(tx) {
        pending.push(error.to_string());
    }
    pending.extend(pending_models(tx)?);
    pending.extend(pending_functions(tx)?);
    for source in &config.projects {
        if let Err(error) = redaction(source) {
            pending.push(format!(
                "items of {} wait until its redaction settings are right: {}",
                source.name,
                explain(&error)
            ));
        }
    }
    for row in tx.projects()? {
        let vacant = review::vacancies(tx, &row, now)?;
        pending.extend(vacant.iter().map(|it| format!("{it}; {}", it.remedy())));
    }
    for project in projects {
        let ProjectStatus { name, quarantined, contexts_withheld, acceptance, watched, .. } =
            project;
        pending.extend(acceptance.pending(name));
        pending.extend(watched.iter().flat_map(|watched| watched.pending(name)));
        if *quarantined > 0 {
            pending.push(format!(
                "{quarantined} items of {name} could not be redacted: insitu-agent quarantine \
                 --project {name}"
            ));
        }
        if *contexts_withheld > 0 {
            pending.push(format!(
                "{contexts_withheld} contexts of corrections of {name} could not be redacted: \
                 insitu-agent quarantine --project {name}"
            ));
        }
    }
    for PeerRow { member, state, .. } in tx.peers()? {
        if state == PeerState::Changed {
            pending.push(format!(
                "{0}/{1} has another key than before: ask that site, then insitu-agent peers \
                 approve {0}/{1} --key {2}",
                member.site, member.agent, member.verify_key
            ));
        }
    }
    for row in tx.campaigns()? {
        if row.state == CampaignState::Proposed {
            pending.push(format!(
                "campaign {:?}: insitu-agent campaigns approve {}",
                row.order.title.as_str(),
                row.order.campaign
            ));
        }
    }
    Ok(pending)
}

fn pending_models(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut pending = Vec::new();
    for row in tx.bundles()? {
        match row.state {
            BundleState::Pending => pending.push(format!(
                "model {}: {}; insitu-agent models approve {}",
                row.bundle, row.note, row.bundle
            )),
            BundleState::Failed => pending.push(format!(
                "model {} is not used: {}; insitu-agent models approve {} for another try",
                row.bundle, row.note, row.bundle
            )),
            BundleState::Ready if !row.note.is_empty() => pending.push(format!(
                "model {} is not used yet: {}; it is tried again by itself",
                row.bundle, row.note
            )),
            BundleState::Wanted if !row.note.is_empty() => {
                let end = if row.candidate { "evaluated" } else { "used" };
                pending.push(format!("model {} is not {end}: {}", row.bundle, row.note));
            }
            BundleState::Wanted | BundleState::Ready | BundleState::Declined => {}
        }
    }
    Ok(pending)
}

fn pending_functions(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut pending = Vec::new();
    for row in tx.functions()? {
        let set = format!("{}@{}", row.manifest.name, row.manifest.object);
        match row.state {
            BundleState::Pending => pending.push(format!(
                "labeling functions {set}: {}; insitu-agent label-functions approve {set}",
                row.note
            )),
            BundleState::Failed => {
                pending.push(format!("labeling functions {set} are not used: {}", row.note));
            }
            BundleState::Wanted | BundleState::Ready | BundleState::Declined => {}
        }
    }
    Ok(pending)
}

/// Whether a project's redaction settings can be used.
fn redaction(source: &Source) -> Result<(), SettingsError> {
    source
        .redaction
        .as_ref()
        .map_or(Ok(()), |file| Settings::read(file).and_then(Settings::for_items).map(drop))
}

/// Why projects' stages of review are not those of the configuration, where they cannot be.
fn unfit_reviews(tx: &Tx<'_>, config: &Config) -> Result<Vec<String>, StoreError> {
    let unfit = |row: &ProjectRow| {
        let name = &row.definition.name;
        let error = review::stages(&row.definition, config.source(name)?.review.as_ref()).err()?;
        Some(format!("the stages of review of {name} stay as they were: {error}; mend agent.toml"))
    };
    Ok(tx.projects()?.iter().filter_map(unfit).collect())
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;
    use insitu_protocol::order::FunctionsManifest;

    use super::*;
    use crate::status::Status;
    use crate::store::functions::FunctionsRow;
    use crate::store::tests::scratch;

    #[test]
    fn labeling_functions_wait_for_the_steward_until_the_decision() {
        let scratch = scratch();
        let path = scratch.folder.path().join("agent.toml");
        std::fs::write(&path, "site = \"a\"\n").unwrap();
        let config = Config::read(&path).unwrap();
        let limits = config.policy.limits().unwrap();
        let row = FunctionsRow {
            digest: Fixed([1; 32]),
            manifest: FunctionsManifest {
                project: "heart".parse().unwrap(),
                name: "rules".parse().unwrap(),
                object: Fixed([2; 32]),
                bytes: 9,
            },
            signature: Fixed([0; 64]),
            state: BundleState::Wanted,
            note: String::new(),
        };
        scratch.store.tx("test", |tx| tx.put_functions(&row, 1)).unwrap();
        let pending = |state| {
            let set = |tx: &Tx<'_>| tx.set_functions_state(&row.digest, state, "why");
            scratch.store.tx("test", set).unwrap();
            Status::read(&scratch.store, &config, &limits, false, 10).unwrap().pending
        };
        assert!(pending(BundleState::Wanted).is_empty());
        let set = format!("rules@{}", row.manifest.object);
        let approve =
            format!("labeling functions {set}: why; insitu-agent label-functions approve {set}");
        assert_eq!(pending(BundleState::Pending), [approve]);
        assert!(pending(BundleState::Ready).is_empty());
        let failed = format!("labeling functions {set} are not used: why");
        assert_eq!(pending(BundleState::Failed), [failed]);
    }
}
