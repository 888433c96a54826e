//! A candidate with a backbone of its own, from its registration to its use.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use insitu_agent::label::Label;
use insitu_coordinator::evaluation::Figures;
use insitu_coordinator::registry;
use insitu_tests::federation::{Federation, project, shipped_bundle};
use insitu_tests::simnet::{Conditions, Network};
use insitu_tests::site::Site;

#[path = "../../models/tests/mirrored/mod.rs"]
mod mirrored;

const FAIR: Conditions = Conditions {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(5),
    lost_per_mille: 10,
    doubled_per_mille: 0,
};

/// Five sites, whose people say the other one of two classes than the model in use does. The
/// stewards of four approve the backbone of a new model, which says what they say; that of the
/// fifth does not.
#[tokio::test(start_paused = true)]
async fn sites_fetch_and_judge_a_new_backbone_together_where_their_stewards_approve_it() {
    let mut federation = Federation::found(Network::new(31, FAIR), "30days");
    for site in 0..5 {
        federation.join(&format!("site-{site}")).await;
    }
    let first = federation.publish().await;
    federation.import(0..insitu_tests::site::PATIENTS).await;
    for site in &federation.sites {
        let other = |class| Label::Class(1 - class);
        let labels = site.label_as(|card, _| {
            other(card.prelabel.as_ref().and_then(|prelabel| prelabel.class()).unwrap())
        });
        assert!(labels > 0);
    }
    let shipped = shipped_bundle();
    let bundle = mirrored::mirrored(&shipped, shipped.head());
    let office = federation.coordinator.office();
    let (store, now) = (&office.store, office.now_unix_s());
    let candidate = office.registry.register(store, &bundle, &project(), now).unwrap();
    let (approving, last) = federation.sites.split_at(4);
    for site in approving {
        site.approve_backbone(&bundle.manifest().backbone.digest);
    }

    let id = federation.evaluate_at(candidate, 1_000_000_000, Duration::from_secs(1000));
    let state = || {
        let listed = registry::report(store, None).unwrap();
        listed.into_iter().find(|known| known.bundle == candidate).unwrap().state
    };
    assert_eq!(state(), "candidate", "it is signed, and not published");
    federation.until("the evaluation", || federation.evaluation(id).state != "open").await;
    let found = federation.evaluation(id);
    assert_eq!((found.state, found.noise.as_str()), ("finished", "once for all sites"));
    let names: Vec<_> = approving.iter().map(|site| site.name.clone()).collect();
    assert_eq!(found.sites, names);
    let Figures::Known { n, current, candidate: judged, passes, .. } = found.figures else {
        panic!("undefined: {:?}", found.figures)
    };
    let held_out: u64 = approving.iter().map(Site::held_out).sum();
    // Four cells, each with a noise of deviation 1.2 items: 20 are eight deviations of their sum.
    assert!((n - held_out as f64).abs() < 20.0, "{n} of {held_out}");
    assert!(current.accuracy.value < 0.2 && judged.accuracy.value > 0.8, "{current:?} {judged:?}");
    assert!(passes);

    // It is published, and used where it was approved.
    federation
        .until("the new backbone", || approving.iter().all(|s| s.bundle() == Some(candidate)))
        .await;
    assert_eq!((state(), last[0].bundle()), ("active", Some(first)));
    federation.sent().await;
    for site in approving {
        let (releases, nano_rho) = federation.check_site(site);
        // Noise on a grid of 1024ths is a little more than was paid for.
        let price = found.nano_rho;
        assert_eq!(releases, 1);
        assert!((price - price / 100..=price + 2).contains(&nano_rho), "{nano_rho} of {price}");
    }
    assert!(last[0].entries().is_empty(), "it cost the fifth nothing");
    let declined = last[0].store().read("sessions", |tx| tx.last_sessions(9)).unwrap();
    assert!(declined[0].note.contains("insitu-agent models approve"), "{}", declined[0].note);
    assert_eq!(federation.alerts(), 0);
    federation.stop().await;
}
