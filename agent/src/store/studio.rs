//! Label Studio's events, its tasks and its annotations.

use rusqlite::{OptionalExtension, Row, params};

use crate::store::{Cell, StoreError, Tx, unsigned};

/// How the names of events that tell of tasks begin.
pub const TASKS: &str = "tasks ";
/// How the names of events begin that tell that an annotation is gone.
pub const DELETION: &str = "deleted annotation ";

/// Something that Label Studio said and that is not taken yet, its body opened.
#[derive(Clone)]
pub struct EventRow {
    /// Key in this store; ascends by arrival, or by when it was put off last.
    pub event: i64,
    /// The item that it is about, once that is known.
    pub item: Option<i64>,
    /// Encoded.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for EventRow {
    /// Without what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventRow({}, item {:?})", self.event, self.item)
    }
}

/// How far one of Label Studio's annotations has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StudioAnnotation {
    /// Its number there.
    pub annotation: u64,
    /// Its task's number, where it was heard of.
    pub task: Option<u64>,
    /// When it was changed last, Unix microseconds.
    pub version: i64,
    /// The item.
    pub item: Option<i64>,
    /// Whose annotation it became here, and under which key.
    pub became: Option<(i64, String)>,
    /// It is gone there, and stays so.
    pub deleted: bool,
}

impl Tx<'_> {
    /// Keeps an event, unless one of its name is known; whether it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_studio_event(
        &self,
        project: i64,
        name: &str,
        body: &[u8],
        now: i64,
    ) -> Result<bool, StoreError> {
        let known = "SELECT 1 FROM studio_events WHERE project = ?1 AND name = ?2";
        if self.sql.prepare_cached(known)?.exists(params![project, name])? {
            return Ok(false);
        }
        let sealed = self.seal(cell(&row_name(project, name)), body)?;
        self.sql
            .prepare_cached(
                "INSERT INTO studio_events (project, name, received_at, body)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![project, name, now, sealed])?;
        Ok(true)
    }

    /// Whether an event of this name waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn studio_event_waits(&self, project: i64, name: &str) -> Result<bool, StoreError> {
        let waits = "SELECT 1 FROM studio_events
             WHERE project = ?1 AND name = ?2 AND taken_at IS NULL";
        Ok(self.sql.prepare_cached(waits)?.exists(params![project, name])?)
    }

    /// Forgets what could not be taken, and of which tasks was told, unless it has done so in the same
    /// `circumstances`: what Label Studio still says is new when it is told again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_studio_faults(
        &self,
        project: i64,
        circumstances: &[u8; 32],
    ) -> Result<(), StoreError> {
        let name = format!("studio-circumstances-{project}");
        if self.meta(&name)?.as_deref() == Some(circumstances) {
            return Ok(());
        }
        self.set_meta(&name, circumstances)?;
        let taken = "DELETE FROM studio_events WHERE project = ?1 AND taken_at IS NOT NULL";
        self.sql.execute(&format!("{taken} AND fault IS NOT NULL"), [project])?;
        self.sql.execute(&format!("{taken} AND name GLOB '{TASKS}*'"), [project])?;
        Ok(())
    }

    /// Forgets that an event was taken: it is new when it is told again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_studio_event(&self, project: i64, name: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "DELETE FROM studio_events
                 WHERE project = ?1 AND name = ?2 AND taken_at IS NOT NULL",
            )?
            .execute(params![project, name])?;
        Ok(())
    }

    /// Events of a project that are not taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting_studio_events(&self, project: i64) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM studio_events WHERE taken_at IS NULL AND project = ?1",
            project,
        )
    }

    /// Events that can be worked on, in their order: deletions, those whose item has been routed, and,
    /// if asked for, all others about no item yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ready_studio_events(
        &self,
        project: i64,
        new: bool,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let ready = if new {
            "e.item IS NULL OR i.route IS NOT NULL".to_owned()
        } else {
            format!("i.route IS NOT NULL OR e.name GLOB '{DELETION}*'")
        };
        self.studio_events(project, &ready, limit)
    }

    /// Events about no item yet behind `after`, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unmet_studio_events(
        &self,
        project: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let which = format!("e.item IS NULL AND e.event > {after}");
        self.studio_events(project, &which, limit)
    }

    /// Puts another body in place of what an event said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_studio_event_body(
        &self,
        project: i64,
        event: i64,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let name: String = self
            .sql
            .prepare_cached("SELECT name FROM studio_events WHERE event = ?1")?
            .query_row([event], |row| row.get(0))?;
        let sealed = self.seal(cell(&row_name(project, &name)), body)?;
        self.sql
            .prepare_cached("UPDATE studio_events SET body = ?2 WHERE event = ?1")?
            .execute(params![event, sealed])?;
        Ok(())
    }

    /// Has an event wait behind all others, with another body; `fault` is why what is no longer in it
    /// could not be taken. Nothing is done where some of it was erased since it was read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn postpone_studio_event(
        &self,
        project: i64,
        EventRow { event, body: read, .. }: &EventRow,
        body: &[u8],
        fault: Option<&str>,
    ) -> Result<(), StoreError> {
        let now = self.studio_events(project, &format!("e.event = {event}"), 1)?;
        if now.first().is_none_or(|now| now.body != *read) {
            return Ok(());
        }
        self.set_studio_event_body(project, *event, body)?;
        self.sql
            .prepare_cached(
                "UPDATE studio_events SET fault = coalesce(?2, fault),
                   event = (SELECT max(event) + 1 FROM studio_events) WHERE event = ?1",
            )?
            .execute(params![event, fault])?;
        Ok(())
    }

    /// Removes an event that waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_studio_event(&self, event: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM studio_events WHERE event = ?1")?.execute([event])?;
        Ok(())
    }

    /// Events about no item yet but deletions, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new_studio_events(&self, project: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let which = format!("e.item IS NULL AND e.name NOT GLOB '{DELETION}*'");
        self.studio_events(project, &which, limit)
    }

    fn studio_events(
        &self,
        project: i64,
        which: &str,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let sql = format!(
            "SELECT e.event, e.name, e.item, e.body FROM studio_events e
             LEFT JOIN items i ON i.item = e.item
             WHERE e.taken_at IS NULL AND e.project = ?1 AND ({which})
             ORDER BY e.event LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let (name, sealed): (String, Vec<u8>) = (row.get(1)?, row.get(3)?);
            let body = self.open(cell(&row_name(project, &name)), &sealed)?;
            all.push(EventRow { event: row.get(0)?, item: row.get(2)?, body });
        }
        Ok(all)
    }

    /// The event waits for this item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_studio_event_item(&self, event: i64, item: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE studio_events SET item = ?2 WHERE event = ?1")?
            .execute(params![event, item])?;
        Ok(())
    }

    /// Nothing more is to be done about an event, or nothing can be, for a reason; that of a part of it
    /// stays. What it said is forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_studio_event(
        &self,
        event: i64,
        fault: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE studio_events SET taken_at = ?2, fault = coalesce(?3, fault), body = NULL
                 WHERE event = ?1",
            )?
            .execute(params![event, now, fault])?;
        Ok(())
    }

    /// The latest events that could not be taken: what they are about, and why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn studio_faults(
        &self,
        project: i64,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT name, fault FROM studio_events
             WHERE project = ?1 AND fault IS NOT NULL ORDER BY event DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![project, limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The item of a task.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn studio_task(&self, project: i64, task: u64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT item FROM studio_tasks WHERE project = ?1 AND task = ?2")?
            .query_row(params![project, task], |row| row.get(0))
            .optional()?)
    }

    /// Notes the item of a task.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_studio_task(&self, project: i64, task: u64, item: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO studio_tasks (project, task, item) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![project, task, item])?;
        Ok(())
    }

    /// How many tasks are known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn studio_task_count(&self, project: i64) -> Result<u64, StoreError> {
        self.count("SELECT count(*) FROM studio_tasks WHERE project = ?1", project)
    }

    /// Whether an item has been prelabeled, or never will be: nobody could clean it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_drafted(&self, item: i64) -> Result<bool, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT 1 FROM items WHERE item = ?1 AND (route IS NOT NULL OR stage = 7)",
            )?
            .exists([item])?)
    }

    /// The item of a task, if it has a draft by another maker than the one that Label Studio has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unbrought_draft(&self, project: i64, task: u64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT t.item FROM studio_tasks t JOIN items i USING (item)
                 WHERE t.project = ?1 AND t.task = ?2 AND i.prelabel IS NOT NULL
                   AND i.audit <> 1 AND t.brought IS NOT i.bundle",
            )?
            .query_row(params![project, task], |row| row.get(0))
            .optional()?)
    }

    /// Label Studio has the draft by this maker.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_brought(&self, project: i64, task: u64, maker: &[u8; 32]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE studio_tasks SET brought = ?3 WHERE project = ?1 AND task = ?2",
            )?
            .execute(params![project, task, maker])?;
        Ok(())
    }

    /// What is known of an annotation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn studio_annotation(
        &self,
        project: i64,
        annotation: u64,
    ) -> Result<Option<StudioAnnotation>, StoreError> {
        let sql = format!("{ANNOTATION} WHERE project = ?1 AND annotation = ?2");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, annotation])?;
        rows.next()?.map(annotation_row).transpose()
    }

    /// The greatest number of an annotation that was heard of; 0 where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_studio_annotation(&self, project: i64) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(annotation), 0) FROM studio_annotations WHERE project = ?1";
        let newest = self.sql.prepare_cached(sql)?.query_row([project], |row| row.get(0))?;
        unsigned(newest, "studio_annotations", "annotation")
    }

    /// The annotations of a task that were not deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn live_studio_annotations(
        &self,
        project: i64,
        task: u64,
    ) -> Result<Vec<StudioAnnotation>, StoreError> {
        let sql = format!("{ANNOTATION} WHERE project = ?1 AND task = ?2 AND deleted = 0");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, task])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(annotation_row(row)?);
        }
        Ok(all)
    }

    /// Notes what is known of an annotation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_studio_annotation(
        &self,
        project: i64,
        known: &StudioAnnotation,
    ) -> Result<(), StoreError> {
        let StudioAnnotation { annotation, task, version, item, became, deleted } = known;
        let (person, key) = became.clone().unzip();
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO studio_annotations
                   (project, annotation, task, version, item, person, key, deleted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![project, annotation, task, version, item, person, key, deleted])?;
        Ok(())
    }
}

const ANNOTATION: &str = "SELECT annotation, task, version, item, person, key, deleted
                          FROM studio_annotations";

fn annotation_row(row: &Row<'_>) -> Result<StudioAnnotation, StoreError> {
    let (person, key): (Option<i64>, Option<String>) = (row.get(4)?, row.get(5)?);
    let number = |number: i64, column| unsigned(number, "studio_annotations", column);
    Ok(StudioAnnotation {
        annotation: number(row.get(0)?, "annotation")?,
        task: row.get::<_, Option<i64>>(1)?.map(|task| number(task, "task")).transpose()?,
        version: row.get(2)?,
        item: row.get(3)?,
        became: person.zip(key),
        deleted: row.get(6)?,
    })
}

/// A row's name: no project's event opens as another's.
fn row_name(project: i64, name: &str) -> Vec<u8> {
    [&project.to_le_bytes(), name.as_bytes()].concat()
}

fn cell(name: &[u8]) -> Cell<'_> {
    Cell { table: "studio_events", row: name, column: "body" }
}
