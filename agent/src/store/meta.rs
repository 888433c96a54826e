//! Single values, and the keys of the hashes that stand for subjects and items.

use insitu_daemon::seal::Sealer;
use insitu_protocol::ids::Digest;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use crate::store::{Cell, StoreError, Tx};

/// Meta name of the sealed hash key.
const KEY: &str = "hash-key";
/// Meta name of the hash of the configuration that the daemon had when it started last.
const SETTINGS: &str = "settings";
/// Meta name of what the daemon says about itself.
const LIVE: &str = "live";
/// Meta name of the list whose orders are heard.
const ORDER_LIST: &str = "order-list";
/// Meta name of the number of the last order applied of that list.
const LAST_ORDER: &str = "last-order";

/// What the running daemon says about itself, for commands that ask while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Whether the coordinator answers.
    pub connected: bool,
    /// When it last did, Unix seconds.
    pub last_contact: Option<i64>,
    /// Why it does not, or what is wrong although it does.
    pub trouble: Option<String>,
    /// The inference engine, once a model has needed it.
    pub engine: Option<String>,
    /// What waits, and why.
    pub waits: Vec<Wait>,
    /// How fast items are redacted and drafted, of projects where they are.
    pub paces: Vec<Pace>,
}

/// How fast a project's items come to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The project.
    pub project: String,
    /// Items redacted in a minute, as of late.
    pub redacted_a_minute: u64,
    /// Items drafted in a minute, or handed over to people without a draft.
    pub drafted_a_minute: u64,
}

/// Something that makes way for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// `prelabeling` or `training`.
    pub work: String,
    /// Why, in words.
    pub reason: String,
    /// When the first of the orders that wait closes, Unix seconds.
    pub closes: Option<i64>,
}

/// The key of this store's hashes. It never leaves the store, so nobody can recompute a hash from
/// a known patient number.
pub(crate) struct Keys([u8; 32]);

impl Keys {
    pub(super) fn open_or_create(
        connection: &mut Connection,
        sealer: &Sealer,
    ) -> Result<Self, StoreError> {
        let cell = Cell { table: "meta", row: KEY.as_bytes(), column: "value" };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        if let Some(sealed) = value(&tx, KEY)? {
            return Self::open(sealer, cell, &sealed);
        }
        drop(tx);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut key = [0; 32];
        getrandom::fill(&mut key)
            .map_err(|_| StoreError::Corrupt { table: "meta", column: KEY })?;
        let sealed = super::seal(sealer, cell, &key)?;
        tx.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![KEY, sealed],
        )?;
        let stored = value(&tx, KEY)?.unwrap_or(sealed);
        tx.commit()?;
        Self::open(sealer, cell, &stored)
    }

    fn open(sealer: &Sealer, cell: Cell<'_>, sealed: &[u8]) -> Result<Self, StoreError> {
        let plain = super::open(sealer, cell, sealed)?;
        super::fixed(&plain, "meta", "value").map(Self)
    }

    pub(super) fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = self.hasher(domain);
        parts.iter().for_each(|part| add_part(&mut hasher, part));
        *hasher.finalize().as_bytes()
    }

    fn hasher(&self, domain: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        add_part(&mut hasher, domain.as_bytes());
        hasher
    }
}

/// With its length before it, no part can be mistaken for the end of another.
fn add_part(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(part);
}

/// Tells what stands for a subject in the store, without the store: the keyed hash that it was begun
/// with, from which its key cannot be read.
#[derive(Clone)]
pub struct Subjects(blake3::Hasher);

impl std::fmt::Debug for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subjects(..)")
    }
}

/// The name of a subject however a format writes it: a FHIR reference to a patient of the same server
/// (`Patient/7`, also to one version) is that patient's id, as HL7 messages and tables have it. One to
/// another server stays what it is: that server's patient of the same id may be somebody else.
fn subject_name(subject: &str) -> &str {
    let subject = subject.trim();
    let patient = subject.strip_prefix("Patient/").map(|id| id.split('/').next().unwrap_or(id));
    patient.filter(|id| !id.is_empty()).unwrap_or(subject)
}

impl Subjects {
    /// What stands for a subject, the same in every project of the site and however it is written.
    pub fn hash(&self, subject: &str) -> [u8; 32] {
        self.hash_of(subject_name(subject))
    }

    /// Whether this stands for a subject, or did when references stood for themselves.
    pub fn is(&self, hash: &[u8; 32], subject: &str) -> bool {
        self.hash(subject) == *hash || self.hash_of(subject.trim()) == *hash
    }

    /// What stands for a subject of exactly this name.
    fn hash_of(&self, subject: &str) -> [u8; 32] {
        let mut hasher = self.0.clone();
        add_part(&mut hasher, subject.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl Tx<'_> {
    /// What stands for each subject at this site.
    pub fn subjects(&self) -> Subjects {
        Subjects(self.keys.hasher("subject"))
    }

    /// What stands for a subject, the same in every project of the site and however it is written; of
    /// one whose items were imported, or that was erased, when references stood for themselves, what
    /// stood for it then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn subject_hash(&self, subject: &str) -> Result<[u8; 32], StoreError> {
        let subjects = self.subjects();
        let written = subject.trim();
        if written != subject_name(subject) {
            let before = subjects.hash_of(written);
            let known = "SELECT 1 FROM items WHERE subject = ?1 UNION ALL
                 SELECT 1 FROM erased WHERE hash = ?1 LIMIT 1";
            if self.sql.prepare_cached(known)?.exists([before])? {
                return Ok(before);
            }
        }
        Ok(subjects.hash(subject))
    }

    /// What stands for the site's own id of an item.
    pub fn source_hash(&self, project: &str, id: &str) -> [u8; 32] {
        self.keys.hash("source", &[project.as_bytes(), id.as_bytes()])
    }

    /// A stable pseudo-random choice: the first of `out_of` equal shares holds `share` of it.
    pub fn chosen(&self, purpose: &str, name: &[u8], share: u16, out_of: u16) -> bool {
        let hash = self.keys.hash(purpose, &[name]);
        let (first, _) = hash.as_chunks::<8>();
        let draw = first.first().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // The bias of the remainder is below out_of / 2^64.
        draw % u64::from(out_of.max(1)) < u64::from(share)
    }

    /// A key of 32 bytes for one purpose, derived from the store's own.
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        self.keys.hash("derived", &[purpose.as_bytes()])
    }

    /// A single value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value(self.sql, name)
    }

    /// Sets a single value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO meta (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, value])?;
        Ok(())
    }

    /// Removes a single value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_meta(&self, name: &str) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM meta WHERE name = ?1", [name])?;
        Ok(())
    }

    /// The hash of the configuration that the daemon had when it started last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settings(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.meta(SETTINGS)
    }

    /// The daemon starts with the configuration of this hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_settings(&self, hash: &Digest) -> Result<(), StoreError> {
        self.set_meta(SETTINGS, &hash.0)
    }

    /// What the daemon last said about itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn live(&self) -> Result<Live, StoreError> {
        let Some(bytes) = self.meta(LIVE)? else { return Ok(Live::default()) };
        // What a daemon of another version said does not hold for this one.
        Ok(postcard::from_bytes(&bytes).unwrap_or_default())
    }

    /// Records what the daemon says about itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_live(&self, live: &Live) -> Result<(), StoreError> {
        let bytes = postcard::to_allocvec(live)
            .map_err(|_| StoreError::Corrupt { table: "meta", column: LIVE })?;
        self.set_meta(LIVE, &bytes)
    }

    /// Says whose orders are heard from now on. Each list counts by itself: of another one than
    /// before, none is applied yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hear_orders_of(&self, list: &Digest) -> Result<(), StoreError> {
        if self.meta(ORDER_LIST)?.as_deref() != Some(&list.0) {
            self.set_meta(ORDER_LIST, &list.0)?;
            self.clear_meta(LAST_ORDER)?;
        }
        Ok(())
    }

    /// Number of the last order applied; 0 for none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_order(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.meta(LAST_ORDER)? else { return Ok(0) };
        super::fixed(&bytes, "meta", LAST_ORDER).map(u64::from_le_bytes)
    }

    /// Place of a new order among all that were applied: its number, and above every other's also
    /// when they were of a list with higher numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_place(&self, number: u64) -> Result<u64, StoreError> {
        let newest = "SELECT coalesce(max(number), 0) FROM
             (SELECT number FROM bundles UNION ALL SELECT number FROM campaigns
              UNION ALL SELECT number FROM function_sets)";
        let newest = self.sql.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
        Ok(number.max(super::unsigned(newest, "orders", "number")? + 1))
    }

    /// Records that the order is applied.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_last_order(&self, number: u64) -> Result<(), StoreError> {
        self.set_meta(LAST_ORDER, &number.to_le_bytes())
    }
}

fn value(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use crate::store::StoreError;
    use crate::store::tests::scratch;

    #[test]
    fn a_subject_is_the_same_however_it_is_written() {
        let scratch = scratch();
        let hash =
            |subject: &str| scratch.store.read("test", |tx| tx.subject_hash(subject)).unwrap();
        for same in ["Patient/7", " Patient/7 ", "Patient/7/_history/3", " 7"] {
            assert_eq!(hash(same), hash("7"), "{same}");
        }
        for other in ["patient/7", "Patient/", "Group/7", "https://a.example/fhir/Patient/7", "7/8"]
        {
            assert_ne!(hash(other), hash("7"), "{other}");
        }
        assert_ne!(hash("Patient/"), hash(""));
    }

    /// What was imported, or erased, when references stood for themselves stays the subject's.
    #[test]
    fn what_stood_for_a_reference_before_goes_on_to() {
        for statement in [
            "INSERT INTO erased (hash, project, at) VALUES (?1, 0, 1)",
            "INSERT INTO items (opaque, project, source, subject, holdout, stage)
             VALUES (x'01', 1, x'02', ?1, 0, 0)",
        ] {
            let (scratch, _) = crate::testing::with_project();
            let store = &scratch.store;
            let hash = |subject: &str| store.read("test", |tx| tx.subject_hash(subject)).unwrap();
            let (before, plain) = (
                store.read("test", |tx| Ok::<_, StoreError>(tx.subjects().hash_of("Patient/7"))),
                hash("7"),
            );
            let before = before.unwrap();
            assert_eq!(hash("Patient/7"), plain);
            let put = |tx: &crate::store::Tx<'_>| {
                Ok::<_, StoreError>(tx.sql.execute(statement, [before])?)
            };
            store.tx("test", put).unwrap();
            assert_eq!(
                (hash("Patient/7"), hash("7"), hash("Patient/8") == before),
                (before, plain, false)
            );
            let is = |tx: &crate::store::Tx<'_>| {
                Ok::<_, StoreError>(tx.subjects().is(&before, "Patient/7"))
            };
            assert!(store.read("test", is).unwrap());
        }
    }

    #[test]
    fn hashes_differ_by_domain_project_and_store() {
        let (one, two) = (scratch(), scratch());
        let hashes = |store: &crate::store::Store| {
            store
                .read("test", |tx| {
                    Ok::<_, StoreError>([
                        tx.subject_hash("a")?,
                        tx.source_hash("", "a"),
                        tx.source_hash("a", ""),
                    ])
                })
                .unwrap()
        };
        let mut all: Vec<[u8; 32]> = hashes(&one.store).into();
        all.extend(hashes(&two.store));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn a_share_is_stable_and_about_right() {
        let scratch = scratch();
        scratch
            .store
            .read("test", |tx| {
                let chosen = |i: u32| tx.chosen("overlap", &i.to_le_bytes(), 200, 1000);
                let count = (0..5000).filter(|i| chosen(*i)).count();
                assert!((800..1200).contains(&count), "{count} of 5000 at one fifth");
                assert!((0..5000).all(|i| chosen(i) == chosen(i)));
                assert!((0..50).all(|i: u32| !tx.chosen("x", &i.to_le_bytes(), 0, 1000)));
                assert!((0..50).all(|i: u32| tx.chosen("x", &i.to_le_bytes(), 1000, 1000)));
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn the_last_order_of_a_list_is_remembered() {
        let scratch = scratch();
        let heard = |list| {
            let list = Fixed([list; 32]);
            scratch.store.tx("test", |tx| tx.hear_orders_of(&list).and_then(|()| tx.last_order()))
        };
        assert_eq!(heard(1).unwrap(), 0);
        scratch.store.tx("test", |tx| tx.set_last_order(7)).unwrap();
        assert_eq!(heard(1).unwrap(), 7);
        assert_eq!(heard(2).unwrap(), 0, "another site's, or another federation's");
    }
}
