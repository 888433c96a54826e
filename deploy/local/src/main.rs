//! A whole federation on one machine.
//!
//! `insitu-local demo` drives the two programs as child processes, through their command lines and
//! local APIs only. `insitu-local simulate` trains across sites in one process, and `insitu-local
//! pack` makes bundles of sentence encoders. So that one `cargo run` has everything, `insitu-local
//! agent …` and `insitu-local coordinator …` are the two programs themselves, by the entry functions
//! that their own binaries use.

mod clock;
mod demo;
mod draws;
mod pack;
mod simulate;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A whole Insitu federation on this machine
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Also: `insitu-local agent …` and `insitu-local coordinator …` are the programs insitu-agent and
insitu-coordinator; try `insitu-local agent --help`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Four hospitals improve a model together on real data, and no record leaves any of them
    Demo(demo::Options),
    /// Train across simulated sites on your own file, with the noise and accounting of the product
    Simulate(Box<simulate::Options>),
    /// Make a bundle of a sentence encoder (ONNX and tokenizer) for a project's classes
    Pack(pack::Options),
}

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(program) = arguments.get(1).and_then(|argument| argument.to_str()) {
        match program {
            "agent" => return insitu_agent::cli::main(arguments.drain(1..)),
            "coordinator" => return insitu_coordinator::cli::main(arguments.drain(1..)),
            _ => {}
        }
    }
    let (name, done) = match Cli::parse_from(arguments).command {
        Command::Demo(options) => ("demo", demo::run(&options)),
        Command::Simulate(options) => ("simulate", simulate::run(&options).map(|()| true)),
        Command::Pack(options) => ("pack", pack::run(&options).map(|()| true)),
    };
    match done {
        Ok(all_verified) if all_verified => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to do when even standard error is closed.
            drop(writeln!(std::io::stderr(), "{name}: {error:#}"));
            ExitCode::from(70)
        }
    }
}
