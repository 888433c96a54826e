//! Stopping: one trigger, any number of waiters.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal as listen};
use tokio::sync::watch;

/// Asks everything that holds a [`Shutdown`] to stop.
#[derive(Debug)]
pub struct Trigger {
    requested: watch::Sender<bool>,
}

/// Tells that it is time to stop. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
}

/// A trigger and what it fires.
pub fn pair() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger { requested: sender }, Shutdown { requested: receiver })
}

impl Trigger {
    /// Asks to stop; asking again changes nothing. Dropping the trigger asks too.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }
}

impl Shutdown {
    /// Whether it is time to stop.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow() || self.requested.has_changed().is_err()
    }

    /// Waits until it is time to stop.
    pub async fn requested(&self) {
        // An error means that the trigger is gone: nobody is left who could want us to go on.
        drop(self.requested.clone().wait_for(|requested| *requested).await);
    }

    /// Waits for `duration`, or less when it is time to stop; tells whether to go on.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.requested() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}

/// Waits for SIGTERM or SIGINT, and tells which.
///
/// # Errors
/// When the operating system does not let the process listen.
pub async fn signal() -> std::io::Result<&'static str> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Runs a daemon until it ends: the first SIGTERM or SIGINT asks it to stop, a second signal or
/// `grace` later abandons it.
///
/// `None` when it was abandoned.
///
/// # Errors
/// When the operating system does not let the process listen to signals.
pub async fn until_signal<T, F: Future<Output = T>>(
    grace: Duration,
    daemon: impl FnOnce(Shutdown) -> F,
) -> std::io::Result<Option<T>> {
    let (trigger, shutdown) = pair();
    let mut daemon = std::pin::pin!(daemon(shutdown));
    let name = tokio::select! {
        done = &mut daemon => return Ok(Some(done)),
        name = signal() => name?,
    };
    tracing::info!(signal = name, "stopping");
    trigger.request();
    tokio::select! {
        done = &mut daemon => Ok(Some(done)),
        again = signal() => {
            tracing::warn!(signal = again?, "stopping at once");
            Ok(None)
        }
        () = tokio::time::sleep(grace) => {
            tracing::warn!(grace_s = grace.as_secs(), "not stopped in time");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_clones_hear_the_trigger() {
        let (trigger, shutdown) = pair();
        let other = shutdown.clone();
        assert!(other.sleep(Duration::from_secs(1)).await);
        assert!(!shutdown.is_requested());
        trigger.request();
        assert!(shutdown.is_requested());
        assert!(!other.sleep(Duration::from_secs(3600)).await);
        shutdown.requested().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trigger_stops_too() {
        let (trigger, shutdown) = pair();
        drop(trigger);
        assert!(shutdown.is_requested());
        shutdown.requested().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_ends_by_itself_needs_no_signal() {
        let done = until_signal(Duration::from_secs(1), |_shutdown| async { 7 }).await.unwrap();
        assert_eq!(done, Some(7));
    }
}
