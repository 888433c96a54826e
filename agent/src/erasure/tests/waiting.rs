//! What Label Studio told of, and what is no item yet.

use super::*;

#[test]
fn what_label_studio_said_and_is_no_item_yet_goes_too() {
    let (scratch, row) = testing::with_project();
    let store = &scratch.store;
    let steward = testing::person(store, "sam", Role::Steward);
    let name = row.definition.name.as_str();
    let rules = format!("name = \"{name}\"\nid = \"key\"\nsubject = \"patient\"");
    let rules: Source = toml::from_str(&rules).unwrap();
    let task = |id: u64, patient: &str| json!({"id": id, "data": {"key": format!("k{id}"), "patient": patient}});
    let annotated = |id: u64, patient: &str| {
        let annotation = json!({"id": id, "updated_at": "2026-11-01T00:00:00Z"});
        json!({"Annotation": {"annotation": annotation, "task": task(id, patient)}})
    };
    let said = [
        json!({"Tasks": [task(1, "p-1"), task(2, "p-2"), task(3, "p-1"), task(4, "p-3")]}),
        json!({"Tasks": [task(5, "p-1")]}),
        annotated(6, "p-1"),
        annotated(7, "p-2"),
        json!({"Deleted": {"annotation": 8}}),
    ];
    store
        .tx("test", |tx| {
            for (at, event) in said.iter().enumerate() {
                tx.add_studio_event(row.project, &at.to_string(), event.to_string().as_bytes(), 1)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let left = || {
        let events = store.read("test", |tx| tx.unmet_studio_events(row.project, 0, 100)).unwrap();
        let all = events.iter().map(|row| String::from_utf8(row.body.clone()).unwrap());
        all.collect::<Vec<_>>().join("\n")
    };
    let sources = std::slice::from_ref(&rules);
    let subject = Target::Subject("p-1", None);
    assert_eq!(preview(store, &steward, (subject, sources)).unwrap().waiting, 4);
    assert_eq!(left().matches("p-1").count(), 4, "it was only looked at");
    let erased = erase(store, &steward, (subject, sources), "", 50).unwrap();
    assert_eq!((erased.items, erased.waiting), (0, 4));
    assert_eq!(left().matches("p-1").count(), 0, "{}", left());
    assert_eq!(left().lines().count(), 3, "the others' and what is of nobody: {}", left());
    assert!(erase(store, &steward, (subject, sources), "", 51).unwrap().before);

    let item = Target::Item("k2", &row);
    assert_eq!(erase(store, &steward, (item, sources), "", 52).unwrap().waiting, 1);
    assert!(left().contains("k4") && left().contains("k7") && !left().contains("k2"));
    // Nobody can say any more whose the rest is.
    let unknown = erase(store, &steward, (Target::Subject("p-9", None), &[]), "", 53).unwrap();
    assert_eq!((unknown.waiting, left().as_str()), (2, said[4].to_string().as_str()));
}
