//! The way out: connects, says hello, sends what the outbox holds, renews the certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::Clock;
use insitu_daemon::credentials::{Credentials, CredentialsError};
use insitu_daemon::link::client::{CallError, Connector, Link, RenewError, Timeouts, renew};
use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::response::{HelloAnswer, Refusal};
use jiff::Timestamp;
use quinn::Endpoint;

use crate::outbox::{self, OutboxError};
use crate::store::ledger::Entry;
use crate::store::{Store, StoreError};

/// Certificate and key in the data folder.
const CREDENTIALS_FILE: &str = "agent.pem";
/// The key of an enrollment that has not ended yet.
const JOINING_FILE: &str = "joining.key";
/// The federation's bundle key in the data folder, hexadecimal.
const BUNDLE_KEY_FILE: &str = "bundle-key";
/// First and longest wait between attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// A clock that differs from the coordinator's by more than this is worth a warning.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// Where membership is kept.
#[derive(Clone, Debug)]
pub struct Membership {
    data: PathBuf,
}

/// Why the link does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UplinkError {
    /// The call failed.
    #[error("the coordinator cannot be reached, or refused")]
    Call(#[from] CallError),
    /// Membership is not usable.
    #[error("the agent's membership is not usable")]
    Credentials(#[from] CredentialsError),
    /// The certificate was not renewed.
    #[error("the certificate was not renewed")]
    Renew(#[from] RenewError),
    /// The outbox refuses.
    #[error("the outbox stops")]
    Outbox(#[from] OutboxError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Membership {
    /// In this data folder.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Certificate and key.
    pub fn credentials_file(&self) -> PathBuf {
        self.data.join(CREDENTIALS_FILE)
    }

    /// The key of an enrollment that has not ended yet.
    pub fn joining_file(&self) -> PathBuf {
        self.data.join(JOINING_FILE)
    }

    /// The federation's bundle key.
    pub fn bundle_key_file(&self) -> PathBuf {
        self.data.join(BUNDLE_KEY_FILE)
    }

    /// The credentials; `None` before enrollment.
    ///
    /// # Errors
    /// [`CredentialsError`] for a file that is there and not usable.
    pub fn credentials(&self) -> Result<Option<Credentials>, CredentialsError> {
        let file = self.credentials_file();
        if file.exists() { Credentials::load(&file).map(Some) } else { Ok(None) }
    }
}

/// Grows from attempt to attempt, with jitter so that a fleet does not come back at once.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// How long to wait before the next attempt: half fixed, half random.
    pub fn wait(&mut self) -> Duration {
        let (first, longest) = BACKOFF;
        let full = first.saturating_mul(1 << self.attempts.min(16)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        let mut random = [0; 4];
        if getrandom::fill(&mut random).is_err() {
            return full; // without randomness the wait is just not spread
        }
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        full.mul_f64(0.5 + 0.5 * share)
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Connects and says hello, and compares what the coordinator has with the ledger.
///
/// # Errors
/// [`UplinkError`].
pub async fn connect(
    endpoint: &Endpoint,
    address: &str,
    credentials: &Credentials,
    clock: &Arc<dyn Clock>,
    facts: DeviceFacts,
    store: &Store,
) -> Result<Link, UplinkError> {
    let connector = Connector::new(
        endpoint.clone(),
        address,
        credentials,
        Arc::clone(clock),
        Timeouts::default(),
    )?;
    let (link, answer) = connector.connect(facts).await?;
    hear(&answer, store, clock.now())?;
    Ok(link)
}

/// Reports the machine, and compares what the coordinator has with the ledger.
///
/// # Errors
/// [`UplinkError`].
pub async fn heartbeat(
    link: &Link,
    facts: DeviceFacts,
    store: &Store,
    clock: &dyn Clock,
) -> Result<(), UplinkError> {
    let answer = link.hello(facts).await?;
    Ok(hear(&answer, store, clock.now())?)
}

fn hear(answer: &HelloAnswer, store: &Store, now: Timestamp) -> Result<(), OutboxError> {
    let skew = answer.now_unix_s.saturating_sub(now.as_second());
    if skew.saturating_abs() > CLOCK_SKEW_SECONDS {
        tracing::warn!(skew_seconds = skew, "this machine's clock differs from the coordinator's");
    }
    store.tx("reconcile", |tx| {
        outbox::reconcile(tx, answer.acknowledged.as_ref(), now.as_second())?;
        outbox::compare_clocks(tx, skew)?;
        // Said once on each contact: nothing is released until an operator has acted.
        if let Err(error) = outbox::check(tx) {
            tracing::error!(error = %error, "releases are stopped");
        }
        Ok(())
    })
}

/// Sends queued releases in the order of the chain until none is left; how many were taken.
///
/// # Errors
/// [`UplinkError::Call`] when the link fails: the same bytes go out again later.
/// [`UplinkError::Outbox`] when this store is an old copy.
pub async fn send_queued(
    link: &Link,
    store: &Store,
    clock: &dyn Clock,
) -> Result<u64, UplinkError> {
    let mut taken = 0;
    loop {
        let now = clock.now().as_second();
        let Some((entry, bytes)) = next_to_send(store, now)? else { return Ok(taken) };
        let sent = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        metrics::counter!("insitu_agent_bytes_sent_total").increment(sent);
        match link.submit(bytes).await {
            Ok(receipt) => {
                let now = clock.now().as_second();
                store.tx("receipt", |tx| outbox::reconcile(tx, Some(&receipt), now))?;
                taken += 1;
            }
            Err(CallError::Refused { source: Refusal::Chain { expected, got } }) => {
                tracing::warn!(expected, got, "the coordinator expects another release");
                store.tx("chain refused", |tx| {
                    if expected > got {
                        // It has another release in this place: two copies of one store.
                        return outbox::diverged(tx, expected.saturating_sub(1));
                    }
                    Ok(tx.send_again_from(expected)?)
                })?;
                return Ok(taken);
            }
            Err(CallError::Refused { source }) if !source.is_transient() => {
                tracing::error!(sequence = entry.sequence, reason = %source, "release refused");
                store.tx("refused", |tx| tx.mark_refused(entry.sequence, &source.to_string()))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The next release to go out, with its bytes, once the witness knows of it and it is noted as sent.
pub(crate) fn next_to_send(
    store: &Store,
    now: i64,
) -> Result<Option<(Entry, Vec<u8>)>, OutboxError> {
    store.alone("send", |tx| {
        outbox::attest(tx)?;
        let next = tx.next_queued()?;
        if let Some((entry, _)) = &next {
            tx.mark_sent(entry.sequence, now)?;
        }
        Ok(next)
    })
}

/// Renews the certificate when two thirds of its life are over; `true` when it did, and the caller
/// should connect anew.
///
/// # Errors
/// [`UplinkError::Renew`]; the old certificate is good until it expires.
pub async fn renew_if_due(
    link: &Link,
    credentials: &Credentials,
    membership: &Membership,
    clock: &dyn Clock,
) -> Result<bool, UplinkError> {
    if clock.now() < credentials.renew_at() {
        return Ok(false);
    }
    renew(link, credentials, &membership.credentials_file(), clock).await?;
    tracing::info!("certificate renewed");
    Ok(true)
}

/// Time until the next multiple of `slot` since the Unix epoch.
pub fn until_slot(slot: Duration, clock: &dyn Clock) -> Duration {
    let slot_ns = slot.as_nanos().max(1);
    let now_ns = u128::try_from(clock.now().as_nanosecond()).unwrap_or(0);
    let left = slot_ns - now_ns % slot_ns;
    Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_limit_and_starts_again() {
        let mut backoff = Backoff::default();
        let mut longest = Duration::ZERO;
        for attempt in 0..40 {
            let wait = backoff.wait();
            let full = BACKOFF.0.saturating_mul(1 << attempt.min(16)).min(BACKOFF.1);
            assert!(wait >= full / 2 && wait <= full, "attempt {attempt}: {wait:?}");
            longest = longest.max(wait);
        }
        assert!(longest > Duration::from_secs(30));
        backoff.reset();
        assert!(backoff.wait() <= BACKOFF.0);
    }
}
