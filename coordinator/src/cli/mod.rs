//! The program: arguments, and what each command prints. All behaviour is in the library.

mod arguments;
mod evaluation;
mod functions;
mod output;
mod reports;
mod round;
mod setup;
mod statistics;
mod work;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use insitu_daemon::config::ConfigError;
use insitu_daemon::exit;
use insitu_daemon::files::FileError;

use crate::store::StoreError;
use crate::{OpenError, ServeError};
use arguments::{Cli, Command};
use output::Output;

/// Runs the program with `arguments`, the first being its name.
///
/// Exit codes: 0 done, 1 refused, 2 usage, 70 failed at run time, 78 configuration.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(help) => {
            // Nothing is left to do when even standard output is closed.
            drop(help.print());
            let asked = matches!(help.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { exit::DONE } else { exit::USAGE });
        }
    };
    let json = cli.json;
    match run(cli).and_then(|output| Ok(output.print(json)?)) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(error) => {
            drop(writeln!(std::io::stderr(), "insitu-coordinator: {error:#}"));
            ExitCode::from(code(&error))
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Output> {
    let config = cli.config;
    match cli.command {
        Command::Init(init) => setup::init(&init),
        Command::Serve(serve) => setup::serve(&config, &serve),
        Command::Status => setup::status(&config),
        Command::Site(command) => setup::site(&config, &command),
        Command::Token(token) => setup::token(&config, &token),
        Command::Project(command) => work::project(&config, &command),
        Command::Model(command) => work::model(&config, command),
        Command::Functions(command) => functions::functions(&config, command),
        Command::Round(command) => round::round(&config, command),
        Command::Evaluation(command) => evaluation::evaluation(&config, command),
        Command::Statistics(command) => statistics::statistics(&config, command),
        Command::Campaign(command) => work::campaign(&config, command),
        Command::Report(command) => reports::report(&config, &command),
    }
}

/// What a failure means for whoever started the program.
fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<ConfigError>() || cause.is::<OpenError>() {
            return exit::CONFIGURATION;
        }
        if cause.is::<StoreError>() || cause.is::<ServeError>() || cause.is::<FileError>() {
            return exit::RUNTIME;
        }
        if cause.is::<std::io::Error>() {
            return exit::RUNTIME;
        }
    }
    exit::REFUSED
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn failures_have_the_codes_of_the_design() {
        let newer = StoreError::Newer { path: "x".into(), found: 9 };
        assert_eq!(code(&anyhow::Error::from(newer)), exit::RUNTIME);
        let invalid = ConfigError::Invalid { path: "x".into(), line: 1, reason: "no".to_owned() };
        assert_eq!(code(&anyhow::Error::from(invalid)), exit::CONFIGURATION);
        assert_eq!(code(&anyhow::anyhow!("there is no such run")), exit::REFUSED);
    }
}
