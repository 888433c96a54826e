//! The architecture as a test: which crate may depend on which, and in which order the modules of
//! the two programs may use one another. Data goes round the loop; `use` goes down the list only.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use insitu_tests::sources;

/// The agent's modules in the order in which data meets them.
const AGENT: &[&str] = &[
    "config",
    "store",
    "item",
    "label",
    "source",
    "redact",
    "prelabel",
    "route",
    "account",
    "review",
    "acceptance",
    "quality",
    "edge",
    "export",
    "label_studio",
    "tally",
    "learn",
    "release",
    "outbox",
    "session",
    "uplink",
    "downlink",
    "polite",
    "pipeline",
    "import",
    "trail",
    "erasure",
    "retention",
    "status",
    "plan",
    "audit",
    "run",
    "cli",
    "main",
];

/// The coordinator's.
const COORDINATOR: &[&str] = &[
    "config",
    "store",
    "session",
    "intake",
    "ledger",
    "round",
    "aggregate",
    "agreement",
    "evaluation",
    "drift",
    "campaign",
    "registry",
    "publish",
    "mlflow",
    "downlink",
    "jobs",
    "api",
    "cli",
    "main",
];

/// Each crate of the workspace and the crates of the workspace it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("core/protocol", &[]),
    ("core/measure", &[]),
    ("core/privacy", &[]),
    ("core/daemon", &["insitu-protocol"]),
    ("models", &["insitu-protocol", "insitu-measure", "insitu-privacy"]),
    (
        "agent",
        &[
            "insitu-protocol",
            "insitu-measure",
            "insitu-privacy",
            "insitu-models",
            "insitu-daemon",
            "insitu-dicom",
        ],
    ),
    ("agent/dicom", &[]),
    (
        "coordinator",
        &["insitu-protocol", "insitu-measure", "insitu-privacy", "insitu-models", "insitu-daemon"],
    ),
];

#[test]
fn crates_depend_downwards_only() {
    for (folder, allowed) in CRATES {
        let manifest = fs::read_to_string(sources::root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies.keys().filter(|name| name.starts_with("insitu-")) {
            assert!(allowed.contains(&name.as_str()), "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn the_coordinator_links_no_inference_engine() {
    let manifest = fs::read_to_string(sources::root().join("coordinator/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let models = &manifest["dependencies"]["insitu-models"];
    assert_eq!(models.get("default-features").and_then(toml::Value::as_bool), Some(false));
    assert!(models.get("features").is_none());
}

#[test]
fn agent_modules_use_downwards_only() {
    check_order("agent", AGENT);
}

#[test]
fn coordinator_modules_use_downwards_only() {
    check_order("coordinator", COORDINATOR);
}

#[test]
fn a_use_against_the_order_is_seen() {
    let order = ["config", "store", "item"];
    assert_eq!(uses_of("use crate::store::Store;\nlet x = crate::item::new();"), ["store", "item"]);
    assert_eq!(uses_of("use crate::{config::Config, item};"), ["config", "item"]);
    assert!(violation(&order, "config", "store"));
    assert!(!violation(&order, "item", "store"));
    assert!(!violation(&order, "item", "item"));
}

fn check_order(program: &str, order: &[&str]) {
    let source = sources::root().join(program).join("src");
    let files = sources::rust_files(&source);
    assert!(files.len() > order.len() / 2, "no sources under {}", source.display());
    let mut wrong = BTreeSet::new();
    for file in &files {
        let module = module_of(&source, file);
        if matches!(module.as_str(), "lib" | "tests" | "testing") {
            continue; // what ties the modules together, and what only their tests use
        }
        assert!(
            order.contains(&module.as_str()),
            "{program} has a module {module} without a place"
        );
        let text = sources::without_tests(&fs::read_to_string(file).unwrap());
        for used in uses_of(&text) {
            if order.contains(&used.as_str()) && violation(order, &module, &used) {
                wrong.insert(format!(
                    "{} uses {used}",
                    file.strip_prefix(&source).unwrap().display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{program}: against the order of modules: {wrong:#?}");
}

fn violation(order: &[&str], module: &str, used: &str) -> bool {
    let place = |name: &str| order.iter().position(|known| *known == name);
    place(used) > place(module)
}

/// The top-level module that a file belongs to.
fn module_of(source: &Path, file: &Path) -> String {
    let relative: PathBuf = file.strip_prefix(source).unwrap().to_owned();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Top-level modules of its own crate that a text names, in order.
fn uses_of(text: &str) -> Vec<String> {
    let mut uses = Vec::new();
    for (index, _) in text.match_indices("crate::") {
        let before = text[..index].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[index + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => uses.extend(top_of_group(group)),
            None => uses.push(identifier(rest)),
        }
    }
    uses
}

/// The first identifier of each entry of a `use crate::{…}` group.
fn top_of_group(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![identifier(group.trim_start())];
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(identifier(group[index + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
