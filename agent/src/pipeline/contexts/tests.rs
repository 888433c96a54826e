use serde_json::json;

use crate::item::{RawItem, Value};
use crate::pipeline::Redactors;
use crate::review::{Context, contexts};
use crate::store::Tx;
use crate::store::items::Stage;
use crate::store::labels::Role;
use crate::store::tests::Scratch;
use crate::testing;

use super::*;

const RULES: &str = "mode = \"surrogate\"\n[fields]\n\"context.sensor\" = \"keep\"\n";

struct Site {
    scratch: Scratch,
    row: ProjectRow,
    redactors: Redactors,
    file: std::path::PathBuf,
    application: i64,
}

/// A site with an item of Jane Roe, not redacted yet, and these rules.
fn site(rules: &str) -> Site {
    let (scratch, row) = testing::with_project();
    let file = scratch.folder.path().join("redaction.toml");
    std::fs::write(&file, rules).unwrap();
    let redactors = Redactors::new([(row.definition.name.clone(), file.clone())].into());
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = vec![("patientName".to_owned(), text("Zorbexia Quandlethorp"))];
    let item = RawItem::new("a".to_owned(), "p-17".to_owned(), false, fields);
    scratch.store.tx("test", |tx| item.add(tx, row.project, "heart")).unwrap();
    let application = testing::person(&scratch.store, "viewer", Role::Application).person;
    Site { scratch, row, redactors, file, application }
}

impl Site {
    fn said(&self, key: &str, context: serde_json::Value) {
        let said = crate::edge::Said {
            key: key.to_owned(),
            label: "present".into(),
            at: None,
            seconds: 1.0,
            context: serde_json::from_value(context).unwrap(),
            fields: None,
        };
        let texts = testing::Masks::default();
        let from = (self.application, "a");
        crate::edge::correct(&self.scratch.store, &texts, &self.row, from, &said, 5).unwrap();
    }

    /// What the pipeline does with them; `false` when there is nothing to do, or they wait.
    fn work(&mut self) -> bool {
        let store = &self.scratch.store;
        let rows = store.read("test", |tx| tx.raw_contexts(self.row.project, 100)).unwrap();
        match self.redactors.of(store, &self.row.definition.name).unwrap() {
            Some(redactor) if !rows.is_empty() => redact(store, redactor, &rows).unwrap(),
            Some(_) | None => return false,
        }
        true
    }

    fn context(&self, key: &str) -> Option<Context> {
        let mut all = self.scratch.store.read("test", |tx| contexts(tx, 1)).unwrap();
        all.remove(&(self.application, key.to_owned()))
    }

    fn told(&self, key: &str) -> serde_json::Value {
        self.context(key).unwrap().recorded()
    }
}

#[test]
fn a_context_is_redacted_by_the_site_s_rules_and_goes_with_its_subject() {
    let mut site = site(RULES);
    let sent = json!({
        "time": "shift of 2024-03-01", "place": "bed of Quandlethorp, call (216) 555-0199",
        "sensor": "probe of 2024-03-01",
    });
    site.said("k", sent.clone());
    site.said("none", json!({}));
    assert_eq!((site.context("k"), site.context("none")), (Some(Context::Waiting), None));
    assert!(site.work() && !site.work(), "once");
    let clean = site.told("k");
    let part = |name: &str| clean[name].as_str().unwrap();
    assert!(part("time").starts_with("shift of 20") && part("time") != "shift of 2024-03-01");
    assert!(!part("place").contains("Quandlethorp"), "the item's own fields tell of whom it is");
    assert!(part("place").starts_with("bed of ") && !part("place").contains("555-0199"), "{clean}");
    assert_eq!(part("sensor"), "probe of 2024-03-01", "as the site's rule says");

    // Other rules are for what comes from then on, as with items.
    std::fs::write(&site.file, "mode = \"mask\"\n").unwrap();
    site.said("later", sent);
    assert!(site.work());
    assert_eq!(site.told("k"), clean);
    assert_eq!(site.told("later")["sensor"], "probe of [DATE]");

    let originals = |site: &Site| {
        let read = site.scratch.store.read("test", |tx| tx.kept_of(1)).unwrap();
        read.into_iter().map(|kept| kept.original).collect::<Vec<_>>()
    };
    assert!(originals(&site).iter().any(|original| original.contains("555-0199")));
    let erase = |tx: &Tx<'_>| {
        let doomed = tx.doomed(1)?.expect("the only item");
        tx.erase_items(&[doomed])
    };
    let taken = site.scratch.store.tx("test", erase).unwrap();
    assert!(taken.originals > 0 && originals(&site).is_empty());
    assert!(site.context("k").is_none() && site.context("later").is_none());
}

#[test]
fn what_cannot_be_redacted_is_withheld_until_it_can() {
    let mut site = site("mode = \"blur\"\n");
    site.said("k", json!({"place": "A".repeat(200), "time": "night"}));
    assert!(!site.work(), "the settings are refused");
    assert_eq!(site.context("k"), Some(Context::Waiting));

    let rows = |site: &Site| {
        site.scratch.store.read("test", |tx| tx.raw_contexts(site.row.project, 100)).unwrap()
    };
    // An item whose content does not decode tells nothing of whom it is about.
    let raw = rows(&site).remove(0);
    let lost = CorrectionRow { item: 99, ..raw };
    std::fs::write(&site.file, RULES).unwrap();
    let store = &site.scratch.store;
    let redactor = site.redactors.of(store, &site.row.definition.name).unwrap().unwrap();
    assert!(clean(store, redactor, &lost).is_err());

    let withhold = |tx: &Tx<'_>| {
        tx.withhold_context(
            &tx.raw_contexts(site.row.project, 1)?[0],
            "too-much-work: recognizer x",
        )
    };
    store.tx("test", withhold).unwrap();
    assert_eq!(site.context("k"), Some(Context::Withheld), "none of its parts is shown");
    let withheld = store.read("test", |tx| tx.withheld_contexts(site.row.project)).unwrap();
    assert_eq!(withheld, [("too-much-work: recognizer x".to_owned(), 1)]);
    assert!(!site.work());
    let retry = |tx: &Tx<'_>| tx.retry_withheld_contexts(site.row.project);
    assert_eq!(site.scratch.store.tx("test", retry).unwrap(), 1);
    assert!(site.work());
    assert_eq!(site.told("k")["time"], "night");
    let raw = site.scratch.store.read("test", |tx| tx.items_in_stage(1, Stage::New, 0, 9)).unwrap();
    assert_eq!(raw.len(), 1, "the item waits on its own");
}
