//! The coordinator: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    insitu_coordinator::cli::main(std::env::args_os())
}
