//! Time for a program without a runtime: pauses, deadlines, a stopwatch.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often [`until`] looks again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits.
#[expect(clippy::disallowed_methods, reason = "this program has threads and no runtime to block")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// A moment to measure from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "the demonstration reports real seconds")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A moment to be done by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    start: Stopwatch,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { start: Stopwatch::start(), limit }
    }

    /// Whether it is over.
    pub(crate) fn passed(self) -> bool {
        self.start.seconds() > self.limit.as_secs_f64()
    }
}

/// Looks again and again until `look` finds something.
///
/// # Errors
/// What `look` fails with, or when nothing is found within `limit`: says what was waited for.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if deadline.passed() {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        pause(LOOK_EVERY);
    }
}
