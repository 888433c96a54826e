//! Accounts: passwords, browsers that are signed in, identities at a provider. The store holds
//! hashes alone.

use std::collections::BTreeMap;

use rusqlite::params;

use super::labels::{PERSON, Person, Terms, person};
use super::roles::Role;
use super::{StoreError, Tx, unsigned};

/// A browser in which a person is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInRow {
    /// Who, by key.
    pub person: i64,
    /// Since when, Unix seconds.
    pub started_at: i64,
    /// When it was last heard of, Unix seconds; up to a minute behind.
    pub seen_at: i64,
}

impl Tx<'_> {
    /// The person of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_named(&self, name: &str) -> Result<Option<Person>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {PERSON} FROM people WHERE name = ?1"))?;
        let mut rows = statement.query([name])?;
        rows.next()?.map(person).transpose()
    }

    /// The person of this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_of(&self, key: i64) -> Result<Option<Person>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {PERSON} FROM people WHERE person = ?1"))?;
        let mut rows = statement.query([key])?;
        rows.next()?.map(person).transpose()
    }

    /// Gives a person another role.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_role(&self, person: i64, role: Role) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE people SET role = ?2 WHERE person = ?1")?
            .execute(params![person, role.name()])?;
        self.end_leases(person)
    }

    /// Gives a person's time another end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_terms(&self, person: i64, terms: Terms) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE people SET until = ?2, expert_until = ?3 WHERE person = ?1")?
            .execute(params![person, terms.until, terms.expert_until])?;
        Ok(())
    }

    /// Ends a person's time: token (`nobody` is the hash of none) and password go. The name stays with
    /// what the person said, and who it is at a provider stays known: that nobody comes back anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn retire(&self, person: i64, nobody: &[u8; 32], now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE people SET token = ?2, until = ?3 WHERE person = ?1")?
            .execute(params![person, nobody, now])?;
        self.sql.execute("DELETE FROM passwords WHERE person = ?1", [person])?;
        self.end_leases(person)
    }

    /// What the person has in hand waits for others.
    fn end_leases(&self, person: i64) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM leases WHERE person = ?1", [person])?;
        Ok(())
    }

    /// The PHC string of the person's password, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn password(&self, person: i64) -> Result<Option<String>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT hash FROM passwords WHERE person = ?1")?;
        let mut rows = statement.query([person])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// Gives a person a password.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_password(&self, person: i64, hash: &str, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO passwords (person, hash, set_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at",
            )?
            .execute(params![person, hash, now])?;
        Ok(())
    }

    /// Keys of the people who have a password.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn with_passwords(&self) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT person FROM passwords")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Notes a browser that signs in; of the person's others the newest `others` stay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_sign_in(
        &self,
        secret: &[u8; 32],
        person: i64,
        others: u32,
        now: i64,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "DELETE FROM sign_ins WHERE secret IN (SELECT secret FROM sign_ins
                   WHERE person = ?1 ORDER BY started_at DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![person, others])?;
        self.sql
            .prepare_cached(
                "INSERT INTO sign_ins (secret, person, started_at, seen_at) VALUES (?1, ?2, ?3, ?3)",
            )?
            .execute(params![secret, person, now])?;
        Ok(())
    }

    /// What is known of a browser by the hash of its cookie.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sign_in(&self, secret: &[u8; 32]) -> Result<Option<SignInRow>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT person, started_at, seen_at FROM sign_ins WHERE secret = ?1")?;
        let mut rows = statement.query([secret])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (person, started_at, seen_at) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Some(SignInRow { person, started_at, seen_at }))
    }

    /// Notes that a browser was heard of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn see_sign_in(&self, secret: &[u8; 32], now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE sign_ins SET seen_at = ?2 WHERE secret = ?1")?
            .execute(params![secret, now])?;
        Ok(())
    }

    /// How many browsers each person is signed in in, by key, of those that were heard of after `seen`
    /// and signed in after `started`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_sign_ins(
        &self,
        seen: i64,
        started: i64,
    ) -> Result<BTreeMap<i64, u64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT person, count(*) FROM sign_ins
             WHERE seen_at > ?1 AND started_at > ?2 GROUP BY person",
        )?;
        let mut rows = statement.query([seen, started])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            counts.insert(row.get(0)?, unsigned(row.get(1)?, "sign_ins", "count")?);
        }
        Ok(counts)
    }

    /// Signs one browser out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_sign_in(&self, secret: &[u8; 32]) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM sign_ins WHERE secret = ?1")?.execute([secret])?;
        Ok(())
    }

    /// Signs a person out everywhere, and says in how many browsers that was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_sign_ins(&self, person: i64) -> Result<usize, StoreError> {
        let mut statement = self.sql.prepare_cached("DELETE FROM sign_ins WHERE person = ?1")?;
        Ok(statement.execute([person])?)
    }

    /// Forgets browsers that were last heard of before `seen`, or signed in before `started`, and says
    /// how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_sign_ins(&self, seen: i64, started: i64) -> Result<usize, StoreError> {
        Ok(self
            .sql
            .prepare_cached("DELETE FROM sign_ins WHERE seen_at <= ?1 OR started_at <= ?2")?
            .execute([seen, started])?)
    }

    /// Who a provider's subject is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Person>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT person FROM identities WHERE issuer = ?1 AND subject = ?2")?;
        let mut rows = statement.query([issuer, subject])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self.person_of(row.get(0)?)
    }

    /// Notes who a provider's subject is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_identity(&self, issuer: &str, subject: &str, person: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT INTO identities (issuer, subject, person) VALUES (?1, ?2, ?3)")?
            .execute(params![issuer, subject, person])?;
        Ok(())
    }
}
