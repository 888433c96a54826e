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
}

pub(super) fn peers(context: &Context, command: &PeersCommand) -> Outcome {
    match command {
        PeersCommand::List(format) => list(context, format.json),
        PeersCommand::Approve { peer, key } => approve(context, peer, key.as_deref()),
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
    let unknown = || {
        let text = format!("{peer} is not one known key of SITE/AGENT: see peers list");
        Failure::text(exit::REFUSED, text)
    };
    let (site, agent) = peer.split_once('/').ok_or_else(unknown)?;
    let (Ok(site), Ok(agent)) = (site.parse::<SiteName>(), agent.parse::<AgentName>()) else {
        return Err(unknown());
    };
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
