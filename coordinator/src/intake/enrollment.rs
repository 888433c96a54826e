//! Joining: a token is made, and redeemed exactly once; certificates are renewed.

use std::time::Duration;

use insitu_daemon::authority::{Authority, AuthorityError, Issued};
use insitu_daemon::enroll::{Redemption, Token};
use insitu_daemon::identity::AgentIdentity;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::enroll::Welcome;
use insitu_protocol::ids::{Digest, SiteName, digest};
use insitu_protocol::response::Refusal;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::store::{Store, StoreError, Tx};

/// Longest that a token may wait for its agent.
pub const TOKEN_VALID_MAX: Duration = Duration::from_hours(30 * 24);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody added the site, or it was revoked.
    #[error("{site} is not a member: `insitu-coordinator site add {site}` first")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// A life of nothing, or of too long.
    #[error("a token is valid for 1 s to 30 days, not {valid:?}")]
    Valid {
        /// What was asked for.
        valid: Duration,
    },
    /// No random bytes.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// The store.
    #[error("the token is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// How certificates are issued.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// Who signs them.
    pub authority: &'a Authority,
    /// Their life.
    pub life: Duration,
    /// What members check bundles with.
    pub bundle_key: Fixed<32>,
}

/// Makes a token with which one agent of `site` can join. Only its hash is kept.
///
/// # Errors
/// [`TokenError`].
pub fn make_token(
    store: &Store,
    authority: &Authority,
    site: &SiteName,
    valid: Duration,
    now_unix_s: i64,
) -> Result<Token, TokenError> {
    let seconds = i64::try_from(valid.as_secs()).unwrap_or(i64::MAX);
    if seconds < 1 || valid > TOKEN_VALID_MAX {
        return Err(TokenError::Valid { valid });
    }
    let token = Token::generate(site.clone(), authority.fingerprint())
        .map_err(|source| TokenError::Random { source })?;
    store.write("token", |tx| {
        if !tx.is_member(site)? {
            return Err(TokenError::NotMember { site: site.clone() });
        }
        Ok(tx.add_token(token.secret_digest(), site, now_unix_s, now_unix_s + seconds)?)
    })?;
    Ok(token)
}

/// Lets an agent join: uses its token up and certifies its key, in one transaction.
///
/// An answer may be lost after that. The same key may then redeem the same token once more;
/// another key may not, so whoever copies a used token gains nothing.
///
/// # Errors
/// [`StoreError`]; the inner refusal is for the agent, and does not tell what is wrong with the
/// token.
pub fn redeem(
    store: &Store,
    issuer: Issuer<'_>,
    redemption: &Redemption,
    now_unix_s: i64,
) -> Result<Result<Welcome, Refusal>, StoreError> {
    let Some(key) = key_of(&redemption.signing_request) else {
        return Ok(Err(Refusal::Malformed));
    };
    let outcome = store.write("redeem", |tx| {
        if !may_redeem(tx, redemption, key, now_unix_s)? {
            return Ok::<_, StoreError>(Err(Refusal::Token));
        }
        let identity = AgentIdentity {
            federation: issuer.authority.federation().clone(),
            site: redemption.site.clone(),
            agent: redemption.agent.clone(),
        };
        let certified = certify(tx, issuer, &identity, &redemption.signing_request, now_unix_s)?;
        if certified.is_ok() {
            tx.redeem_token(redemption.secret_digest, &redemption.agent, key, now_unix_s)?;
            tx.enroll_agent(&redemption.site, &redemption.agent, now_unix_s)?;
        }
        Ok(certified)
    })?;
    let site = &redemption.site;
    match &outcome {
        Ok(_) => tracing::info!(%site, agent = %redemption.agent, "agent joined"),
        Err(refusal) => {
            tracing::warn!(%site, address = %redemption.address, %refusal, "joining refused");
        }
    }
    Ok(outcome.map(|issued| Welcome {
        federation: issuer.authority.federation().clone(),
        certificate: Bytes(issued.certificate.to_vec()),
        authority: Bytes(issuer.authority.certificate().to_vec()),
        bundle_key: issuer.bundle_key,
    }))
}

/// Certifies a member's new key under its old name.
///
/// # Errors
/// [`StoreError`]; the inner refusal is for the agent.
pub fn renew(
    store: &Store,
    issuer: Issuer<'_>,
    identity: &AgentIdentity,
    signing_request: &[u8],
    now_unix_s: i64,
) -> Result<Result<Bytes, Refusal>, StoreError> {
    store.write("renew", |tx| {
        if !tx.is_member(&identity.site)? {
            return Ok(Err(Refusal::NotMember));
        }
        let certified = certify(tx, issuer, identity, signing_request, now_unix_s)?;
        Ok(certified.map(|issued| Bytes(issued.certificate.to_vec())))
    })
}

fn may_redeem(
    tx: &Tx<'_>,
    redemption: &Redemption,
    key: Digest,
    now_unix_s: i64,
) -> Result<bool, StoreError> {
    let Some(token) = tx.token(redemption.secret_digest)? else { return Ok(false) };
    let unused = token.key.is_none() && now_unix_s < token.expires_unix_s;
    let again = token.key == Some(key) && token.agent.as_ref() == Some(&redemption.agent);
    Ok(token.site == redemption.site && (unused || again) && tx.is_member(&token.site)?)
}

fn certify(
    tx: &Tx<'_>,
    issuer: Issuer<'_>,
    identity: &AgentIdentity,
    signing_request: &[u8],
    now_unix_s: i64,
) -> Result<Result<Issued, Refusal>, StoreError> {
    match issuer.authority.issue_agent(signing_request, identity, issuer.life) {
        Ok(issued) => {
            tx.add_certificate(
                &issued.serial.to_string(),
                &identity.site,
                &identity.agent,
                now_unix_s,
                issued.not_after.as_second(),
            )?;
            Ok(Ok(issued))
        }
        Err(AuthorityError::SigningRequest { .. }) => Ok(Err(Refusal::Malformed)),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot certify");
            Ok(Err(Refusal::Failed))
        }
    }
}

/// Names the key in a signing request: the hash of its public key information.
fn key_of(signing_request: &[u8]) -> Option<Digest> {
    let (_, request) = X509CertificationRequest::from_der(signing_request).ok()?;
    Some(digest(request.certification_request_info.subject_pki.raw))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insitu_daemon::clock::ManualClock;
    use insitu_daemon::credentials::KeyRequest;
    use jiff::Timestamp;

    use super::*;

    struct Scene {
        _dir: tempfile::TempDir,
        store: Store,
        authority: Authority,
    }

    const NOW: i64 = 1_700_000_000;

    impl Scene {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store.db")).unwrap();
            store.write("add", |tx| tx.add_site(&"north".parse().unwrap(), NOW)).unwrap();
            let clock = Arc::new(ManualClock::new(Timestamp::from_second(NOW).unwrap()));
            let authority = Authority::create(dir.path(), "heart".parse().unwrap(), clock).unwrap();
            Self { _dir: dir, store, authority }
        }

        fn token(&self) -> Token {
            let site = "north".parse().unwrap();
            make_token(&self.store, &self.authority, &site, Duration::from_secs(60), NOW).unwrap()
        }

        fn redeem(&self, token: &Token, key: &KeyRequest, now: i64) -> Result<Welcome, Refusal> {
            let redemption = Redemption {
                site: token.site.clone(),
                agent: "a1".parse().unwrap(),
                secret_digest: token.secret_digest(),
                signing_request: key.signing_request().to_vec(),
                address: "127.0.0.1:9".parse().unwrap(),
            };
            let issuer = Issuer {
                authority: &self.authority,
                life: Duration::from_secs(3600),
                bundle_key: Fixed([1; 32]),
            };
            redeem(&self.store, issuer, &redemption, now).unwrap()
        }
    }

    #[test]
    fn a_token_lets_one_key_in_and_no_other() {
        let scene = Scene::new();
        let token = scene.token();
        let (first, second) = (KeyRequest::generate().unwrap(), KeyRequest::generate().unwrap());
        assert!(scene.redeem(&token, &first, NOW).is_ok());
        // The answer was lost: the same key asks again, even after the token's end.
        assert!(scene.redeem(&token, &first, NOW + 100).is_ok());
        assert_eq!(scene.redeem(&token, &second, NOW), Err(Refusal::Token));
    }

    #[test]
    fn expired_foreign_and_invented_tokens_are_refused_alike() {
        let scene = Scene::new();
        let key = KeyRequest::generate().unwrap();
        assert_eq!(scene.redeem(&scene.token(), &key, NOW + 60), Err(Refusal::Token));
        let mut foreign = scene.token();
        foreign.site = "south".parse().unwrap();
        assert_eq!(scene.redeem(&foreign, &key, NOW), Err(Refusal::Token));
        let invented =
            Token::generate("north".parse().unwrap(), scene.authority.fingerprint()).unwrap();
        assert_eq!(scene.redeem(&invented, &key, NOW), Err(Refusal::Token));
    }

    #[test]
    fn a_refused_signing_request_does_not_use_the_token_up() {
        let scene = Scene::new();
        let token = scene.token();
        let key = KeyRequest::generate().unwrap();
        let redemption = |signing_request| Redemption {
            site: token.site.clone(),
            agent: "a1".parse().unwrap(),
            secret_digest: token.secret_digest(),
            signing_request,
            address: "127.0.0.1:9".parse().unwrap(),
        };
        let mut bent = key.signing_request().to_vec();
        *bent.last_mut().unwrap() ^= 1;
        let issuer = Issuer {
            authority: &scene.authority,
            life: Duration::from_secs(3600),
            bundle_key: Fixed([1; 32]),
        };
        let refused = redeem(&scene.store, issuer, &redemption(bent), NOW).unwrap();
        assert_eq!(refused, Err(Refusal::Malformed));
        assert!(scene.redeem(&token, &key, NOW).is_ok());
    }

    #[test]
    fn a_revoked_site_neither_joins_nor_renews() {
        let scene = Scene::new();
        let token = scene.token();
        let key = KeyRequest::generate().unwrap();
        let site = "north".parse().unwrap();
        scene.store.write("revoke", |tx| tx.revoke_site(&site, NOW)).unwrap();
        assert_eq!(scene.redeem(&token, &key, NOW), Err(Refusal::Token));
        let made = make_token(&scene.store, &scene.authority, &site, Duration::from_secs(9), NOW);
        assert!(matches!(made, Err(TokenError::NotMember { .. })));
    }
}
