//! Sites with real stores, and the coordinator's state machine between them.

mod harness;
mod judged;
mod talk;

use std::collections::BTreeSet;

use insitu_privacy::secagg::{NoisePart, Stage};
use insitu_privacy::{Rho, SquaredSensitivity};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{Contender, EvaluationOrder, NumberedOrder, Order};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;
use insitu_protocol::session::{Member, Purpose, SessionAnswer};

pub(in crate::pipeline) use self::harness::about_to_contribute;
use self::harness::*;
use super::*;
use crate::config::{Peers, SecureAggregation};
use crate::downlink::{Judge, apply};
use crate::outbox::OutboxError;
use crate::release::{Release, ReleaseError};
use crate::session::{Alone, Next, alone, give_up, hear, next};
use crate::store::peers::PeerState;
use crate::testing;

#[test]
fn statistics_of_four_sites_have_the_noise_of_one() {
    let (mut squares, mut count) = (0.0, 0);
    for _ in 0..6 {
        let mut sites = sites(4);
        let order = statistics(&sites, 0);
        let exact = exact(&sites, |_| true);
        assert!(exact.iter().sum::<i64>() > 200, "there is something to add");
        let sum = run(&mut sites, &order, |_, _| false);
        let (mean, values) = residual(&sum, &exact, &parts(3), 4);
        squares += mean * values as f64;
        count += values;
        for site in &sites {
            assert_eq!(site.project().window, 2, "its window is closed");
            let verified = outbox::verify(&site.store).unwrap();
            assert_eq!((verified.releases, verified.problems), (1, vec![]));
            let entry = site.store.read("test", |tx| tx.entries(0, 1)).unwrap().remove(0);
            // 6,000,000 is the plan's price; rounding up may add one for each part.
            assert!((5_990_000..=6_000_004).contains(&entry.nano_rho), "{}", entry.nano_rho);
            let ratio = entry.nano_rho_local as f64 / entry.nano_rho as f64;
            assert!((ratio - 3.0).abs() < 0.01, "against three colluders: T - c times");
            let release = &site.released()[0];
            assert_eq!(release.scale_1024, order.parts.iter().map(|p| p.scale_1024).min().unwrap());
            let session = name_of(&order);
            assert_eq!(release.body, Body::MaskedStatistics { window: 1, session });
        }
    }
    let mean = squares / f64::from(u32::try_from(count).unwrap());
    let deviation = (2.0 / f64::from(u32::try_from(count).unwrap())).sqrt();
    assert!((mean - 1.0).abs() < 5.0 * deviation, "variance ratio {mean} over {count}");
}

#[test]
fn a_third_of_the_sites_may_vanish_at_any_message() {
    for stage in Stage::ALL {
        let mut sites = sites(4);
        let order = statistics(&sites, 0);
        // A vector that arrived is in the sum, also when its site says nothing more.
        let summed = |at: usize| at != 2 || stage > Stage::Masked;
        let exact = exact(&sites, summed);
        let sum = run(&mut sites, &order, |at, now| at == 2 && now >= stage);
        let summing = if stage > Stage::Masked { 4 } else { 3 };
        let (mean, _) = residual(&sum, &exact, &parts(3), summing);
        assert!(mean < 4.0, "{stage:?}: residuals of {mean} variances");
        let charged = sites[2].released().len();
        assert_eq!(charged, usize::from(stage > Stage::Masked), "no vector, no charge");
        // It hears that it was left behind.
        let state = sites[2].row(&order).state;
        if stage > Stage::Masked {
            assert!(state.is_charged());
        } else if stage == Stage::Shares {
            hear(&sites[2].store, &name_of(&order), 1, &SessionAnswer::Dropped).unwrap();
            assert_eq!(sites[2].row(&order).state, SessionState::Dropped);
            assert_eq!(sites[2].project().window, 1, "its window is still open");
        }
    }
}

#[test]
fn an_update_of_four_sites_has_the_noise_of_one() {
    let mut sites = sites(4);
    let order = update_order(&sites, 2_000);
    let (sum, exact) = run_update(&mut sites, &order);
    let noise =
        NoisePart::new(SquaredSensitivity::new(1 << 24), Rho::from_nano(10_000_000), 3).unwrap();
    let (mean, values) = residual(&sum, &exact, &[(noise, 2_000)], 4);
    let deviation = (2.0 / values as f64).sqrt();
    assert!((mean - 1.0).abs() < 5.0 * deviation, "variance ratio {mean}");
    // What left of one site is uniform: it tells nothing by itself.
    let release = sites[0].released().remove(0);
    let high = release.values.0.iter().filter(|value| value.unsigned_abs() > 1 << 30).count();
    assert!((850..1150).contains(&high), "{high} of 2,000 in the outer half of the ring");
}

#[test]
fn an_update_leaves_alone_only_while_no_session_has_it() {
    let mut sites = sites(4);
    let order = update_order(&sites, 2_000);
    let decide = |site: &Site| site.store.tx("test", |tx| alone(tx, &order.purpose)).unwrap();
    assert_eq!(decide(&sites[0]), Alone::Now);
    run_update(&mut sites, &order);
    assert_eq!(decide(&sites[0]), Alone::Later, "its vector is on its way into a sum");
    hear(&sites[0].store, &name_of(&order), 4, &SessionAnswer::Done).unwrap();
    assert_eq!(decide(&sites[0]), Alone::Never);
    hear(&sites[1].store, &name_of(&order), 4, &SessionAnswer::Abandoned).unwrap();
    assert_eq!(decide(&sites[1]), Alone::Now, "charged, and in no sum: the fall-back pays again");
    // A session that cost nothing yet gives way.
    let again = SessionOrder { attempt: 1, ..order.clone() };
    sites[1].take(&again);
    assert_eq!(decide(&sites[1]), Alone::Now);
    assert_eq!(sites[1].row(&again).state, SessionState::Abandoned);
}

#[test]
fn nothing_is_hurried_while_an_evaluation_waits_for_its_session() {
    let sites = [site(0, 4, 2)];
    let contender =
        || Contender { bundle: Fixed([1; 32]), head: Bytes(vec![]), calibration: Bytes(vec![]) };
    let evaluation = EvaluationOrder {
        evaluation: Fixed([4; 16]),
        project: testing::project().name,
        project_version: 1,
        backbone: Fixed([2; 32]),
        features: 1,
        current: contender(),
        candidate: contender(),
        nano_rho: 1,
        closes_unix_s: 300,
    };
    let purpose = Purpose::Evaluation(evaluation.clone());
    let order = SessionOrder { purpose, ..statistics(&sites, 0) };
    sites[0].take(&order);
    sites[0]
        .store
        .tx("test", |tx| {
            tx.put_evaluation(&evaluation)?;
            tx.set_journal(&name_of(&order), SessionState::Masked, &[])
        })
        .unwrap();
    assert!(!sites[0].tick(), "it waits for the session, not for work");
    let open = sites[0].store.read("test", |tx| tx.open_evaluation_count()).unwrap();
    assert_eq!(open, 1);
}

#[test]
fn a_second_attempt_pays_again_with_new_noise() {
    let mut sites = sites(4);
    let (first, counts) = (statistics(&sites, 0), exact(&sites, |_| true));
    for site in &sites {
        site.join(&first);
    }
    let mut coordinator = Coordinator::new(&first);
    for stage in [Stage::Keys, Stage::Shares, Stage::Masked] {
        coordinator.collect(&mut sites, stage);
        for (position, site) in sites.iter_mut().enumerate() {
            coordinator.tell(site, position, stage);
        }
    }
    for site in &sites {
        hear(&site.store, &name_of(&first), 3, &SessionAnswer::Abandoned).unwrap();
        assert_eq!(site.row(&first).state, SessionState::Abandoned);
        assert!(!site.has_journal(&first));
    }
    let second = statistics(&sites, 1);
    assert_eq!(exact(&sites, |_| true), counts, "the items are open again");
    let sum = run(&mut sites, &second, |_, _| false);
    let (mean, _) = residual(&sum, &counts, &parts(3), 4);
    assert!(mean < 4.0, "residuals of {mean} variances");
    for site in &sites {
        let released = site.released();
        assert_eq!(released.len(), 2, "both are charged");
        assert_ne!(released[0].values, released[1].values);
        // The first attempt again, or an earlier one, is not taken part in.
        site.take(&first);
        assert_eq!(site.row(&first).state, SessionState::Abandoned);
    }
}

/// A coordinator that has its sum says that there is none, as often as it likes.
#[test]
fn a_window_that_is_opened_again_and_again_costs_what_a_window_may_and_no_more() {
    let mut sites = sites(4);
    sites[0].policy.epsilon_window = 0.8; // twice the price, not three times
    for (attempt, left) in [(0, 20), (1, 0)] {
        let (order, _) = share_attempt(&mut sites, attempt);
        let site = &sites[0];
        let open = || site.store.read("test", |tx| tx.items_for_drift(1)).unwrap().len();
        site.tick();
        assert_eq!((site.row(&order).state, open()), (SessionState::Masked, 0));
        hear(&site.store, &name_of(&order), 2, &SessionAnswer::Abandoned).unwrap();
        assert_eq!((site.row(&order).state, open()), (SessionState::Abandoned, left));
    }
    // What it inherited is not on the next window, which counts others.
    let (site, limits) = (&sites[0], sites[0].limits());
    windows::release(&site.store, &limits, &testing::project().name, 10).unwrap();
}

#[test]
fn attempts_ascend() {
    let sites = sites(4);
    let site = &sites[0];
    assert_eq!(site.join(&statistics(&sites, 3)).state, SessionState::Keys);
    site.take(&statistics(&sites, 2));
    let row = |attempt| {
        let session = name_of(&statistics(&sites, attempt));
        site.store.read("test", |tx| tx.session(&session)).unwrap()
    };
    assert!(row(2).is_none(), "nothing of it is kept");
    assert_eq!(
        site.row(&statistics(&sites, 3)).state,
        SessionState::Abandoned,
        "a coordinator that goes back has given the other up"
    );
    assert_eq!(site.join(&statistics(&sites, 4)).state, SessionState::Keys);
}

#[test]
fn of_orders_over_the_bound_nothing_is_kept() {
    let sites = sites(4);
    let site = &sites[0];
    let orders: Vec<SessionOrder> = (0..20)
        .map(|number| {
            let project = testing::project().name;
            let collection = Fixed([number; 16]);
            let purpose = Purpose::Statistics { project, project_version: 1, collection };
            SessionOrder { purpose, ..statistics(&sites, 0) }
        })
        .collect();
    orders.iter().for_each(|order| site.take(order));
    let known = |order: &SessionOrder| {
        site.store.read("test", |tx| tx.session(&name_of(order))).unwrap().is_some()
    };
    assert_eq!(orders.iter().filter(|order| known(order)).count(), 16);
    assert!(!known(&orders[16]));
    // It may be ordered again once there is room.
    site.store.tx("test", |tx| session::sweep(tx, 6 + 86_400)).unwrap();
    site.take(&orders[16]);
    assert!(known(&orders[16]));
}

#[test]
fn forgotten_keys_are_met_anew_and_approved_ones_stay() {
    let sites = sites(4);
    let (site, order) = (&sites[0], statistics(&sites, 0));
    site.join(&order);
    let peers = || site.store.read("test", |tx| tx.peers()).unwrap();
    assert_eq!(peers().len(), 3);
    let forgotten = site.store.tx("test", |tx| {
        tx.approve_peer(&sites[1].member)?;
        tx.forget_unapproved_peers()
    });
    assert_eq!(forgotten.unwrap(), 2);
    assert_eq!(peers().iter().map(|row| row.state).collect::<Vec<_>>(), [PeerState::Approved]);
    let Member { site: name, agent, .. } = &sites[1].member;
    assert_eq!(site.store.tx("test", |tx| tx.forget_peer(name, agent)).unwrap(), 1);
    assert_eq!(site.join(&statistics(&sites, 1)).state, SessionState::Keys);
    assert!(peers().iter().all(|row| row.state == PeerState::FirstUse));
    assert_eq!(peers().len(), 3);
}

#[test]
fn the_same_order_twice_is_one_session() {
    let sites = sites(4);
    let order = statistics(&sites, 0);
    let site = &sites[0];
    let judge = Judge { policy: site.policy.clone(), limits: site.limits(), bundle_key: None };
    let numbered = |number| NumberedOrder { number, order: Order::Session(order.clone()) };
    assert!(apply(&site.store, &judge, &numbered(1), 5).unwrap());
    site.tick();
    let first = ask(&site.store, &order);
    assert!(apply(&site.store, &judge, &numbered(2), 6).unwrap());
    site.tick();
    assert_eq!(ask(&site.store, &order), first, "no second set of keys");
}

fn statistics_of_version(project_version: u32) -> Purpose {
    let collection = Fixed([7; 16]);
    Purpose::Statistics { project: testing::project().name, project_version, collection }
}

#[test]
fn without_budget_a_site_drops_out_before_it_is_charged() {
    let (mut sites, order, mut coordinator) = shared();
    // Something else used the year's budget up between the shares and the vector.
    sites[1].policy.epsilon_year = 0.1;
    sites[1].tick();
    let row = sites[1].row(&order);
    assert_eq!(row.state, SessionState::Declined);
    assert!(row.note.contains("the year"), "{}", row.note);
    assert!(sites[1].released().is_empty());
    assert!(!sites[1].has_journal(&order));
    assert_eq!(sites[1].project().window, 1);
    // The others do without it.
    for position in [0, 2, 3] {
        coordinator.receive(&mut sites[position], position, Stage::Masked);
    }
    coordinator.server.close().unwrap();
    assert_eq!(coordinator.server.answered(Stage::Masked).len(), 3);
    assert_eq!(coordinator.answer(1, Stage::Masked), SessionAnswer::Dropped);
}

#[test]
fn a_site_drops_out_uncharged_when_a_newer_version_of_the_project_came_meanwhile() {
    let (sites, order, _) = shared();
    let newer = Project { version: 2, ..testing::project() };
    testing::put(&sites[0].store, &newer);
    sites[0].tick();
    let row = sites[0].row(&order);
    assert_eq!(row.state, SessionState::Declined);
    assert!(row.note.contains("version 1 of the project, this site has 2"), "{}", row.note);
    assert!(sites[0].released().is_empty());
    assert_eq!(sites[0].project().window, 1, "its window is still open");
}

#[test]
fn a_window_that_moved_is_counted_again() {
    let (sites, order, _) = shared();
    let (site, window) = (&sites[0], sites[0].tallies());
    let contribution =
        Contribution { session: name_of(&order), order: &order, tallies: &window, window: Some(1) };
    let pool = insitu_privacy::NoisePool::new();
    let contribute = |contribution: &Contribution<'_>| {
        release::draw_shares_ahead(&pool, &order.parts).unwrap();
        let limits = site.limits();
        let rules = (&site.policy, &limits);
        session::contribute(&site.store, rules, &pool, contribution, 10, |_| Ok(false))
    };
    let fewer = Contribution { tallies: &window[1..], ..contribution };
    assert!(!contribute(&fewer).unwrap_err().is_transient(), "another vector than was ordered");
    assert!(!contribute(&contribution).unwrap());
    assert!(site.released().is_empty(), "nothing was charged");
    assert_eq!(site.row(&order).state, SessionState::Shared);
    site.tick();
    assert_eq!(site.row(&order).state, SessionState::Masked);
    assert_eq!(site.released().len(), 1);
}

#[test]
fn a_damaged_or_missing_journal_ends_the_session_for_ever() {
    for damaged in [true, false] {
        let sites = sites(4);
        let order = statistics(&sites, 0);
        let (site, id) = (&sites[0], name_of(&order));
        site.join(&order);
        site.store
            .tx("test", |tx| {
                let mut journal = tx.journal(&id)?.unwrap();
                if damaged {
                    journal[40] ^= 1;
                } else {
                    journal.clear();
                }
                tx.set_journal(&id, SessionState::Keys, &journal)
            })
            .unwrap();
        assert_eq!(next(&site.store, &id).unwrap(), Next::Over);
        let row = site.row(&order);
        assert_eq!(row.state, SessionState::Failed);
        assert!(row.note.contains("journal"), "{}", row.note);
        assert_eq!(site.join(&order).state, SessionState::Failed, "it is not started again");
    }
}

#[test]
fn a_coordinator_that_lies_is_left() {
    let (mut sites, order, mut coordinator) = shared();
    coordinator.collect(&mut sites, Stage::Masked);
    let id = name_of(&order);
    let SessionAnswer::Ready(survivors) = coordinator.answer(0, Stage::Masked) else { panic!() };
    // Survivors fewer than T, another key list, and an answer of another stage.
    let mut few = survivors.clone();
    *few.0.last_mut().unwrap() = 0b0011;
    let mut other_keys = survivors.clone();
    other_keys.0[0] ^= 1;
    for (site, lie) in sites.iter().zip([few, other_keys]) {
        hear(&site.store, &id, 2, &SessionAnswer::Ready(lie)).unwrap();
        assert_eq!(site.row(&order).state, SessionState::Failed);
        assert!(!site.has_journal(&order));
        // The right one comes too late: it left.
        hear(&site.store, &id, 2, &SessionAnswer::Ready(survivors.clone())).unwrap();
        assert_eq!(site.row(&order).state, SessionState::Failed);
        assert_eq!(site.released().len(), 1, "what was charged stays charged");
    }
    // An answer to another stage than the one asked for changes nothing.
    hear(&sites[2].store, &id, 1, &SessionAnswer::Abandoned).unwrap();
    assert_eq!(sites[2].row(&order).state, SessionState::Masked);
    give_up(&sites[2].store, &id, 2, "the coordinator has no such session").unwrap();
    assert_eq!(sites[2].row(&order).state, SessionState::Failed);
}

#[test]
fn a_vector_that_is_refused_is_in_no_sum() {
    let (sites, order, _) = shared();
    let site = &sites[0];
    site.tick();
    assert_eq!(next(&site.store, &name_of(&order)).unwrap(), Next::Later, "it is on its way");
    site.store.tx("test", |tx| tx.mark_refused(1, "too late")).unwrap();
    assert_eq!(next(&site.store, &name_of(&order)).unwrap(), Next::Over);
    assert_eq!(site.row(&order).state, SessionState::Dropped);
    let open = site.store.read("test", |tx| tx.items_for_drift(1)).unwrap();
    assert_eq!(open.len(), 20, "its items are for the next window");
}

#[test]
fn a_session_without_an_end_is_given_up_after_a_day() {
    let sites = sites(4);
    let order = statistics(&sites, 0);
    sites[0].join(&order);
    let sweep = |now| sites[0].store.tx("test", |tx| session::sweep(tx, now)).unwrap();
    assert_eq!(sweep(5 + 86_400), 0);
    assert_eq!(sweep(6 + 86_400), 1);
    assert_eq!(sites[0].row(&order).state, SessionState::Abandoned);
    assert!(!sites[0].has_journal(&order));
}

#[test]
fn what_is_given_up_after_a_day_opens_its_window_again_unless_its_vector_arrived() {
    let (sites, order, _) = shared();
    for (site, arrived, state) in
        [(&sites[0], false, SessionState::Abandoned), (&sites[1], true, SessionState::Failed)]
    {
        let items = || site.store.read("test", |tx| tx.items_for_drift(1)).unwrap().len();
        let all = items();
        site.tick();
        assert_eq!((site.row(&order).state, items()), (SessionState::Masked, 0));
        if arrived {
            site.store.tx("test", |tx| tx.mark_acknowledged(1, 20)).unwrap();
        }
        let swept = site.store.tx("test", |tx| session::sweep(tx, 6 + 86_400)).unwrap();
        assert_eq!((swept, site.row(&order).state), (1, state));
        assert_eq!(items(), if arrived { 0 } else { all });
    }
}

#[test]
fn where_sums_are_required_nothing_leaves_alone() {
    let mut sites = sites(4);
    sites[0].policy.secure_aggregation = SecureAggregation::Required;
    let limits = sites[0].limits();
    let refused = windows::release(&sites[0].store, &limits, &testing::project().name, 10);
    let Err(windows::WindowError::Outbox(OutboxError::Release(error))) = refused else { panic!() };
    assert!(matches!(error, ReleaseError::SumsOnly { kind: "confusion" }));
    let (tally, pool) = (gradient(0, 10), insitu_privacy::NoisePool::new());
    release::draw_ahead(&pool, [&tally.outline()]).unwrap();
    let release = Release::make(&tally, &pool).unwrap();
    let refused = sites[0]
        .store
        .alone("test", |tx| outbox::commit(tx, vec![release], &limits, 10))
        .unwrap_err();
    assert!(matches!(refused, OutboxError::Release(ReleaseError::SumsOnly { kind: "update" })));
    let order = statistics(&sites, 0);
    run(&mut sites, &order, |_, _| false);
}

#[test]
fn identities_and_keys_are_apart() {
    let keys: BTreeSet<Fixed<32>> = sites(4).iter().map(|site| site.member.verify_key).collect();
    assert_eq!(keys.len(), 4);
    let mut site = site(1, 20, 0);
    let key = site.member.verify_key;
    site.restart();
    let again = site.store.tx("test", session::verify_key).unwrap();
    assert_eq!(again, key, "made once");
}
