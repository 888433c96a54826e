//! Passwords: argon2id with a salt of its own each, computed a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::AccountError;

/// Fewest characters of a password.
pub const CHARACTERS_MIN: usize = 12;
/// Most bytes: nobody types more, and hashing must not be fed without end.
pub const BYTES_MAX: usize = 1024;
/// Memory of one computation, KiB, and passes over it: the OWASP Password Storage Cheat Sheet's first
/// recommendation for argon2id but one.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const SALT_BYTES: usize = 16;
/// Computations at a time: two take 38 MiB, and two of the runtime's four threads for what blocks.
const AT_A_TIME: usize = 2;
/// Computations that wait or run. More are refused at once.
const WAITING_MAX: usize = 32;
/// What is verified where there is no password, so that an unknown name takes as long as a known one.
/// No password has this hash: it is made up, not computed.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$\
                       QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

/// Verifies and makes hashes off the runtime's threads, within bounds.
#[derive(Clone, Debug)]
pub(super) struct Kiln {
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Kiln {
    pub(super) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            running: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Whether the password has the hash. Takes as long, and says no, when there is none.
    pub(super) async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool, AccountError> {
        self.run(move || {
            let known = matches(&password, hash.as_deref().unwrap_or(NOBODYS))?;
            Ok(known && hash.is_some())
        })
        .await
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: Zeroizing<String>) -> Result<String, AccountError> {
        self.run(move || hash(&password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let waiting = self.waiting.try_acquire().map_err(|_| AccountError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| AccountError::Busy)?;
        // The place is held by the computation, not by whoever waits for it and may go away.
        let done = spawn_blocking(move || {
            let done = f();
            drop(running);
            done
        });
        let done = done.await.map_err(|_| AccountError::Hash)?;
        drop(waiting);
        done
    }
}

/// Whether a password may be one.
pub(super) fn check(password: &str) -> Result<(), AccountError> {
    let characters = password.chars().count();
    if characters < CHARACTERS_MIN {
        return Err(AccountError::Short { characters });
    }
    if password.len() > BYTES_MAX {
        return Err(AccountError::Long);
    }
    Ok(())
}

/// The PHC string of a password, with a salt of its own.
pub(super) fn hash(password: &str) -> Result<String, AccountError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| AccountError::Randomness)?;
    let hash: PasswordHash = argon2()?
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| AccountError::Hash)?;
    Ok(hash.to_string())
}

fn matches(password: &str, hash: &str) -> Result<bool, AccountError> {
    if password.len() > BYTES_MAX {
        return Ok(false); // its length is the caller's, so the time tells nothing of an account
    }
    let hash = PasswordHash::new(hash).map_err(|_| AccountError::Hash)?;
    Ok(argon2()?.verify_password(password.as_bytes(), &hash).is_ok())
}

fn argon2() -> Result<Argon2<'static>, AccountError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| AccountError::Hash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_salted_and_matches_its_password_alone() {
        let (one, two) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(!one.contains("correct horse"));
        assert!(matches("correct horse", &one).unwrap());
        assert!(!matches("correct horsf", &one).unwrap());
        assert!(!matches("", NOBODYS).unwrap(), "the made-up hash is well-formed");
    }

    #[test]
    fn a_password_has_twelve_characters_and_an_end() {
        assert!(matches!(check("elevenchars"), Err(AccountError::Short { characters: 11 })));
        check("twelve chars").unwrap();
        check("zwölf Zeichn").unwrap();
        assert!(matches!(check(&"a".repeat(BYTES_MAX + 1)), Err(AccountError::Long)));
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_at_once() {
        let kiln = Kiln::new();
        let _all = kiln.waiting.acquire_many(u32::try_from(WAITING_MAX).unwrap()).await.unwrap();
        let refused = kiln.verify(Zeroizing::new("a".to_owned()), None).await;
        assert!(matches!(refused, Err(AccountError::Busy)));
    }
}
