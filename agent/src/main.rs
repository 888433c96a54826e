//! The agent: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    insitu_agent::cli::main(std::env::args_os())
}
