use insitu_models::manifest::Sentence;
use insitu_protocol::request::CHUNK_BYTES_MAX;

use super::*;
use crate::registry;
use crate::tests::{NOW, Scene, bundle, name, project};

fn active(scene: &Scene) -> Digest {
    scene.store.read("active", |tx| tx.active_publication(&name())).unwrap().unwrap().bundle
}

/// A second bundle, registered but not published.
fn candidate(scene: &Scene) -> Digest {
    let first = bundle();
    let weights = first.head().weights().iter().map(|weight| weight * 0.5).collect();
    let head = insitu_models::head::Head::new(2, 34, weights).unwrap();
    let next = first.successor(head, Sentence::new("for a test").unwrap()).unwrap();
    scene.store.write("register", |tx| scene.registry.register(tx, &next, &project(), NOW)).unwrap()
}

#[test]
fn publish_promote_and_roll_back() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    let second = candidate(&scene);
    assert_eq!(active(&scene), first);
    let states = || -> Vec<&'static str> {
        let report = registry::report(&scene.store, Some(&name())).unwrap();
        let state = |of| report.iter().find(|bundle| bundle.bundle == of).unwrap().state;
        vec![state(first), state(second)]
    };
    assert_eq!(states(), ["active", "candidate"]);
    promote(&scene.store, &scene.key, second, NOW).unwrap();
    promote(&scene.store, &scene.key, second, NOW).unwrap(); // changes nothing
    assert_eq!(states(), ["published", "active"]);
    assert_eq!(rollback(&scene.store, &name(), NOW).unwrap(), first);
    assert_eq!(states(), ["active", "published"]);
    assert!(matches!(
        rollback(&scene.store, &name(), NOW),
        Err(PublishError::NoEarlier { published: 1, .. })
    ));
    promote(&scene.store, &scene.key, second, NOW).unwrap();
    assert_eq!(active(&scene), second);
}

#[test]
fn what_is_published_can_be_fetched_in_pieces_and_exported() {
    let scene = Scene::new(&["a"]);
    let digest = scene.publish();
    for (object, bytes) in bundle().objects() {
        let fetch = |offset| scene.registry.chunk(&scene.store, object.digest, offset).unwrap();
        assert_eq!(fetch(0), Some((object.bytes, bytes.clone())));
        assert!(bytes.len() < CHUNK_BYTES_MAX);
        assert_eq!(fetch(7), Some((object.bytes, bytes[7..].to_vec())));
        assert_eq!(fetch(object.bytes), Some((object.bytes, Vec::new())));
        assert_eq!(fetch(u64::MAX), Some((object.bytes, Vec::new())));
    }
    assert_eq!(scene.registry.chunk(&scene.store, digest, 0).unwrap(), None);
    let out = scene.dir.path().join("out");
    let prefix = &digest.to_hex()[..8];
    let found = registry::find(&scene.store, prefix).unwrap();
    registry::export(&scene.store, &scene.registry, found, &out).unwrap();
    assert_eq!(Bundle::open(&out).unwrap(), bundle());
    assert!(matches!(
        registry::find(&scene.store, "zz"),
        Err(RegistryError::Prefix { found: 0, .. })
    ));
}

#[test]
fn a_bundle_of_another_taxonomy_is_refused() {
    let scene = Scene::new(&["a"]);
    let mut other = project();
    other.version = 2;
    other.classes.swap(0, 1);
    super::project(&scene.store, &other, NOW).unwrap();
    let refused = import(&scene.store, &scene.registry, &scene.key, &name(), &bundle(), NOW);
    assert!(matches!(
        refused,
        Err(PublishError::Registry { source: RegistryError::Taxonomy { bundle: 2, .. } })
    ));
    let unknown = "nothing".parse().unwrap();
    let refused = import(&scene.store, &scene.registry, &scene.key, &unknown, &bundle(), NOW);
    assert!(matches!(refused, Err(PublishError::UnknownProject { .. })));
}

#[test]
fn figures_attached_by_hand_are_shares() {
    let scene = Scene::new(&["a"]);
    let digest = scene.publish();
    let site: insitu_protocol::ids::SiteName = "a".parse().unwrap();
    let attach =
        |share| registry::evaluate(&scene.store, digest, &[(site.clone(), share)], "n", NOW);
    attach(0.7).unwrap();
    attach(0.8).unwrap();
    assert!(matches!(attach(1.1), Err(RegistryError::Accuracy { .. })));
    assert!(attach(f64::NAN).is_err());
    let report = registry::report(&scene.store, None).unwrap();
    assert_eq!(report[0].evaluations.len(), 1);
    assert!((report[0].evaluations[0].accuracy - 0.8).abs() < 1e-12);
}
