//! The stages of review that a project's labels go through before they are final, and who may be a
//! reviewer of an item.

use rusqlite::params;

use crate::store::items::Stage;
use crate::store::labels::Person;
use crate::store::roles::Role;
use crate::store::{StoreError, Tx, unsigned};

const TABLE: &str = "review_stages";

/// A stage of review of a project's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewStage {
    /// Who reviews, beside whoever may do all that this role may.
    pub role: Role,
    /// Share of the labels that come here, in thousandths.
    pub share: u16,
    /// Whose labels come here, by their places in the taxonomy; those of every class where it is
    /// empty.
    pub classes: Vec<u16>,
}

impl ReviewStage {
    /// Whether a label that names these classes comes here, as far as classes decide it.
    pub fn takes(&self, named: &[u16]) -> bool {
        self.classes.is_empty() || named.iter().any(|class| self.classes.contains(class))
    }
}

impl Tx<'_> {
    /// The stages of a project, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn review_stages(&self, project: i64) -> Result<Vec<ReviewStage>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT role, share, classes FROM review_stages WHERE project = ?1 ORDER BY stage",
        )?;
        let mut rows = statement.query([project])?;
        let mut stages = Vec::new();
        while let Some(row) = rows.next()? {
            let (role, classes): (String, Vec<u8>) = (row.get(0)?, row.get(2)?);
            let (pairs, rest) = classes.as_chunks::<2>();
            if !rest.is_empty() {
                return Err(StoreError::Corrupt { table: TABLE, column: "classes" });
            }
            stages.push(ReviewStage {
                role: Role::named(&role)
                    .ok_or(StoreError::Corrupt { table: TABLE, column: "role" })?,
                share: row.get(1)?,
                classes: pairs.iter().copied().map(u16::from_le_bytes).collect(),
            });
        }
        Ok(stages)
    }

    /// Replaces the stages of a project; for one that was not at its place before, nothing counts
    /// that was said until now. Where items wait is the caller's to put right.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_review_stages(
        &self,
        project: i64,
        stages: &[ReviewStage],
    ) -> Result<(), StoreError> {
        let before = self.review_stages(project)?;
        let sql = "DELETE FROM review_stages WHERE project = ?1 AND stage >= ?2";
        self.sql.execute(sql, params![project, stages.len()])?;
        let others = (0_u8..)
            .zip(stages)
            .filter(|(at, stage)| before.get(usize::from(*at)).is_none_or(|other| other != *stage));
        for (at, ReviewStage { role, share, classes }) in others {
            let classes: Vec<u8> = classes.iter().flat_map(|class| class.to_le_bytes()).collect();
            self.sql.execute(
                "INSERT OR REPLACE INTO review_stages (project, stage, role, share, classes, since)
                 VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(annotation), 0) FROM annotations))",
                params![project, at, role.name(), share, classes],
            )?;
        }
        Ok(())
    }

    /// The stages of review in which somebody has approved or corrected an item's label, since they are
    /// what they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reviewed(&self, item: i64) -> Result<Vec<u8>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT a.review FROM annotations a
             JOIN items i ON i.item = a.item
             JOIN review_stages s ON s.project = i.project AND s.stage = a.review
             WHERE a.item = ?1 AND a.verdict = 0 AND a.annotation > s.since",
        )?;
        let rows = statement.query_map([item], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Whether a person has said something of an item, in whatever reading: a label or a flag. Who
    /// only passed over it has not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_read(&self, item: i64, person: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM annotations WHERE item = ?1 AND person = ?2 AND verdict <> 1";
        Ok(self.sql.prepare_cached(sql)?.exists([item, person])?)
    }

    /// Keys above `after` of items that wait for a reviewer, least first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_review(&self, project: i64, after: i64, limit: u32) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT item FROM items WHERE project = ?1 AND stage = ?2 AND item > ?3
             ORDER BY item LIMIT ?4",
        )?;
        let rows = statement
            .query_map(params![project, Stage::Review as i64, after, limit], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Keys of the items that wait in a stage of work, and of review if one is given, least first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn oldest_in(
        &self,
        project: i64,
        stage: Stage,
        review: Option<u8>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT item FROM items WHERE project = ?1 AND stage = ?2 AND generator IS NULL
               AND (?3 IS NULL OR review = ?3) ORDER BY item LIMIT ?4",
        )?;
        let rows =
            statement.query_map(params![project, stage as i64, review, limit], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// How many items wait for a reviewer in a stage of review.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting_in_review(&self, project: i64, review: u8) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM items
             WHERE project = ?1 AND stage = 8 AND generator IS NULL AND review = ?2";
        let count =
            self.sql.prepare_cached(sql)?.query_row([project, review.into()], |row| row.get(0))?;
        unsigned(count, "items", "review")
    }

    /// The stages of review in which a person may review now.
    pub(super) fn stages_of_reviewer(
        &self,
        project: i64,
        person: &Person,
        now: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let stages = (0..).zip(self.review_stages(project)?);
        Ok(stages.filter(|(_, stage)| person.may_review(stage.role, now)).map(|it| it.0).collect())
    }
}
