//! The command line. Output goes to stdout, everything else to stderr.

mod arguments;
mod audit;
mod audit_log;
mod audit_report;
mod columns;
mod content;
mod dicom;
mod erase;
mod export;
mod gold;
mod label_functions;
mod label_studio;
mod labeled;
mod measure;
mod peers;
mod person;
mod plan;
mod propagate;
mod quarantine;
mod redact;
mod release;
mod report;
mod sample;
mod setup;
mod table;
#[cfg(test)]
mod testing;
mod trial;
mod vault;
mod work;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::exit;
use insitu_daemon::link::client;
use insitu_daemon::shutdown;
use insitu_daemon::telemetry::{self, LogFormat};
use insitu_protocol::ids::ProjectName;
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use crate::cli::arguments::{Arguments, Command, RunArguments};
use crate::cli::audit::AuditCommand;
use crate::config::{Config, Limits, Polite};
use crate::prelabel::trial::Trial;
use crate::run::{Agent, OpenError, RunError, Transport};
use crate::source::ImportError;
use crate::store::orders::ProjectRow;
use crate::store::trail::Who;
use crate::store::{Store, StoreError, explain};

/// Threads of the daemon's runtime: it waits more than it works.
const WORKER_THREADS: usize = 2;
/// Where the names of the operating system's accounts are.
const ACCOUNTS: &str = "/etc/passwd";
/// Longest list of accounts that is read.
const ACCOUNTS_BYTES_MAX: usize = 1024 * 1024;
/// How long the daemon may take to stop.
const GRACE: Duration = Duration::from_secs(8);

/// Why a command did not do what was asked, and the exit code that says so.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn refused(error: &dyn Error) -> Self {
        Self { code: exit::REFUSED, message: explain(error) }
    }

    fn runtime(error: &dyn Error) -> Self {
        Self { code: exit::RUNTIME, message: explain(error) }
    }

    fn configuration(error: &dyn Error) -> Self {
        Self { code: exit::CONFIGURATION, message: explain(error) }
    }

    fn text(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same, saying which file it is about.
    fn of(self, path: &Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::runtime(&error)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(_) => Self::runtime(&error),
            ImportError::Read(_)
            | ImportError::NoMediaField
            | ImportError::Content { .. }
            | ImportError::Origin { .. }
            | ImportError::TooMany { .. }
            | ImportError::Parquet { .. }
            | ImportError::ParquetSize
            | ImportError::Packed { .. }
            | ImportError::Stopped
            | ImportError::NoColumn { .. }
            | ImportError::Header(_) => Self::refused(&error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::runtime(&error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(_) => Self::runtime(&error),
            OpenError::Config(_)
            | OpenError::Folder(_)
            | OpenError::Credentials(_)
            | OpenError::BundleKey { .. }
            | OpenError::Studio(_)
            | OpenError::Tls(_)
            | OpenError::Oidc(_)
            | OpenError::Watch(_)
            | OpenError::Names(_)
            | OpenError::Model { .. } => Self::configuration(&error),
        }
    }
}

/// A command's result: the exit code of one that did its work, which may be "a check failed".
type Outcome = Result<u8, Failure>;

/// What commands that look into the store work with.
struct Context {
    config: Config,
    limits: Limits,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Context {
    fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let config = read_config(arguments)?;
        let limits = config.policy.limits().map_err(|error| Failure::configuration(&error))?;
        insitu_daemon::files::create_folder(&config.data)
            .map_err(|error| Failure::configuration(&error))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Store::open_witnessed(&config.data, config.witness())?
            .used_by(Who::operator(account()), Arc::clone(&clock));
        Ok(Self { config, limits, store, clock })
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

/// Runs the command line `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // A program that has the agent inside names it by its own first argument.
    let inside = arguments.first().filter(|name| env::args_os().next().as_ref() != Some(*name));
    let inside: Vec<OsString> = inside.cloned().into_iter().collect();
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be said about a terminal that is gone.
            drop(error.print());
            return ExitCode::from(if shown { exit::DONE } else { exit::USAGE });
        }
    };
    let filter = parsed.log.clone();
    if let Err(error) = telemetry::init(LogFormat::Text, &filter) {
        complain(&explain(&error));
        return ExitCode::from(exit::USAGE);
    }
    match execute(&parsed, inside) {
        Ok(code) => ExitCode::from(code),
        // Whoever read our output has heard enough, as `head` does.
        Err(failure) if failure.message.contains("Broken pipe") => ExitCode::from(exit::DONE),
        Err(failure) => {
            complain(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn execute(arguments: &Arguments, inside: Vec<OsString>) -> Outcome {
    match &arguments.command {
        Command::Init(init) => setup::init(arguments, init),
        Command::Enroll(enroll) => setup::enroll(arguments, enroll),
        Command::Run(run) => daemon(arguments, run, inside),
        Command::Import(import) => work::import(&Context::open(arguments)?, import),
        Command::Export(export) => export::export(|| Context::open(arguments), export),
        Command::Erase(erase) => erase::erase(&Context::open(arguments)?, erase),
        Command::Redact(redact) => redact::redact(arguments, redact),
        Command::Vault(vault) => vault::vault(&Context::open(arguments)?, vault),
        Command::Quarantine(quarantine) => {
            quarantine::quarantine(&Context::open(arguments)?, quarantine)
        }
        Command::Prelabel(prelabel) => {
            buffered(io::stdout().lock(), |out| work::prelabel(arguments, prelabel, out))
        }
        Command::Person(person) => person::person(&Context::open(arguments)?, person),
        Command::Gold(command) => gold::gold(&Context::open(arguments)?, command),
        Command::Release(command) => release::release(&Context::open(arguments)?, command),
        Command::Outbox(outbox) => release::outbox(&Context::open(arguments)?, outbox),
        Command::Budget(budget) => plan::budget(&Context::open(arguments)?, budget),
        Command::Campaigns(campaigns) => report::campaigns(&Context::open(arguments)?, campaigns),
        Command::Models(models) => report::models(&Context::open(arguments)?, models),
        Command::Audit(AuditCommand::Privacy(privacy)) => audit::audit(privacy),
        Command::Audit(AuditCommand::Log(command)) => {
            audit_log::log(&Context::open(arguments)?, command)
        }
        Command::Audit(AuditCommand::Report(report)) => {
            audit_report::report(&Context::open(arguments)?, report)
        }
        Command::Measure(command) => {
            buffered(io::stdout().lock(), |out| measure::measure(command, out))
        }
        Command::Sample(sample) => {
            let open = || Context::open(arguments);
            buffered(io::stdout().lock(), |out| sample::sample(open, sample, out))
        }
        Command::Propagate(propagate) => {
            let open = || Context::open(arguments);
            buffered(io::stdout().lock(), |out| propagate::propagate(open, propagate, out))
        }
        Command::Peers(command) => peers::peers(&Context::open(arguments)?, command),
        Command::LabelFunctions(command) => {
            let open = || Context::open(arguments);
            buffered(io::stdout().lock(), |out| {
                label_functions::label_functions(open, command, out)
            })
        }
        Command::LabelStudio(command) => {
            label_studio::label_studio(&Context::open(arguments)?, command)
        }
        Command::TryBundle(arguments) => trial::run(arguments),
        Command::Status(json) => report::status(&Context::open(arguments)?, json.json),
    }
}

/// Runs a command that writes much, and fails when not all of it could be written.
fn buffered<W: Write>(out: W, command: impl FnOnce(&mut BufWriter<W>) -> Outcome) -> Outcome {
    let mut out = BufWriter::new(out);
    let code = command(&mut out)?;
    out.flush()?;
    Ok(code)
}

fn daemon(arguments: &Arguments, run: &RunArguments, inside: Vec<OsString>) -> Outcome {
    let config = read_config(arguments)?;
    let (listen, polite) = (config.api.listen, config.polite.clone());
    let agent = Agent::open(config, Arc::new(SystemClock))?;
    if run.check {
        agent.check()?;
        writeln!(io::stdout(), "configuration, store, membership and models are in order")?;
        return Ok(exit::DONE);
    }
    let listener = std::net::TcpListener::bind(listen).map_err(|error| {
        Failure::text(exit::CONFIGURATION, format!("api.listen = {listen}: {error}"))
    })?;
    let metrics = telemetry::metrics().map_err(|error| Failure::runtime(&error))?;
    make_nice(&polite);
    let runtime = runtime(agent.blocking_threads())?;
    let outcome: Result<Option<Result<(), RunError>>, io::Error> = runtime.block_on(async {
        let endpoint = client::endpoint()?;
        let trial = own_program().map(|program| Trial::new(program, inside));
        let transport = Transport { endpoint, listener: Some(listener), metrics, trial };
        shutdown::until_signal(GRACE, |stop| agent.run(transport, stop)).await
    });
    // A pipeline tick that still runs is as safe to leave as in a crash.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome? {
        Some(Ok(())) | None => Ok(exit::DONE),
        Some(Err(RunError::Open(error))) => Err(error.into()),
        Some(Err(error)) => Err(Failure::runtime(&error)),
    }
}

/// The daemon's runtime, with so many threads for what blocks.
pub(crate) fn runtime(blocking_threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(blocking_threads)
        .enable_all()
        .build()
}

/// This program, also when its file was replaced since it started.
fn own_program() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Some(own) } else { env::current_exe().ok() }
}

/// Lowers the priority of the whole program, before it has other threads: they take it over.
fn make_nice(polite: &Polite) {
    if !polite.enabled {
        return;
    }
    if let Err(error) = rustix::process::nice(i32::from(polite.nice)) {
        tracing::warn!(%error, nice = polite.nice, "the program's priority stays as it is");
    }
}

fn read_config(arguments: &Arguments) -> Result<Config, Failure> {
    Config::read(&arguments.config).map_err(|error| Failure::configuration(&error))
}

/// The project of this name, or a refusal.
fn project(context: &Context, name: &ProjectName) -> Result<ProjectRow, Failure> {
    let row = context.store.read("project", |tx| tx.project(name))?;
    row.ok_or_else(|| Failure::text(exit::REFUSED, format!("there is no project {name}")))
}

/// Unix seconds as RFC 3339.
fn when(second: i64) -> String {
    Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default()
}

/// The account of the operating system that runs the command, as the audit log names it.
fn account() -> String {
    let id = rustix::process::getuid().as_raw();
    let named = |line: &str| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    };
    // Systems without this file, or with accounts elsewhere, are left with the number.
    let accounts = insitu_daemon::files::read(Path::new(ACCOUNTS), ACCOUNTS_BYTES_MAX).ok();
    let accounts = accounts.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    accounts.lines().find_map(named).unwrap_or_else(|| format!("uid {id}"))
}

fn complain(message: &str) {
    // A closed stderr leaves only the exit code to speak.
    drop(writeln!(io::stderr(), "insitu-agent: {message}"));
}

/// Prints a report as JSON for programs, on its own.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)
        .map_err(|error| Failure::text(exit::RUNTIME, error.to_string()))?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn output_that_cannot_be_written_is_no_success() {
        let short = buffered(Full, |out| {
            writeln!(out, "a line that fits the buffer")?;
            Ok(exit::DONE)
        });
        assert_eq!(short.unwrap_err().code, exit::RUNTIME);
        assert_eq!(buffered(Full, |_| Ok(exit::REFUSED)).unwrap(), exit::REFUSED);
    }
}
