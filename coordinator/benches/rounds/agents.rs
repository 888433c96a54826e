//! The agents' side: polls for a round, sends its update, and waits for the next head.

use std::io::{BufRead, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::SystemClock;
use insitu_daemon::credentials::Credentials;
use insitu_daemon::link::client::{self, CallError, Connector, Link, Timeouts};
use insitu_privacy::clip::ClipShape;
use insitu_privacy::{GaussianScale, Rho};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::coarse;
use insitu_protocol::ids::{Digest, digest};
use insitu_protocol::order::{Order, RoundOrder};
use insitu_protocol::release::{Body, CHAIN_START, Release, Values, chain};
use tokio::task::JoinSet;

use super::support::FACTS;

/// One agent.
struct Agent {
    connector: Connector,
    link: Link,
    /// Number of the last order that it heard.
    after: u64,
    sequence: u64,
    previous: Digest,
    seed: u64,
}

/// `--agents ADDRESS FOLDER FIRST COUNT`: connects, says `ready`, and then for each line with a number of
/// rounds plays a run of them and says how many processor seconds and bytes they took.
pub(super) fn main(arguments: &[String]) {
    let [address, folder, first, count] = arguments else { panic!("{arguments:?}") };
    let (first, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    // One thread: the processor time of the process is that of its agents.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut agents = runtime.block_on(connect(address, Path::new(folder), first..first + count));
    let mut out = std::io::stdout();
    writeln!(out, "ready").unwrap();
    for line in std::io::stdin().lock().lines() {
        let rounds: u32 = line.unwrap().parse().unwrap();
        let before = processor_seconds();
        let patience = Duration::from_millis(if count > 100 { 200 } else { 2 });
        let (played, bytes) = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for agent in agents.drain(..) {
                tasks.spawn(play(agent, rounds, patience));
            }
            let played = tasks.join_all().await;
            let bytes = played.iter().map(|(_, bytes)| *bytes).max().unwrap();
            (played, bytes)
        });
        agents = played.into_iter().map(|(agent, _)| agent).collect();
        writeln!(out, "{} {bytes}", processor_seconds() - before).unwrap();
    }
}

async fn connect(address: &str, folder: &Path, seeds: Range<u64>) -> Vec<Agent> {
    let mut agents = Vec::new();
    for seed in seeds {
        let credentials = Credentials::load(&folder.join(format!("{seed}.pem"))).unwrap();
        let clock = Arc::new(SystemClock);
        let timeouts = Timeouts::default();
        // Each has a socket of its own, as agents on machines of their own have.
        let endpoint = client::endpoint().unwrap();
        let connector = Connector::new(endpoint, address, &credentials, clock, timeouts).unwrap();
        let (link, _) = connector.connect(FACTS).await.unwrap();
        agents.push(Agent { connector, link, after: 0, sequence: 0, previous: CHAIN_START, seed });
    }
    agents
}

/// Takes part in so many rounds; the bytes of one update.
async fn play(mut agent: Agent, rounds: u32, patience: Duration) -> (Agent, usize) {
    let mut bytes = 0;
    for _ in 0..rounds {
        let (order, coarse) = agent.round(patience).await;
        bytes = agent.answer(&order, coarse).await;
    }
    agent.result(patience).await;
    (agent, bytes)
}

impl Agent {
    async fn round(&mut self, patience: Duration) -> (RoundOrder, bool) {
        loop {
            let order = self.order(patience).await;
            let coarse = matches!(order, Order::CoarseRound(_));
            if let Order::Round(order) | Order::CoarseRound(order) = order {
                return (order, coarse);
            }
        }
    }

    /// The run has ended when its bundle is there.
    async fn result(&mut self, patience: Duration) {
        while !matches!(self.order(patience).await, Order::Bundle(_)) {}
    }

    async fn order(&mut self, patience: Duration) -> Order {
        loop {
            match self.link.poll(self.after).await {
                Ok(orders) => {
                    if let Some(first) = orders.into_iter().next() {
                        self.after = first.number;
                        return first.order;
                    }
                    tokio::time::sleep(patience).await;
                }
                Err(error) => self.recover(error).await,
            }
        }
    }

    /// Does what an agent does after a failure that is not for good: waits, and connects anew.
    async fn recover(&mut self, error: CallError) {
        assert!(error.is_transient(), "{error:?}");
        tokio::time::sleep(Duration::from_millis(500 + 250 * (self.seed % 4))).await;
        if !matches!(error, CallError::Refused { .. })
            && let Ok((link, _)) = self.connector.connect(FACTS).await
        {
            self.link = link;
        }
    }

    /// Sends an update, noised elsewhere: numbers of the size that noise has.
    async fn answer(&mut self, order: &RoundOrder, coarse: bool) -> usize {
        let count = usize::from(order.classes) * usize::try_from(order.features).unwrap();
        let mut state = self.seed * 1000 + u64::from(order.round);
        let values: Vec<i32> = (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                i32::try_from(state >> 53).unwrap() - 1024
            })
            .collect();
        let (run, round) = (order.run, order.round);
        let (body, values) = if coarse {
            let (shift, values) = coarse::coarsen(&values);
            (Body::CoarseUpdate { run, round, shift }, values)
        } else {
            (Body::Update { run, round }, Values(values))
        };
        let clip = f64::from(order.clip_milli) / 1000.0;
        let clip = ClipShape::new(count, clip, order.fraction_bits.into()).unwrap();
        let price = Rho::from_nano(order.nano_rho);
        let scale = GaussianScale::for_budget(clip.sensitivity(), price).unwrap();
        let mut id = [0; 16];
        id.copy_from_slice(&digest(format!("{} {run} {round}", self.seed).as_bytes()).0[..16]);
        self.sequence += 1;
        let release = Release {
            id: Fixed(id),
            sequence: self.sequence,
            previous: self.previous,
            project: order.project.clone(),
            project_version: 1,
            body,
            nano_rho: order.nano_rho,
            scale_1024: scale.steps(),
            values,
        };
        let bytes = release.encode().unwrap();
        self.previous = chain(&bytes);
        let sent = bytes.len();
        while let Err(error) = self.link.submit(bytes.clone()).await {
            self.recover(error).await;
        }
        sent
    }
}

/// Processor time of this process so far, from Linux's scheduler.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.map(|task| {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat"));
        text.ok().and_then(|text| text.split(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0)
    });
    nanoseconds.sum::<f64>() * 1e-9
}
