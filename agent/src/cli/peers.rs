//! The other sites, by the keys with which they sign in sums over sites.

use std::io::{self, Write};

use clap::Subcommand;
use insitu_daemon::exit;
use insitu_protocol::ids::{AgentName, SiteName};
use serde_json::{Value, json};

use super::arguments::Json;
use super::{Context, Failure, Outcome, print_json, table, when};
use crate::store::StoreError;
use crate::store::trail::{Event, What};

#[derive(Debug, Subcommand)]
pub(super) enum PeersCommand {
    /// Every key that was seen, and whether it is trusted
    List(Json),
    /// Trust a key: compare it with what that site says first
    Approve {
        /// SITE/AGENT
        peer: String,
        /// The key, or its beginning; may be left out while the agent has one only
        #[arg(long)]
        key: Option<String>,
    },
    /// Forget keys: the next session that names these agents meets them for the first time
    Forget {
        /// SITE/AGENT; an approved key goes too
        #[arg(required_unless_present = "unapproved", conflicts_with = "unapproved")]
        peer: Option<String>,
        /// Every key that nobody has approved
        #[arg(long)]
        unapproved: bool,
    },
}

pub(super) fn peers(context: &Context, command: &PeersCommand) -> Outcome {
    match command {
        PeersCommand::List(format) => list(context, format.json),
        PeersCommand::Approve { peer, key } => approve(context, peer, key.as_deref()),
        PeersCommand::Forget { peer, .. } => forget(context, peer.as_deref()),
    }
}

fn list(context: &Context, json: bool) -> Outcome {
    let (own, peers) = context
        .store
        .tx("peers", |tx| Ok::<_, StoreError>((crate::session::verify_key(tx)?, tx.peers()?)))?;
    if json {
        let all: Vec<Value> = peers
            .iter()
            .map(|row| {
                json!({
                    "site": row.member.site, "agent": row.member.agent,
                    "key": row.member.verify_key, "state": row.state.name(),
                    "first_seen": when(row.first_seen),
                })
            })
            .collect();
        print_json(&json!({ "own_key": own, "peers": all }))?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = peers
        .iter()
        .map(|row| {
            let peer = format!("{}/{}", row.member.site, row.member.agent);
            let key = row.member.verify_key.to_hex();
            vec![peer, key, row.state.name().to_owned(), when(row.first_seen)]
        })
        .collect();
    writeln!(io::stdout(), "this agent's own key: {own}")?;
    table::print(&["peer", "key", "state", "first seen"], &rows)?;
    Ok(exit::DONE)
}

fn approve(context: &Context, peer: &str, key: Option<&str>) -> Outcome {
    let unknown = || unknown(peer);
    let (site, agent) = names(peer).ok_or_else(unknown)?;
    let approved = context.store.tx("approve peer", |tx| {
        let keys = tx.keys_of_peer(&site, &agent)?;
        let begins = |hex: String| key.is_none_or(|key| hex.starts_with(key));
        let mut named = keys.iter().filter(|row| begins(row.member.verify_key.to_hex()));
        let (Some(row), None) = (named.next(), named.next()) else { return Ok(None) };
        tx.approve_peer(&row.member)?;
        let key = row.member.verify_key;
        tx.note(&Event::new(What::Approved).with(json!({"peer": peer, "key": key})))?;
        Ok::<_, StoreError>(Some(row.member.verify_key))
    })?;
    let key = approved.ok_or_else(unknown)?;
    writeln!(io::stdout(), "{peer} approved with key {key}")?;
    Ok(exit::DONE)
}

/// Forgets the keys of one agent, or all that nobody has approved.
fn forget(context: &Context, peer: Option<&str>) -> Outcome {
    let named = peer.map(|peer| names(peer).ok_or_else(|| unknown(peer))).transpose()?;
    let forgotten = context.store.tx("forget peers", |tx| {
        let forgotten = match &named {
            Some((site, agent)) => tx.forget_peer(site, agent)?,
            None => tx.forget_unapproved_peers()?,
        };
        if forgotten > 0 {
            let noted = json!({"peer": peer, "forgotten": forgotten});
            tx.note(&Event::new(What::Declined).with(noted))?;
        }
        Ok::<_, StoreError>(forgotten)
    })?;
    if let (Some(peer), 0) = (peer, forgotten) {
        return Err(unknown(peer));
    }
    writeln!(io::stdout(), "{forgotten} keys forgotten")?;
    Ok(exit::DONE)
}

fn names(peer: &str) -> Option<(SiteName, AgentName)> {
    let (site, agent) = peer.split_once('/')?;
    Some((site.parse().ok()?, agent.parse().ok()?))
}

fn unknown(peer: &str) -> Failure {
    let text = format!("{peer} is not one known key of SITE/AGENT: see peers list");
    Failure::text(exit::REFUSED, text)
}
