//! What the two programs cost while they wait: time to ready, memory, size. What training rounds
//! cost the agent, what drafting leaves of the engine's speed, and what a whole demonstration
//! costs. Prints each figure beside its bar.
//!
//! `cargo bench -p insitu-local --bench footprint`; for the sizes of the two programs themselves,
//! `cargo build --release -p insitu-agent -p insitu-coordinator` first; the rounds then are that agent's.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "a benchmark of real processes runs in real time")]

mod drafts;
mod federation;
mod round;
#[path = "../../../../models/tests/tiny/parts.rs"]
mod tiny;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_insitu-local");
/// Starts of each daemon; the median is printed.
const STARTS: usize = 9;
/// A daemon is idle once it has been ready for this long.
const IDLE_AFTER: Duration = Duration::from_secs(2);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let coordinator = folder.path().join("coordinator");
    let (_, http) = found_coordinator(&coordinator);
    daemon("coordinator", &coordinator.join("coordinator.toml"), "serve", &http, None);

    let agent = folder.path().join("agent");
    let api = free_address();
    run(&["agent", "init", "--dir", text(&agent), "--site", "bench", "--listen", &api]);
    daemon("agent", &agent.join("agent.toml"), "run", &api, Some((300.0, 20.0)));

    for (name, bar) in [("insitu-agent", 40.0), ("insitu-coordinator", 40.0)] {
        let path = Path::new(PROGRAM).with_file_name(name);
        match fs::metadata(&path) {
            Ok(file) => println!("{name}: {:.1} MB stripped (bar {bar})", file.len() as f64 / 1e6),
            Err(_) => println!("{name}: not built"),
        }
    }
    round::main(folder.path());
    let drafts = folder.path().join("drafts");
    fs::create_dir(&drafts).unwrap();
    drafts::main(&drafts);
    demonstration();
}

/// Sets a coordinator up in a folder, and says where it is to listen for agents and for people.
fn found_coordinator(folder: &Path) -> (String, String) {
    let link = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let http = free_address();
    run(&[
        "coordinator",
        "init",
        "--dir",
        text(folder),
        "--federation",
        "bench",
        "--listen",
        &link,
        "--http",
        &http,
    ]);
    (link, http)
}

/// Where nobody listens yet.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A process that ends with its value, whatever becomes of the benchmark.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a daemon several times, and lets the last one idle.
fn daemon(program: &str, config: &Path, command: &str, address: &str, bars: Option<(f64, f64)>) {
    let mut times = Vec::new();
    for start in 0..STARTS {
        let begin = Instant::now();
        let child = Killed(spawn(&[program, "--config", text(config), command]));
        while !ready(address) {
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        if start + 1 == STARTS {
            std::thread::sleep(IDLE_AFTER);
            let resident = resident_megabytes(child.0.id());
            times.sort_by(f64::total_cmp);
            let median = times[STARTS / 2];
            let bars = bars.map_or_else(String::new, |(time, memory)| {
                format!(" (bars {time:.0} ms, {memory:.0} MB)")
            });
            println!(
                "{program}: ready in {median:.0} ms, {resident:.1} MB resident when idle{bars}"
            );
        }
    }
}

fn demonstration() {
    let output =
        Command::new(PROGRAM).args(["demo", "--json"]).stderr(Stdio::null()).output().unwrap();
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "demonstration: {:.1} s (bar 60), {:.0} MB at most, all processes together (bar 524), engine {}",
        outcome["seconds"].as_f64().unwrap(),
        outcome["memory_bytes_peak"].as_f64().unwrap() / 1e6,
        outcome["engine"].as_str().unwrap(),
    );
    println!(
        "an agent in it: {:.1} MB at most, model and engine included; {:.3} s of CPU a training round of 68 \
         parameters",
        outcome["agent_memory_bytes_peak"].as_f64().unwrap() / 1e6,
        outcome["agent_cpu_seconds_per_round"].as_f64().unwrap(),
    );
}

fn run(arguments: &[&str]) {
    let status = Command::new(PROGRAM).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

fn spawn(arguments: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// Resident memory, from Linux's `/proc`.
fn resident_megabytes(process: u32) -> f64 {
    megabytes(process, "VmRSS:")
}

fn megabytes(process: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0 / 1e6
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
