//! Features that are kept between the rounds of a run: what they change, which is nothing, and when
//! they are forgotten.

use std::time::Duration;

use insitu_models::bundle::Bundle;
use insitu_models::manifest::Sentence;
use insitu_protocol::bytes::Bytes;
use insitu_protocol::order::{EvaluationOrder, NumberedOrder, Order, RoundOrder};

use super::heads::Heads;
use super::personal::tests::{Site, comparison, round};
use super::*;
use crate::downlink::apply;
use crate::learn::evaluation;
use crate::learn::kept::KEPT_SECONDS;
use crate::testing;

/// Room for about ten of the site's items.
const LITTLE_BYTES: usize = 4096;

fn labeled_site() -> Site {
    let site = Site::new();
    site.add(0..60);
    site.settle(&mut site.pipeline(false));
    assert_eq!(site.contradict(), 60);
    site
}

/// The run's round of this number, at a head of its own.
fn nth(site: &Site, number: u32, rounds: u32) -> RoundOrder {
    let head = site.bundle.head();
    let scale = 1.0 / f64::from(number);
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let weights = head.weights().iter().map(|weight| (f64::from(*weight) * scale) as f32);
    let head = head.with_weights(weights.collect()).unwrap();
    let order = round(&site.row(), &site.bundle);
    RoundOrder { round: number, rounds, head: Bytes(head.encode()), ..order }
}

/// What a site answers to a run of three rounds with labels that come in between, and to the
/// evaluation after each; `restart` says before which rounds the agent starts anew.
fn run(mut kept: Kept, restart: &[u32]) -> Vec<Vec<i64>> {
    let site = labeled_site();
    let order: EvaluationOrder = comparison(&site.row(), &site.bundle);
    let mut model = site.model();
    let mut answers = Vec::new();
    for number in 1..=3 {
        if restart.contains(&number) {
            (model, kept) = (site.model(), Kept::new());
        }
        kept.ask(0, 0);
        let row = site.row();
        let order_of_round = nth(&site, number, 3);
        let update = learn::update(&site.store, &mut model, &mut kept, &row, &order_of_round);
        let evaluated =
            evaluation::evaluate(&site.store, &mut model, &mut kept, &row, &order).unwrap();
        answers.extend([update.unwrap(), evaluated].map(|tally| tally.counts().to_vec()));
        let first = usize::try_from(number).unwrap() * 10 + 50;
        site.add(first..first + 10);
        site.settle(&mut site.pipeline(false));
        assert_eq!(site.contradict(), 10);
    }
    answers
}

#[test]
fn answers_are_bit_identical_whatever_is_kept_and_whenever_the_agent_starts_anew() {
    let anew = run(Kept::nothing(), &[]);
    assert!(anew.iter().all(|counts| counts.iter().any(|count| *count != 0)));
    assert_ne!(anew[0], anew[2], "rounds differ");
    assert_eq!(run(Kept::new(), &[]), anew);
    assert_eq!(run(Kept::within(LITTLE_BYTES), &[]), anew);
    for restart in 2..=3 {
        assert_eq!(run(Kept::new(), &[restart]), anew, "started anew before round {restart}");
    }
}

/// Answers a round as the pipeline does; what it keeps of it is there then.
fn keep(site: &Site, pipeline: &mut Pipeline) {
    let (row, now) = (site.row(), site.clock.now().as_second());
    let order = nth(site, 1, 3);
    let counted = pipeline.count_heads(&row, Heads::Trained(&order), now).unwrap();
    assert!(counted.is_ok() && !pipeline.kept.is_empty());
}

#[test]
fn an_erasure_another_model_and_a_long_time_make_it_forget() {
    let site = labeled_site();
    let mut pipeline = site.pipeline(false);
    while pipeline.tick().unwrap() {}
    keep(&site, &mut pipeline);
    pipeline.tick().unwrap();
    assert!(!pipeline.kept.is_empty(), "a tick alone changes nothing");

    site.store
        .tx("test", |tx| {
            let doomed = tx.doomed(1)?.unwrap();
            tx.erase_items(&[doomed])
        })
        .unwrap();
    pipeline.tick().unwrap();
    assert!(pipeline.kept.is_empty(), "something was erased");

    keep(&site, &mut pipeline);
    site.clock.advance(Duration::from_secs(KEPT_SECONDS.unsigned_abs() - 1));
    pipeline.tick().unwrap();
    assert!(!pipeline.kept.is_empty());
    site.clock.advance(Duration::from_secs(1));
    pipeline.tick().unwrap();
    assert!(pipeline.kept.is_empty(), "nobody has asked for long");

    keep(&site, &mut pipeline);
    let head = site.bundle.head().with_weights(vec![0.5; site.bundle.head().weights().len()]);
    let next: Bundle =
        site.bundle.successor(head.unwrap(), Sentence::new("of a test").unwrap()).unwrap();
    site.publish(&next, 2);
    pipeline.tick().unwrap();
    assert!(pipeline.kept.is_empty(), "another model is in use");
}

#[test]
fn it_is_kept_from_the_first_round_of_a_run_to_the_last() {
    let site = labeled_site();
    let mut judge = testing::generous(1);
    judge.policy.backbones = vec![site.bundle.manifest().backbone.digest];
    let (store, clock) = (Arc::clone(&site.store), Arc::clone(&site.clock) as Arc<dyn Clock>);
    let shelf = Shelf::new(site.scratch.folder.path());
    let mut pipeline = Pipeline::new(store, clock, judge.clone(), Schedule::default(), shelf, None);
    for number in 1..=2 {
        let order = RoundOrder { nano_rho: 10_000_000_000, ..nth(&site, number, 2) };
        let order = NumberedOrder { number: 6 + u64::from(number), order: Order::Round(order) };
        let now = site.clock.now().as_second();
        assert!(apply(&site.store, &judge, &order, now).unwrap());
        while pipeline.tick().unwrap() {}
        let rounds = site.store.read("test", |tx| tx.rounds(None)).unwrap();
        let answered = |row: &&crate::store::orders::RoundRow| row.state == RoundState::Released;
        assert_eq!(rounds.iter().filter(answered).count(), usize::try_from(number).unwrap());
        assert_eq!(pipeline.kept.is_empty(), number == 2, "after round {number}");
    }
}
