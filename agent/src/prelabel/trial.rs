//! Trials: a bundle is loaded, golden outputs and all, in a child process before the daemon loads it.
//! A model that makes the engine abort, or eat memory, or never end, takes the child with it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use insitu_daemon::exit;
use insitu_models::manifest::Manifest;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Model, ModelError, Shelf, engine};
use crate::store::explain;

/// The command of the program that tries what comes on its standard input.
pub const COMMAND: &str = "try-bundle";
/// How long a trial may take, and how much processor time it gets, seconds.
const SECONDS_MAX: u64 = 120;
/// Address space of a trial, beside what the backbone asks for: the program, an engine, its threads.
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// How many times the backbone's bytes a trial may have on top: weights unpacked, optimised, in use.
const BACKBONE_TIMES: u64 = 8;
/// Most of a child's complaint that is kept, bytes.
const COMPLAINT_BYTES_MAX: u64 = 400;

/// Starts trials.
#[derive(Clone, Debug)]
pub struct Trial {
    program: PathBuf,
    arguments: Vec<OsString>,
    limit: Duration,
}

/// Why a bundle is not to be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// No child, or none that can be talked to.
    #[error("no trial of the bundle can be started")]
    Start(#[source] io::Error),
    /// It does not do what it promises.
    #[error("{reason}")]
    Refused {
        /// What the child says.
        reason: String,
    },
    /// The bundle could not be tried: there is no engine, say.
    #[error("{reason}")]
    Prevented {
        /// What the child says.
        reason: String,
    },
    /// The child was killed, by the engine or a limit.
    #[error("the engine did not survive its trial ({how})")]
    Died {
        /// The exit status in words.
        how: String,
    },
    /// It went on for too long.
    #[error("its trial was not over after {seconds} s")]
    Slow {
        /// The limit.
        seconds: u64,
    },
}

impl TrialError {
    /// Whether another trial of the same bundle may end otherwise. A machine that is short of time or of
    /// memory kills a good bundle's child, too.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Start(_) | Self::Prevented { .. } | Self::Died { .. } | Self::Slow { .. } => true,
            Self::Refused { .. } => false,
        }
    }
}

impl Trial {
    /// Trials by `program`, which has the agent's commands behind `arguments`.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, limit: Duration::from_secs(SECONDS_MAX) }
    }

    /// Tries the bundle of a manifest. Blocks until the child has ended.
    ///
    /// # Errors
    /// [`TrialError`].
    pub fn run(
        &self,
        shelf: &Shelf,
        library: Option<&Path>,
        manifest: &[u8],
    ) -> Result<(), TrialError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(COMMAND).arg("--objects").arg(shelf.folder());
        if let Some(library) = library {
            command.arg("--library").arg(library);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("INSITU_AGENT_LOG", "off"); // its complaint is what standard error is for
        let mut child = command.spawn().map_err(TrialError::Start)?;
        let (status, complaint) = match self.watch(&mut child, manifest) {
            Ok(ended) => ended,
            Err(error) => {
                // Whatever went wrong, nothing of it goes on.
                drop(child.kill());
                drop(child.wait());
                return Err(error);
            }
        };
        if status.success() {
            return Ok(());
        }
        let reason = complaint.trim();
        let reason = reason.strip_prefix("insitu-agent: ").unwrap_or(reason).to_owned();
        Err(match status.code().map(u8::try_from) {
            Some(Ok(exit::REFUSED)) => TrialError::Refused { reason },
            Some(Ok(exit::RUNTIME)) => TrialError::Prevented { reason },
            Some(_) | None => TrialError::Died { how: status.to_string() },
        })
    }

    fn watch(
        &self,
        child: &mut Child,
        manifest: &[u8],
    ) -> Result<(ExitStatus, String), TrialError> {
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (ended, end) = channel();
        // Its standard error closes when it ends, however it ends.
        let reader = std::thread::spawn(move || {
            let mut complaint = Vec::new();
            if let Some(mut stderr) = stderr {
                let read = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint);
                drop(read.and_then(|_| io::copy(&mut stderr, &mut io::sink())));
            }
            // Nobody waits any more when the time was up.
            drop(ended.send(String::from_utf8_lossy(&complaint).into_owned()));
        });
        if let Some(mut stdin) = stdin {
            // A child that ended already has said why.
            drop(stdin.write_all(manifest));
        }
        let complaint = match end.recv_timeout(self.limit) {
            Ok(complaint) => complaint,
            Err(RecvTimeoutError::Timeout) => {
                return Err(TrialError::Slow { seconds: self.limit.as_secs() });
            }
            Err(RecvTimeoutError::Disconnected) => String::new(),
        };
        drop(reader.join());
        Ok((child.wait().map_err(TrialError::Start)?, complaint))
    }
}

/// What the child does: limits itself, then loads the bundle as the daemon would.
///
/// # Errors
/// [`TrialError::Start`] when the limits cannot be set, [`TrialError::Prevented`],
/// [`TrialError::Refused`].
pub fn try_here(
    objects: &Path,
    library: Option<&PathBuf>,
    manifest: &[u8],
) -> Result<(), TrialError> {
    let decoded = Manifest::decode(manifest)
        .map_err(|error| TrialError::Refused { reason: explain(&error) })?;
    let memory = decoded.backbone.bytes.saturating_mul(BACKBONE_TIMES).saturating_add(MEMORY_BYTES);
    limit(Resource::As, memory)?;
    limit(Resource::Cpu, SECONDS_MAX)?;
    limit(Resource::Core, 0)?;
    let load = || -> Result<(), ModelError> {
        let bundle = Shelf::of(objects).bundle(manifest)?;
        Model::load(&engine(library)?, &bundle).map(drop)
    };
    load().map_err(|error| {
        let reason = explain(&error);
        if error.is_transient() {
            TrialError::Prevented { reason }
        } else {
            TrialError::Refused { reason }
        }
    })
}

fn limit(resource: Resource, most: u64) -> Result<(), TrialError> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).map_err(|error| TrialError::Start(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child that runs this script instead of the program.
    fn child(script: &str, limit: Duration) -> Result<(), TrialError> {
        let arguments = ["-c", script, "sh"].map(OsString::from).to_vec();
        let trial = Trial { limit, ..Trial::new(PathBuf::from("/bin/sh"), arguments) };
        trial.run(&Shelf::new(Path::new("/nowhere")), None, b"{}")
    }

    #[test]
    fn whatever_becomes_of_the_child_is_an_answer() {
        let long = Duration::from_secs(60);
        // It hears the manifest, where the objects are, and that a log would be in the way.
        let script = r#"test "$1 $2 $3 $INSITU_AGENT_LOG" = "try-bundle --objects /nowhere/objects off" && test "$(cat)" = "{}""#;
        child(script, long).unwrap();
        let refused = child("echo 'insitu-agent: row 3 differs' >&2; exit 1", long);
        assert!(
            matches!(refused, Err(TrialError::Refused { reason }) if reason == "row 3 differs")
        );
        let died = child("kill -ABRT $$", long).unwrap_err().to_string();
        assert!(died.contains("did not survive") && died.contains("SIGABRT"), "{died}");
        assert!(matches!(child("exit 101", long), Err(TrialError::Died { .. })));
        let prevented = child("echo 'insitu-agent: no engine' >&2; exit 70", long);
        assert!(
            matches!(prevented, Err(TrialError::Prevented { reason }) if reason == "no engine")
        );
        let talker = child("yes | head -c 1000000 >&2; exit 1", long);
        assert!(matches!(talker, Err(TrialError::Refused { reason }) if reason.len() <= 400));
        let slow = child("exec sleep 600", Duration::from_millis(50));
        assert!(matches!(slow, Err(TrialError::Slow { .. })));
        let none = Trial::new(PathBuf::from("/nowhere/program"), Vec::new());
        let none = none.run(&Shelf::new(Path::new("/nowhere")), None, b"{}");
        assert!(matches!(none, Err(TrialError::Start(_))));
    }
}
