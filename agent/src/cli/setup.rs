//! Setting an agent up: configuration, membership.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::credentials::KeyRequest;
use insitu_daemon::enroll::{TOKEN_BYTES_MAX, Token, join};
use insitu_daemon::exit;
use insitu_daemon::files::{self, Access};
use insitu_daemon::link::client;
use insitu_privacy::Rho;

use super::arguments::{Arguments, EnrollArguments, InitArguments};
use super::{Failure, Outcome, read_config};
use crate::config::template;
use crate::outbox;
use crate::store::Store;
use crate::uplink::Membership;

pub(super) fn init(arguments: &Arguments, init: &InitArguments) -> Outcome {
    let failed = |error: files::FileError| Failure::refused(&error);
    files::create_folder(&init.dir).map_err(failed)?;
    // A --config inside the folder names the file; the default name is meant otherwise.
    let named = arguments.config.parent() == Some(init.dir.as_path());
    let path = if named { arguments.config.clone() } else { init.dir.join("agent.toml") };
    let text = template(init.site.as_ref(), init.coordinator.as_deref(), init.listen);
    files::create(&path, text.as_bytes(), Access::Secret).map_err(failed)?;
    let config = crate::config::Config::read(&path).map_err(|e| Failure::configuration(&e))?;
    files::create_folder(&config.data).map_err(failed)?;
    Store::open_witnessed(&config.data, config.witness())?;
    let mut out = io::stdout().lock();
    writeln!(out, "wrote {}", path.display())?;
    writeln!(out, "made the store and its sealing key in {}", config.data.display())?;
    writeln!(out, "next: insitu-agent --config {} enroll --token-file FILE", path.display())?;
    Ok(exit::DONE)
}

pub(super) fn enroll(arguments: &Arguments, enroll: &EnrollArguments) -> Outcome {
    let config = read_config(arguments)?;
    let address = enroll.coordinator.as_ref().or(config.coordinator.address.as_ref());
    let address = address.ok_or_else(|| {
        let hint = "say where the coordinator is: --coordinator HOST:PORT, or coordinator.address";
        Failure::text(exit::USAGE, hint)
    })?;
    let membership = Membership::new(&config.data);
    if membership.credentials_file().exists() && !enroll.again {
        let hint = "this agent is enrolled already; --again replaces its membership";
        return Err(Failure::text(exit::REFUSED, hint));
    }
    let token = read_token(&enroll.token_file)?;
    if config.site.as_ref().is_some_and(|site| *site != token.site) {
        let text = format!("the token is for site {}, the configuration for another", token.site);
        return Err(Failure::text(exit::REFUSED, text));
    }
    files::create_folder(&config.data).map_err(|error| Failure::runtime(&error))?;
    let joining = membership.joining_file();
    let key = KeyRequest::open_or_create(&joining).map_err(|error| Failure::runtime(&error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let joined = runtime.block_on(async {
        let endpoint = client::endpoint()?;
        let joined = join(&endpoint, address, &token, enroll.agent.clone(), key, clock).await;
        Ok::<_, io::Error>(joined)
    })?;
    let joined = joined.map_err(|error| Failure::refused(&error))?;
    // The key that verifies bundles first: with credentials in place the agent counts as enrolled.
    let key = format!("{}\n", joined.bundle_key.to_hex());
    files::write_atomic(&membership.bundle_key_file(), key.as_bytes(), Access::Public)
        .map_err(|error| Failure::runtime(&error))?;
    joined
        .credentials
        .store(&membership.credentials_file())
        .map_err(|error| Failure::runtime(&error))?;
    fs::remove_file(joining)?;
    let store = Store::open_witnessed(&config.data, config.witness())?;
    let now = SystemClock.now().as_second();
    let lost = outbox::accept_loss(&store, now).map_err(|error| Failure::runtime(&error))?;
    if lost > Rho::ZERO {
        writeln!(io::stdout(), "a ledger was lost: ρ {lost} is taken for spent from now on")?;
    }
    writeln!(
        io::stdout(),
        "enrolled as {} of site {}; the certificate renews itself",
        enroll.agent,
        token.site
    )?;
    if config.coordinator.address.is_none() {
        writeln!(
            io::stdout(),
            "next: set coordinator.address = \"{address}\" in agent.toml, or `run` works alone"
        )?;
    }
    Ok(exit::DONE)
}

fn read_token(path: &Path) -> Result<Token, Failure> {
    let bytes = files::read(path, TOKEN_BYTES_MAX).map_err(|error| Failure::refused(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|error: insitu_daemon::enroll::TokenError| Failure::refused(&error))
}
