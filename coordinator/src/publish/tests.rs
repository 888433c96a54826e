use insitu_models::bundle::BundleError;
use insitu_models::check::CheckError;
use insitu_models::fit::FitError;
use insitu_models::head::HeadKind;
use insitu_models::manifest::{Object, Sentence};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::digest;
use insitu_protocol::order::Order;
use insitu_protocol::project::Task;
use insitu_protocol::release::{Body, Release};
use insitu_protocol::request::CHUNK_BYTES_MAX;

use super::*;
use crate::agreement::Estimate;
use crate::registry;
use crate::session::Sender;
use crate::store::NewRelease;
use crate::tests::{Agent, NOW, Scene, bundle, name, project, site};

fn active(scene: &Scene) -> Digest {
    scene.store.read("active", |tx| tx.active_publication(&name())).unwrap().unwrap().bundle
}

/// A second bundle, registered but not published.
pub(crate) fn candidate(scene: &Scene) -> Digest {
    let first = bundle();
    let weights = first.head().weights().iter().map(|weight| weight * 0.5).collect();
    let head = insitu_models::head::Head::new(2, 34, weights).unwrap();
    let next = first.successor(head, Sentence::new("for a test").unwrap()).unwrap();
    scene.registry.register(&scene.store, &next, &name(), NOW).unwrap()
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
    promote(&scene.store, &scene.key, second, Some("a test"), NOW).unwrap();
    promote(&scene.store, &scene.key, second, Some("a test"), NOW).unwrap(); // changes nothing
    assert_eq!(states(), ["published", "active"]);
    assert_eq!(rollback(&scene.store, &name(), NOW).unwrap(), first);
    assert_eq!(states(), ["active", "rolled back"]);
    assert!(matches!(
        rollback(&scene.store, &name(), NOW),
        Err(PublishError::NoEarlier { published: 1, .. })
    ));
    promote(&scene.store, &scene.key, second, Some("a test"), NOW).unwrap();
    assert_eq!(active(&scene), second);
}

#[test]
fn a_second_bundle_from_elsewhere_waits_for_its_evaluation_like_any_other() {
    let scene = Scene::new(&["a"]);
    let again =
        || import(&scene.store, &scene.registry, &scene.key, &name(), &bundle(), NOW).unwrap();
    let first = again();
    assert_eq!(again(), first, "the active one is published already");
    let next =
        bundle().successor(bundle().head().clone(), Sentence::new("for a test").unwrap()).unwrap();
    let refused = import(&scene.store, &scene.registry, &scene.key, &name(), &next, NOW);
    let Err(PublishError::Unevaluated { bundle: candidate }) = refused else {
        panic!("published without an evaluation: {refused:?}");
    };
    // What the refusal says to do can be done: it is registered, and nothing else changed.
    assert_eq!((candidate, active(&scene)), (next.id(), first));
    assert_eq!(listed(&scene, candidate).state, "candidate");
    promote(&scene.store, &scene.key, candidate, Some("in a hurry"), NOW).unwrap();
    let row = listed(&scene, candidate);
    assert_eq!((row.state, row.forced.as_deref()), ("active", Some("in a hurry")));
}

#[test]
fn a_successor_is_registered_only_where_its_backbone_is() {
    let scene = Scene::new(&["a"]);
    let (first, other) = (bundle(), crate::tests::mirrored());
    let register = |of: &Bundle| {
        let next = of.trainable().successor(of.head().clone(), Sentence::default()).unwrap();
        let register = |tx: &Tx<'_>| scene.registry.register_successor(tx, &next, &project(), NOW);
        scene.store.write("register", register).map(|digest| (digest, next.id()))
    };
    scene.publish();
    let (registered, id) = register(&first).unwrap();
    assert_eq!(registered, id);
    let opened = scene.store.read("open", |tx| scene.registry.open(tx, id)).unwrap();
    assert_eq!(opened, first.successor(first.head().clone(), Sentence::default()).unwrap());
    let absent = register(&other).unwrap_err();
    let backbone = other.manifest().backbone.digest;
    assert!(matches!(absent, RegistryError::Absent { object } if object == backbone));
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
    let PublishError::Registry { source: RegistryError::Unfit { source, .. } } =
        refused.unwrap_err()
    else {
        panic!("a bundle of other classes was published");
    };
    assert_eq!(source, FitError::Classes { got: 2, want: 2 });
    let unknown = "nothing".parse().unwrap();
    let refused = import(&scene.store, &scene.registry, &scene.key, &unknown, &bundle(), NOW);
    assert!(matches!(
        refused,
        Err(PublishError::Registry { source: RegistryError::UnknownProject { .. } })
    ));
}

#[test]
fn a_bundle_that_the_project_has_outgrown_is_published_in_no_way() {
    let scene = Scene::new(&["a", "b", "c", "d"]);
    let first = scene.publish();
    let second = candidate(&scene);
    promote(&scene.store, &scene.key, second, Some("to be rolled back"), NOW).unwrap();
    let mut outgrown = project();
    outgrown.version = 2;
    outgrown.classes.swap(0, 1);
    super::project(&scene.store, &outgrown, NOW).unwrap();
    let force = Some("in a hurry");
    let refusals = [
        promote(&scene.store, &scene.key, first, force, NOW).unwrap_err(),
        canary::start(&scene.store, &scene.key, first, 0.5, force, NOW).unwrap_err(),
        rollback(&scene.store, &name(), NOW).unwrap_err(),
    ];
    for refusal in refusals {
        let PublishError::Registry { source } = &refusal else { panic!("{refusal:?}") };
        assert!(matches!(source, RegistryError::Unfit { .. }), "{refusal:?}");
    }
    assert_eq!(active(&scene), second);
}

#[test]
fn a_bundle_of_several_classes_is_for_projects_of_several_classes_alone() {
    let scene = Scene::new(&["a"]);
    let first = bundle();
    let several = first.head().clone().into_kind(HeadKind::MultiLabel).unwrap();
    let several = first.successor(several, Sentence::new("for a test").unwrap()).unwrap();
    let ward = Project { name: "ward".parse().unwrap(), task: Task::Classes, ..project() };
    super::project(&scene.store, &ward, NOW).unwrap();
    let publish = |project: &ProjectName, bundle: &Bundle| {
        import(&scene.store, &scene.registry, &scene.key, project, bundle, NOW)
    };
    let unfit = |refused: Result<Digest, PublishError>| {
        let refused = refused.unwrap_err();
        let PublishError::Registry { source: RegistryError::Unfit { source, .. } } = refused else {
            panic!("{refused:?}");
        };
        source
    };
    let kind = |task, head| FitError::Kind { task, head };
    assert_eq!(unfit(publish(&name(), &several)), kind("class", HeadKind::MultiLabel));
    assert_eq!(unfit(publish(&ward.name, &first)), kind("classes", HeadKind::Softmax));
    let digest = publish(&ward.name, &several).unwrap();
    let active = scene.store.read("active", |tx| tx.active_publication(&ward.name)).unwrap();
    assert_eq!(active.unwrap().bundle, digest);
}

/// A protobuf field of wire type 2.
fn part(field: u8, body: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2, u8::try_from(body.len()).unwrap()][..], body].concat()
}

/// A model with one initializer of so many numbers that has no bytes, and these fields.
fn with_tensor(numbers: u8, fields: &[u8]) -> Vec<u8> {
    let tensor = [&[1 << 3, numbers, 2 << 3, 1][..], &part(8, b"w"), fields].concat();
    let operators = [2 << 3, 17];
    [part(8, &operators), part(7, &part(5, &tensor))].concat()
}

#[test]
fn a_backbone_that_sites_would_refuse_is_not_registered() {
    let scene = Scene::new(&["a"]);
    let first = bundle();
    let refused = |backbone: Vec<u8>| {
        let mut manifest = first.manifest().clone();
        let digest = digest(&backbone);
        manifest.backbone = Object { digest, bytes: backbone.len() as u64 };
        let mut objects: Vec<_> = first.objects().into_iter().map(|(_, bytes)| bytes).collect();
        objects[0] = backbone;
        let mut given = objects.into_iter();
        let bent = Bundle::from_objects(manifest.encode().unwrap(), |_| given.next()).unwrap();
        let refused = scene.registry.register(&scene.store, &bent, &name(), NOW).unwrap_err();
        assert_eq!(scene.store.read("kept", |tx| tx.bundle(bent.id())).unwrap(), None);
        assert_eq!(scene.store.read("kept", |tx| tx.object_bytes(digest)).unwrap(), None);
        let RegistryError::Bundle { source: BundleError::Backbone { source } } = refused else {
            panic!("{refused:?}");
        };
        source
    };
    let path = part(13, &[part(1, b"location"), part(2, b"/etc/passwd")].concat());
    assert_eq!(refused(with_tensor(1, &path)), CheckError::ExternalData { name: "w".to_owned() });
    assert!(matches!(refused(with_tensor(127, &[])), CheckError::Tensor { .. }));
    let mut custom = first.backbone().to_vec();
    let at = custom.windows(6).position(|name| name == b"MatMul" || name == b"Gather").unwrap();
    custom[at..at + 6].copy_from_slice(b"Launch");
    assert!(
        matches!(refused(custom), CheckError::Operator { operator, .. } if operator == "Launch")
    );
    let narrower = first.backbone()[..first.backbone().len() - 1].to_vec();
    assert!(matches!(refused(narrower), CheckError::Malformed { .. }));
}

#[test]
fn figures_attached_by_hand_are_shares() {
    let scene = Scene::new(&["a"]);
    let digest = scene.publish();
    let site: SiteName = "a".parse().unwrap();
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

/// The bundle that a site is told to use last.
fn told(scene: &Scene, name: &str, now: i64) -> Digest {
    let manifest = |order: Order| match order {
        Order::Bundle(order) => Some(order.manifest),
        Order::Project(_)
        | Order::TaskProject(_)
        | Order::Candidate(_)
        | Order::ThresholdProject(_)
        | Order::Round(_)
        | Order::CoarseRound(_)
        | Order::Evaluation(_)
        | Order::Campaign(_)
        | Order::Session(_)
        | Order::Functions(_) => None,
    };
    let mut manifests = scene.orders(name, now).into_iter().filter_map(manifest);
    digest(&manifests.next_back().unwrap().0)
}

const SITES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A window of each site: so many items of each class, of which the prelabel was wrong for so many.
fn windows(scene: &Scene, agents: &mut [Agent], window: u32, wrong: i32, now: i64) {
    for agent in agents {
        let counts = vec![500 - wrong, wrong, wrong, 500 - wrong];
        agent.submit(scene, Body::Confusion { window }, counts, now).unwrap();
    }
}

fn begin(
    scene: &Scene,
    bundle: Digest,
    share: f64,
    now: i64,
) -> Result<Vec<SiteName>, PublishError> {
    canary::start(&scene.store, &scene.key, bundle, share, Some("a test"), now)
}

/// A federation whose canary has begun at `NOW + 10`, after two windows with one wrong in ten.
fn canary_begun(scene: &Scene) -> (Vec<Agent>, Digest, Digest, Vec<SiteName>) {
    let first = scene.publish();
    let mut agents = SITES.map(Agent::new).to_vec();
    for window in 1..=2 {
        windows(scene, &mut agents, window, 50, NOW + i64::from(window));
    }
    let second = candidate(scene);
    let sites = begin(scene, second, 0.4, NOW + 10).unwrap();
    assert_eq!(sites.len(), 2);
    (agents, first, second, sites)
}

fn listed(scene: &Scene, bundle: Digest) -> registry::BundleReport {
    let report = registry::report(&scene.store, Some(&name())).unwrap();
    report.into_iter().find(|row| row.bundle == bundle).unwrap()
}

#[test]
fn a_canary_goes_to_its_sites_alone_and_then_to_all() {
    let mut scene = Scene::new(&SITES);
    let (mut agents, first, second, sites) = canary_begun(&scene);
    let check = |scene: &Scene| {
        for name in SITES {
            let expected = if sites.contains(&site(name)) { second } else { first };
            assert_eq!(told(scene, name, NOW + 10), expected, "{name}");
        }
    };
    check(&scene);
    assert_eq!((listed(&scene, second).state, listed(&scene, first).state), ("canary", "active"));
    assert_eq!(listed(&scene, second).canary_sites, sites);
    let third = Digest::from_hex(&"0".repeat(64)).unwrap();
    let start = |bundle, share| begin(&scene, bundle, share, NOW + 11);
    assert!(matches!(start(third, 0.5), Err(PublishError::Registry { .. })));
    assert!(matches!(start(first, 0.5), Err(PublishError::InForce { .. })));
    assert!(matches!(start(second, 1.0), Err(PublishError::Share { .. })));
    assert!(matches!(start(second, 0.5), Err(PublishError::CanaryUnderWay { .. })));
    // As good as before, within the noise, and a crash between any two windows.
    for window in 3..=6 {
        windows(&scene, &mut agents, window, 52, NOW + 10 + i64::from(window));
        scene.restart();
        scene.tick(NOW + 20).unwrap();
        check(&scene);
    }
    promote(&scene.store, &scene.key, second, Some("a test"), NOW + 30).unwrap();
    for name in SITES {
        assert_eq!(told(&scene, name, NOW + 30), second);
    }
    assert_eq!(listed(&scene, second).state, "active");
    assert_eq!(rollback(&scene.store, &name(), NOW + 31).unwrap(), first);
}

#[test]
fn a_canary_under_which_agreement_falls_comes_back_by_itself() {
    let mut scene = Scene::new(&SITES);
    let (mut agents, first, second, sites) = canary_begun(&scene);
    // Three wrong in ten; the first window may hold prelabels of both bundles.
    windows(&scene, &mut agents, 3, 150, NOW + 11);
    scene.tick(NOW + 11).unwrap();
    assert_eq!(told(&scene, sites[0].as_str(), NOW + 11), second);
    windows(&scene, &mut agents, 4, 150, NOW + 12);
    scene.restart();
    for _ in 0..2 {
        scene.tick(NOW + 12).unwrap();
    }
    for name in SITES {
        assert_eq!(told(&scene, name, NOW + 12), first);
    }
    let row = listed(&scene, second);
    assert_eq!((row.state, listed(&scene, first).state), ("rolled back", "active"));
    let reason = row.reason.unwrap();
    assert!(reason.starts_with("rolled back: at its sites κ fell from 0.8"), "{reason}");
}

/// A window of each site in a project of sets of classes: so many drafts were kept, so many changed, in
/// each of five bins.
fn kept_and_changed(scene: &Scene, agents: &mut [Agent], window: u32, changed: i32, now: i64) {
    for agent in agents {
        let counts = [changed, 200 - changed].repeat(5);
        agent.submit(scene, Body::Calibration { window }, counts, now).unwrap();
        // Classes are not counted: what is released beside it is noise.
        agent.submit(scene, Body::Confusion { window }, vec![3, -4, 0, 5], now).unwrap();
    }
}

#[test]
fn a_canary_for_sets_of_classes_comes_back_when_fewer_drafts_are_kept_and_else_stays() {
    for (changed, comes_back) in [(22, false), (60, true)] {
        let scene = Scene::of(&SITES, &Project { task: Task::Classes, ..project() });
        let several = |weights: Vec<f32>| {
            let head = insitu_models::head::Head::new(2, 34, weights).unwrap();
            let head = head.into_kind(HeadKind::MultiLabel).unwrap();
            bundle().successor(head, Sentence::new("for a test").unwrap()).unwrap()
        };
        let [first, second] = [0.0, 0.5].map(|weight| several(vec![weight; 68]));
        let publish =
            |bundle: &Bundle| scene.registry.register(&scene.store, bundle, &name(), NOW).unwrap();
        let (first, second) = (publish(&first), publish(&second));
        promote(&scene.store, &scene.key, first, None, NOW).unwrap();
        let mut agents = SITES.map(Agent::new).to_vec();
        for window in 1..=2 {
            kept_and_changed(&scene, &mut agents, window, 20, NOW + i64::from(window));
        }
        let sites = begin(&scene, second, 0.4, NOW + 10).unwrap();
        // The first window may hold drafts of both bundles.
        for window in 3..=4 {
            assert_eq!(listed(&scene, second).state, "canary");
            let now = NOW + 10 + i64::from(window);
            kept_and_changed(&scene, &mut agents, window, changed, now);
            scene.tick(now).unwrap();
        }
        let row = listed(&scene, second);
        let found = canary::comparison(&scene.store, &name()).unwrap();
        if comes_back {
            let reason = row.reason.unwrap();
            let expected =
                "rolled back: at its sites the share of prelabels kept fell from 0.900 to 0.700";
            assert!(reason.starts_with(expected), "{reason}");
            assert_eq!((told(&scene, sites[0].as_str(), NOW + 20), found), (first, None));
        } else {
            assert_eq!((row.state, row.reason), ("canary", None));
            let found = found.unwrap();
            assert_eq!(found.measure, "the share of prelabels kept");
            let Estimate::Known { value, .. } = found.after else { panic!("{found:?}") };
            assert!((value - 0.89).abs() < 1e-9, "{value}");
        }
    }
}

#[test]
fn what_other_sites_and_a_little_noise_do_calls_no_canary_back() {
    let scene = Scene::new(&SITES);
    let (mut agents, _, second, sites) = canary_begun(&scene);
    for window in 3..=4 {
        for (name, agent) in SITES.iter().zip(&mut agents) {
            let wrong = if sites.contains(&site(name)) { 60 } else { 250 };
            let now = NOW + 10 + i64::from(window);
            windows(&scene, std::slice::from_mut(agent), window, wrong, now);
        }
        scene.tick(NOW + 20).unwrap();
    }
    assert_eq!(listed(&scene, second).state, "canary");
    assert_eq!(rollback(&scene.store, &name(), NOW + 21).unwrap(), active(&scene));
    assert_eq!(listed(&scene, second).reason.as_deref(), Some("rolled back by an operator"));
    let lonely = Scene::new(&["a"]);
    lonely.publish();
    let bundle = candidate(&lonely);
    let refused = begin(&lonely, bundle, 0.5, NOW);
    assert!(matches!(refused, Err(PublishError::TooFewSites)));
}

#[test]
fn a_canary_is_evaluated_or_forced_for_a_reason_that_is_kept_with_it() {
    let scene = Scene::new(&SITES);
    scene.publish();
    let bundle = candidate(&scene);
    let start = |force| canary::start(&scene.store, &scene.key, bundle, 0.4, force, NOW);
    assert!(matches!(start(None), Err(PublishError::Unevaluated { .. })));
    // A reason that cannot be kept: no canary begins without it.
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    file.execute_batch("ALTER TABLE forced_publication RENAME TO aside").unwrap();
    assert!(matches!(start(Some("in a hurry")), Err(PublishError::Store { .. })));
    file.execute_batch("ALTER TABLE aside RENAME TO forced_publication").unwrap();
    assert_eq!(listed(&scene, bundle).state, "candidate");
    start(Some("in a hurry")).unwrap();
    let row = listed(&scene, bundle);
    assert_eq!((row.state, row.forced.as_deref()), ("canary", Some("in a hurry")));
}

/// Keeps a release as if it had passed all checks.
fn keep(scene: &Scene, agent: &Agent, release: &Release, received_unix_s: i64) {
    let Sender { site, agent } = agent.sender();
    let (bytes, chain) = (&release.encode().unwrap()[..], Fixed([1; 32]));
    let new = NewRelease { site, agent, release, bytes, chain, counted: true, received_unix_s };
    scene.store.write("keep", |tx| tx.add_release(&new)).unwrap();
}

#[test]
fn a_canary_that_cannot_be_compared_holds_no_other_one_up() {
    let scene = Scene::new(&SITES);
    let (agents, _, _, sites) = canary_begun(&scene);
    let other = Project { name: "ward".parse().unwrap(), ..project() };
    super::project(&scene.store, &other, NOW).unwrap();
    for (version, share) in [(1, None), (2, Some(0.4))] {
        let why = Sentence::new(format!("for the other project, {version}")).unwrap();
        let next = bundle().successor(bundle().head().clone(), why).unwrap();
        let digest = scene.registry.register(&scene.store, &next, &other.name, NOW).unwrap();
        match share {
            None => promote(&scene.store, &scene.key, digest, None, NOW).unwrap(),
            Some(share) => {
                begin(&scene, digest, share, NOW).map(drop).unwrap();
            }
        }
    }
    let agent = agents.iter().find(|agent| *agent.sender().site == sites[0]).unwrap();
    keep(&scene, agent, &agent.next(Body::Confusion { window: 3 }, vec![1; 3]), NOW + 3);
    let its = Release {
        project: other.name.clone(),
        sequence: 4,
        ..agent.next(Body::Confusion { window: 1 }, vec![1; 4])
    };
    keep(&scene, agent, &its, NOW + 11);
    let looked =
        |of: &ProjectName| scene.store.read("looked", |tx| tx.canary(of)).unwrap().unwrap().looked;
    let failed = canary::watch(&scene.store, NOW + 12);
    assert!(matches!(failed, Err(PublishError::Estimate { .. })), "{failed:?}");
    assert_eq!((looked(&name()), looked(&other.name)), (0, 1));
}
