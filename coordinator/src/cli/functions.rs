//! `insitu-coordinator functions`: sets of labeling functions.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use insitu_daemon::files;
use insitu_protocol::ids::{FunctionsName, ProjectName};
use insitu_protocol::order::{FUNCTIONS_BYTES_MAX, FunctionsManifest};
use jiff::Timestamp;
use serde_json::json;

use super::output::{Output, table, time};
use super::setup::open;
use crate::publish::functions;

#[derive(Debug, Subcommand)]
pub(super) enum Functions {
    /// Sign a set and tell every site of it; each site's steward decides whether it may vote
    Publish {
        /// The set (TOML), as `insitu-agent label-functions test` takes it; dictionaries inside
        file: PathBuf,
        /// The project on whose items it votes
        #[arg(long)]
        project: ProjectName,
        /// Its name, which later versions keep: a-z, 0-9 and hyphens [default: the file's]
        #[arg(long)]
        name: Option<FunctionsName>,
    },
    /// List the sets
    List {
        /// Only this project's
        #[arg(long)]
        project: Option<ProjectName>,
    },
}

pub(super) fn functions(file: &Path, command: Functions) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Functions::Publish { file, project, name } => {
            let limit = usize::try_from(FUNCTIONS_BYTES_MAX).unwrap_or(usize::MAX);
            let text = String::from_utf8(files::read(&file, limit)?)
                .with_context(|| format!("{} is not UTF-8", file.display()))?;
            let name = match name {
                Some(name) => name,
                None => file
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or_default()
                    .parse()
                    .with_context(|| {
                        format!("{} does not name the set: use --name", file.display())
                    })?,
            };
            let now = office.now_unix_s();
            let of = (&project, &name);
            let digest =
                functions::publish(&office.store, &office.registry, &office.key, of, &text, now)?;
            let text = format!("functions {name}@{digest} are published to the sites of {project}");
            Output::new(&json!({"name": name, "digest": digest, "project": project}), text)
        }
        Functions::List { project } => {
            let mut sets = office.store.read("functions", |tx| tx.functions())?;
            sets.retain(|set| project.as_ref().is_none_or(|project| *project == set.project));
            let mut shown = Vec::new();
            let mut rows: Vec<[String; 4]> = Vec::new();
            for set in &sets {
                let manifest = FunctionsManifest::decode(&set.manifest)?;
                let at = Timestamp::from_second(set.at_unix_s)?;
                shown.push(json!({
                    "name": set.name, "digest": manifest.object, "project": set.project,
                    "bytes": manifest.bytes, "published": at,
                }));
                let named = format!("{}@{}", set.name, manifest.object);
                let bytes = manifest.bytes.to_string();
                rows.push([named, set.project.to_string(), bytes, time(at)]);
            }
            Output::new(&shown, table(["functions", "project", "bytes", "published"], &rows))
        }
    }
}
