//! The daemon's side of watched folders: it looks, now and then.

use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::shutdown::Shutdown;

use super::{RunError, Shared};
use crate::import::watch::{LookError, Looked, Watcher};
use crate::store::explain;

/// Pause between two looks: a file is imported when it has not changed for so long.
const LOOK: Duration = Duration::from_secs(5);
/// Pause after a look that failed.
const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Looks again and again. Whatever fails is tried again.
pub(super) async fn look(
    shared: Arc<Shared>,
    mut watcher: Watcher,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let mut pause = LOOK;
    while shutdown.sleep(pause).await {
        let worker = Arc::clone(&shared);
        let outcome: Result<Looked, LookError>;
        (watcher, outcome) = tokio::task::spawn_blocking(move || {
            let now = worker.agent.clock.now().as_second();
            let outcome = watcher.look(&worker.agent.store, now);
            (watcher, outcome)
        })
        .await?;
        let project = watcher.project();
        pause = LOOK;
        match outcome {
            Ok(looked) if looked == Looked::default() => {}
            Ok(Looked { imported, bad, stuck }) => {
                tracing::info!(%project, imported, bad, stuck, "watched files");
            }
            Err(error) => {
                tracing::warn!(%project, reason = explain(&error), "cannot look at watched files");
                metrics::counter!("insitu_agent_watch_failures_total").increment(1);
                pause = LOOK_AFTER_FAILURE;
            }
        }
    }
    Ok(())
}
