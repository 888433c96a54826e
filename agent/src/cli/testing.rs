//! What tests of commands on the site's own store need.

use std::sync::Arc;

use insitu_daemon::clock::SystemClock;

use super::Context;
use crate::config::Config;
use crate::store::Store;
use crate::store::orders::ProjectRow;
use crate::testing;

/// A site with a project, and items that wait for a prelabel.
pub(super) fn context(items: u32) -> (tempfile::TempDir, Context, ProjectRow) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, "site = \"a\"\n").unwrap();
    let config = Config::read(&path).unwrap();
    std::fs::create_dir(&config.data).unwrap();
    let store = Store::open(&config.data).unwrap();
    let row = testing::put(&store, &testing::project());
    testing::add_items(&store, &row, 0..items, items);
    let limits = config.policy.limits().unwrap();
    (folder, Context { config, limits, store, clock: Arc::new(SystemClock) }, row)
}
