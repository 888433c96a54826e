//! What the link costs on this machine: handshakes, small echoes, uploads. Prints; asserts nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::link::client::Link;
use insitu_daemon::link::server::Limits;
use tokio::task::JoinSet;
use tokio::time::Instant;

use support::{FACTS, Federation, connector, serve};

const HANDSHAKES: u32 = 500;
const ECHOES: u32 = 20_000;
const IN_FLIGHT: u32 = 16;
const UPLOADS: u32 = 200;
const UPLOAD_BYTES: u32 = 256 * 1024;
const IDLE: u32 = 1_000;

#[tokio::main]
async fn main() {
    let federation = Federation::new("heart");
    let limits = Limits { connections_per_site_max: 4096, ..Limits::default() };
    let running = serve(&federation, limits);
    let agent = federation.agent("a");
    let connector = connector(running.address, &agent, federation.clock.clone());

    let start = Instant::now();
    for _ in 0..HANDSHAKES {
        connector.connect(FACTS).await.unwrap();
    }
    let each = start.elapsed() / HANDSHAKES;
    println!("connect (handshake of both sides and a hello): {each:?}");

    let link = Arc::new(connector.connect(FACTS).await.unwrap().0);
    let start = Instant::now();
    for _ in 0..ECHOES / 10 {
        link.hello(FACTS).await.unwrap();
    }
    println!("hello, one after another: {:?}", start.elapsed() * 10 / ECHOES);
    let took = side_by_side(&link, ECHOES, 1024).await;
    println!("1 KiB submits, {IN_FLIGHT} at once: {:.0}/s", f64::from(ECHOES) / took);
    let took = side_by_side(&link, UPLOADS, UPLOAD_BYTES).await;
    let megabytes = f64::from(UPLOADS) * f64::from(UPLOAD_BYTES) / 1e6;
    println!(
        "{} KiB submits, {IN_FLIGHT} at once: {:.0} MB/s",
        UPLOAD_BYTES / 1024,
        megabytes / took
    );

    let before = resident_bytes();
    let start = Instant::now();
    let mut links = Vec::new();
    for _ in 0..IDLE {
        links.push(connector.connect(FACTS).await.unwrap().0);
    }
    let took = start.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let each = (resident_bytes() - before) / f64::from(IDLE) / 1024.0;
    println!("{IDLE} idle connections: opened in {took:?}, {each:.0} KiB each for both sides");
}

/// Seconds for `count` submits of `length` bytes.
async fn side_by_side(link: &Arc<Link>, count: u32, length: u32) -> f64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let link = Arc::clone(link);
        tasks.spawn(async move {
            for _ in 0..count / IN_FLIGHT {
                link.submit(vec![7; length as usize]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    start.elapsed().as_secs_f64()
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}
