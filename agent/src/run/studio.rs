//! The daemon's side of a Label Studio: it is asked, now and then, what it has not told.

use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::shutdown::Shutdown;

use super::{RunError, Shared};
use crate::label_studio::compare::{Compared, compare};
use crate::label_studio::{self, Studio};
use crate::store::explain;

/// Pause before the first time, and after one that failed: Label Studio may be starting, too.
const PAUSE: Duration = Duration::from_secs(15);

/// Between two looks for tasks whose files are to be fetched.
const LOOK: Duration = Duration::from_secs(1);

/// Fetches the files of tasks again and again, so that nothing else waits for Label Studio.
pub(super) async fn fetch(
    shared: Arc<Shared>,
    studio: Studio,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let mut pause = LOOK;
    while shutdown.sleep(pause).await {
        let (shared, asked) = (Arc::clone(&shared), studio.clone());
        let outcome = tokio::task::spawn_blocking(move || {
            let (store, now) = (&shared.agent.store, shared.agent.clock.now().as_second());
            let project = store.read("project", |tx| tx.project(&asked.source.name))?;
            project.map_or(Ok(false), |project| label_studio::fetch(store, &project, &asked, now))
        })
        .await?;
        pause = match outcome {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK,
            Err(error) => {
                let project = &studio.source.name;
                tracing::warn!(%project, reason = explain(&error), "cannot fetch tasks' files");
                metrics::counter!("insitu_agent_studio_fetch_failures_total").increment(1);
                PAUSE
            }
        };
    }
    Ok(())
}

/// Compares again and again. Whatever fails is tried again: labeling goes on without it.
pub(super) async fn talk(
    shared: Arc<Shared>,
    studio: Studio,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let mut pause = PAUSE.min(studio.settings.compare);
    while shutdown.sleep(pause).await {
        let (shared, asked) = (Arc::clone(&shared), studio.clone());
        let outcome = tokio::task::spawn_blocking(move || {
            let (store, now) = (&shared.agent.store, shared.agent.clock.now().as_second());
            let project = store.read("project", |tx| tx.project(&asked.source.name))?;
            project.map(|project| compare(store, &project, &asked, now)).transpose()
        })
        .await?;
        pause = studio.settings.compare;
        let project = &studio.source.name;
        match outcome {
            Ok(Some(Compared { missed: 0, brought: 0, .. }) | None) => {}
            Ok(Some(Compared { tasks, missed, brought })) => {
                tracing::info!(%project, tasks, missed, brought, "compared with Label Studio");
            }
            Err(error) => {
                tracing::warn!(%project, reason = explain(&error), "cannot compare with Label Studio");
                metrics::counter!("insitu_agent_studio_compare_failures_total").increment(1);
                pause = pause.min(PAUSE);
            }
        }
    }
    Ok(())
}
