//! The trial of a bundle, in a process of its own: the daemon starts it.

use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use insitu_daemon::exit;
use insitu_protocol::order::MANIFEST_BYTES_MAX;

use super::{Failure, Outcome};
use crate::prelabel::trial::{TrialError, try_here};

#[derive(Debug, Args)]
pub(super) struct TrialArguments {
    /// Folder of the bundle's objects, by digest
    #[arg(long)]
    objects: PathBuf,
    /// An ONNX Runtime library
    #[arg(long)]
    library: Option<PathBuf>,
}

/// Loads the bundle whose manifest comes on standard input, and reproduces its golden outputs.
pub(super) fn run(arguments: &TrialArguments) -> Outcome {
    let mut manifest = Vec::new();
    let limit = u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().take(limit).read_to_end(&mut manifest)?;
    match try_here(&arguments.objects, arguments.library.as_ref(), &manifest) {
        Ok(()) => Ok(exit::DONE),
        Err(error @ TrialError::Refused { .. }) => Err(Failure::refused(&error)),
        Err(error) => Err(Failure::runtime(&error)),
    }
}
