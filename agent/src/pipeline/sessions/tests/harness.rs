//! A federation without a network: sites with real stores, the coordinator's state machine, and
//! sessions taken to their end.

use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_privacy::clip::{ClipShape, ClippedSum};
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::secagg::{
    Accepted, Answer, NoisePart, Parameters, Ring, Server, Session, SessionId, Site as RosterSite,
    Stage,
};
use insitu_privacy::statistics::Statistic;
use insitu_privacy::{GaussianScale, Rho, SquaredSensitivity};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::{Digest, digest};
use insitu_protocol::order::RoundOrder;
use insitu_protocol::release::{Body, Release as Wire};
use insitu_protocol::session::{Member, Part, Purpose, SessionAnswer};

use super::super::*;
use crate::config::{Limits, Policy, Schedule};
use crate::downlink::Judge;
use crate::label::Label;
use crate::prelabel::Shelf;
use crate::review::{Annotation, Decision, annotate, next as next_card};
use crate::session::{Next, hear, next};
use crate::store::Store;
use crate::store::labels::Role;
use crate::store::tests::Scratch;
use crate::tally::Tally;
use crate::testing;

pub(super) const DEADLINES: [i64; 5] = [100, 200, 300, 400, 500];

pub(super) struct Site {
    pub(super) scratch: Scratch,
    pub(super) store: Arc<Store>,
    pub(super) member: Member,
    pub(super) policy: Policy,
}

pub(super) fn policy() -> Policy {
    Policy { epsilon_window: 2.0, minimum_cohort: 1, ..Policy::default() }
}

/// A site of `items` items of a subject each, some of them labeled.
pub(super) fn site(number: usize, items: u32, labeled: u32) -> Site {
    let (scratch, row) = testing::with_project();
    testing::add_items(&scratch.store, &row, 0..items, items);
    testing::prelabel(&scratch.store, &row, |_| 0.5);
    let eve = testing::person(&scratch.store, "eve", Role::Expert);
    for card in next_card(&scratch.store, &eve, &row.definition.name, labeled, 1).unwrap() {
        let annotation = Annotation {
            key: format!("{}", card.row.item),
            label: Some(Label::Class(u16::try_from(card.row.item % 3 % 2).unwrap())),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&scratch.store, &eve, &card.row.opaque, &annotation, 1).unwrap();
    }
    let store = Arc::new(Store::open(scratch.folder.path()).unwrap());
    let verify_key = store.tx("test", session::verify_key).unwrap();
    let member = Member {
        site: format!("site-{number}").parse().unwrap(),
        agent: "agent".parse().unwrap(),
        verify_key,
    };
    Site { scratch, store, member, policy: policy() }
}

pub(super) fn sites(count: usize) -> Vec<Site> {
    (0..count).map(|number| site(number, 20 + u32::try_from(number).unwrap(), 12)).collect()
}

impl Site {
    /// The program is torn down: everything comes from the disk again.
    pub(super) fn restart(&mut self) {
        self.store = Arc::new(Store::open(self.scratch.folder.path()).unwrap());
    }

    pub(super) fn limits(&self) -> Limits {
        self.policy.limits().unwrap()
    }

    /// What works on its sessions.
    pub(super) fn pipeline(&self) -> Pipeline {
        let judge = Judge { policy: self.policy.clone(), limits: self.limits(), bundle_key: None };
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(10).unwrap()));
        let shelf = Shelf::new(self.scratch.folder.path());
        let store = Arc::clone(&self.store);
        Pipeline::new(store, clock, judge, Schedule::default(), shelf, None)
    }

    /// Works once; whether there may be more to do at once.
    pub(super) fn tick(&self) -> bool {
        self.pipeline().tick().unwrap()
    }

    pub(super) fn take(&self, order: &SessionOrder) {
        self.store.tx("test", |tx| session::take(tx, order, 5)).unwrap();
    }

    /// Takes the order, and judges it.
    pub(super) fn join(&self, order: &SessionOrder) -> SessionRow {
        self.take(order);
        self.tick();
        self.row(order)
    }

    pub(super) fn row(&self, order: &SessionOrder) -> SessionRow {
        self.store.read("test", |tx| tx.session(&name_of(order))).unwrap().unwrap()
    }

    pub(super) fn project(&self) -> ProjectRow {
        self.store.read("test", |tx| tx.project(&testing::project().name)).unwrap().unwrap()
    }

    pub(super) fn tallies(&self) -> [Tally; 4] {
        let row = self.project();
        self.store.read("test", |tx| tally::window(tx, &row)).unwrap().tallies
    }

    pub(super) fn released(&self) -> Vec<Wire> {
        testing::released(&self.store)
    }

    /// What is left of a session on disk.
    pub(super) fn has_journal(&self, order: &SessionOrder) -> bool {
        self.store.read("test", |tx| tx.journal(&name_of(order))).unwrap().is_some()
    }
}

/// The coordinator, as the contract of [`SessionOrder`] has it: written a second time here.
pub(super) struct Coordinator {
    pub(super) server: Server,
    pub(super) order: SessionOrder,
}

impl Coordinator {
    pub(super) fn new(order: &SessionOrder) -> Self {
        let (occasion, step) = order.purpose.occasion();
        let smallest = order.parts.iter().map(|part| part.scale_1024).min().unwrap();
        let session = Session::new(Parameters {
            id: SessionId::derive(&occasion.0, step, order.attempt),
            roster: order
                .members
                .iter()
                .map(|member| RosterSite {
                    agent: member.identity().0,
                    certificate: digest(&member.verify_key.0).0,
                    verify_key: member.verify_key.0,
                })
                .collect(),
            threshold: order.threshold.into(),
            colluders: order.colluders.into(),
            dimensions: order.parts.iter().map(|part| part.values as usize).sum(),
            ring: Ring::Bits32,
            noise: GaussianScale::from_steps(smallest).unwrap(),
            input: order.binding().0,
            deadlines: order.deadlines_unix_s.map(|deadline| deadline.cast_unsigned()),
        })
        .unwrap();
        Self { server: Server::new(session), order: order.clone() }
    }

    pub(super) fn answer(&self, position: usize, stage: Stage) -> SessionAnswer {
        match self.server.answer(position, stage) {
            Answer::Wait => SessionAnswer::Wait { retry_after_ms: 1 },
            Answer::Ready(bytes) => SessionAnswer::Ready(Bytes(bytes)),
            Answer::Dropped => SessionAnswer::Dropped,
        }
    }

    /// The message of `stage` of a site, sent twice, with the site restarted before each.
    pub(super) fn receive(&mut self, site: &mut Site, position: usize, stage: Stage) {
        site.restart();
        let body = if stage == Stage::Masked {
            site.tick();
            let first = queued(&site.store);
            site.restart();
            assert_eq!(queued(&site.store), first, "a retry sends the same bytes");
            let release = Wire::decode(&first.1).unwrap();
            site.store.tx("test", |tx| tx.mark_acknowledged(first.0, 20)).unwrap();
            release.values.0.iter().flat_map(|value| value.to_le_bytes()).collect()
        } else {
            let first = ask(&site.store, &self.order);
            site.restart();
            assert_eq!(ask(&site.store, &self.order), first, "a retry sends the same bytes");
            assert_eq!(first.0, stage as u8);
            first.1
        };
        assert_eq!(self.server.receive(position, stage, &body).unwrap(), Accepted::New);
        assert_eq!(self.server.receive(position, stage, &body).unwrap(), Accepted::Again);
    }

    /// The message of `stage` of every site; then it is closed.
    pub(super) fn collect(&mut self, sites: &mut [Site], stage: Stage) {
        for (position, site) in sites.iter_mut().enumerate() {
            self.receive(site, position, stage);
        }
        self.server.close().unwrap();
    }

    /// Gives a site the answer to its message of `stage`.
    pub(super) fn tell(&self, site: &mut Site, position: usize, stage: Stage) {
        let answer = self.answer(position, stage);
        assert!(matches!(answer, SessionAnswer::Ready(_)), "{stage:?}: {answer:?}");
        site.restart();
        hear(&site.store, &name_of(&self.order), stage as u8, &answer).unwrap();
        // Hearing it again, as after a lost acknowledgement, changes nothing.
        let state = site.row(&self.order).state;
        hear(&site.store, &name_of(&self.order), stage as u8, &answer).unwrap();
        assert_eq!(site.row(&self.order).state, state);
    }
}

pub(super) fn queued(store: &Store) -> (u64, Vec<u8>) {
    let (entry, bytes) = store.read("test", |tx| tx.next_queued()).unwrap().unwrap();
    (entry.sequence, bytes)
}

pub(super) fn ask(store: &Store, order: &SessionOrder) -> (u8, Vec<u8>) {
    match next(store, &name_of(order)).unwrap() {
        Next::Ask { stage, body } => (stage, body),
        other @ (Next::Later | Next::Over) => panic!("nothing to send: {other:?}"),
    }
}

pub(super) fn name_of(order: &SessionOrder) -> Digest {
    let (occasion, step) = order.purpose.occasion();
    Fixed(SessionId::derive(&occasion.0, step, order.attempt).0)
}

/// The parts of statistics over [`testing::project`].
pub(super) fn parts(noisy_sites: usize) -> Vec<(NoisePart, usize)> {
    let project = testing::project();
    let plan = &project.statistics;
    [
        (Statistic::Confusion, plan.confusion_nano_rho, 4),
        (Statistic::Coincidence, plan.coincidence_nano_rho, 4),
        (Statistic::Calibration, plan.calibration_nano_rho, 10),
        (Statistic::Drift { features: 2 }, plan.drift_nano_rho, 8),
    ]
    .map(|(statistic, nano, values)| {
        let sensitivity = statistic.sensitivity(ItemsPerSubject::ONE);
        (NoisePart::new(sensitivity, Rho::from_nano(nano), noisy_sites).unwrap(), values)
    })
    .to_vec()
}

pub(super) fn statistics(sites: &[Site], attempt: u32) -> SessionOrder {
    let threshold = Session::default_threshold(sites.len());
    let colluders = usize::from(sites.len() >= 5);
    let part = |(noise, values): (NoisePart, usize)| Part {
        values: u32::try_from(values).unwrap(),
        scale_1024: noise.scale.steps(),
    };
    SessionOrder {
        purpose: Purpose::Statistics {
            project: testing::project().name,
            project_version: 1,
            collection: Fixed([7; 16]),
        },
        attempt,
        members: sites.iter().map(|site| site.member.clone()).collect(),
        threshold: u8::try_from(threshold).unwrap(),
        colluders: u8::try_from(colluders).unwrap(),
        parts: parts(threshold - colluders).into_iter().map(part).collect(),
        deadlines_unix_s: DEADLINES,
    }
}

/// Takes a session to its end; at each stage from which on it is `gone`, a site says nothing more.
pub(super) fn run(
    sites: &mut [Site],
    order: &SessionOrder,
    gone: impl Fn(usize, Stage) -> bool,
) -> Vec<i64> {
    for site in &*sites {
        assert_eq!(site.join(order).state, SessionState::Keys);
    }
    let mut coordinator = Coordinator::new(order);
    for stage in Stage::ALL {
        let here = |position: &usize| !gone(*position, stage);
        for position in (0..sites.len()).filter(here) {
            coordinator.receive(&mut sites[position], position, stage);
        }
        coordinator.server.close().unwrap();
        if stage == Stage::Reveal {
            break;
        }
        for position in (0..sites.len()).filter(here) {
            coordinator.tell(&mut sites[position], position, stage);
        }
    }
    let here: Vec<usize> = (0..sites.len()).filter(|at| !gone(*at, Stage::Reveal)).collect();
    for position in here {
        assert!(sites[position].has_journal(order));
        hear(&sites[position].store, &name_of(order), 4, &SessionAnswer::Done).unwrap();
        assert_eq!(sites[position].row(order).state, SessionState::Done);
        assert!(!sites[position].has_journal(order), "the journal is erased with the end");
        assert_eq!(next(&sites[position].store, &name_of(order)).unwrap(), Next::Over);
    }
    coordinator.server.sum().unwrap().values
}

/// The sum of the squared residuals in units of their variance, over its number.
pub(super) fn residual(
    sum: &[i64],
    exact: &[i64],
    parts: &[(NoisePart, usize)],
    sites: usize,
) -> (f64, usize) {
    let scales = parts.iter().flat_map(|(noise, values)| vec![*noise; *values]);
    let squares: f64 = sum
        .iter()
        .zip(exact)
        .zip(scales)
        .map(|((noised, exact), noise)| {
            let multiplied = exact << noise.fraction_bits;
            ((noised - multiplied) as f64).powi(2) / (sites as f64 * noise.scale.as_f64().powi(2))
        })
        .sum();
    (squares / sum.len() as f64, sum.len())
}

/// Statistics of all sites, added, cell by cell.
pub(super) fn exact(sites: &[Site], summed: impl Fn(usize) -> bool) -> Vec<i64> {
    let mut total = vec![0; 26];
    for (_, site) in sites.iter().enumerate().filter(|(at, _)| summed(*at)) {
        let counts = site.tallies().into_iter().flat_map(|tally| tally.counts().to_vec());
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    total
}

pub(super) fn update_order(sites: &[Site], values: u32) -> SessionOrder {
    let round = RoundOrder {
        run: Fixed([3; 16]),
        round: 1,
        rounds: 2,
        project: testing::project().name,
        backbone: Fixed([1; 32]),
        head: Bytes(vec![0; values as usize * size_of::<f32>()]),
        classes: 2,
        features: values / 2,
        clip_milli: 1000,
        fraction_bits: 12,
        nano_rho: 10_000_000,
        closes_unix_s: 300,
    };
    let noise =
        NoisePart::new(SquaredSensitivity::new(1 << 24), Rho::from_nano(10_000_000), 3).unwrap();
    assert_eq!(noise.fraction_bits, 0);
    let parts = vec![Part { values, scale_1024: noise.scale.steps() }];
    SessionOrder { purpose: Purpose::Update(round), parts, ..statistics(sites, 0) }
}

pub(super) fn gradient(site: usize, values: usize) -> Tally {
    let mut sum = ClippedSum::new(ClipShape::new(values, 1.0, 12).unwrap());
    let cell = |at: usize| ((at * 31 + site * 17) % 101) as f32 / 1e4 - 0.005;
    sum.add(&(0..values).map(cell).collect::<Vec<f32>>()).unwrap();
    let body = Body::Update { run: Fixed([3; 16]), round: 1 };
    Tally::of_gradient(&testing::project(), body, &sum, 10_000_000, "a gradient".to_owned())
}

/// A session over an update, from the shares on: [`Pipeline`] needs a model before.
pub(super) fn run_update(sites: &mut [Site], order: &SessionOrder) -> (Vec<i64>, Vec<i64>) {
    let values = order.parts[0].values as usize;
    let mut coordinator = Coordinator::new(order);
    for site in &*sites {
        site.take(order);
        let (limits, project) = (site.limits(), site.project());
        site.store
            .tx("test", |tx| session::judge(tx, &site.policy, &limits, order, &project, 10))
            .unwrap();
    }
    let mut exact = vec![0; values];
    for stage in Stage::ALL {
        for (position, site) in sites.iter_mut().enumerate() {
            if stage == Stage::Masked {
                let tally = gradient(position, values);
                exact.iter_mut().zip(tally.counts()).for_each(|(total, count)| *total += count);
                let (pipeline, row) = (site.pipeline(), site.row(order));
                let try_it =
                    |erasures| pipeline.contribute_heads(&row, order, &tally, erasures, 10);
                let dry = match try_it(0) {
                    Err(PipelineError::Session(error)) => error.is_transient(),
                    _ => false,
                };
                assert!(dry, "no noise was drawn");
                // Each attempt takes the noise that was drawn ahead, also one that comes to nothing.
                let add = |erasures| {
                    release::draw_shares_ahead(&pipeline.pool, &order.parts).unwrap();
                    try_it(erasures)
                };
                assert!(matches!(add(1), Ok(Step::Later)), "something was erased meanwhile");
                assert!(site.released().is_empty() && site.row(order).state == row.state);
                assert!(matches!(add(0), Ok(Step::Done)));
                let over = matches!(add(0), Err(PipelineError::Session(ContributeError::Over)));
                assert!(over, "one vector, ever");
            }
            coordinator.receive(site, position, stage);
        }
        coordinator.server.close().unwrap();
        if stage < Stage::Reveal {
            for (position, site) in sites.iter_mut().enumerate() {
                coordinator.tell(site, position, stage);
            }
        }
    }
    (coordinator.server.sum().unwrap().values, exact)
}

/// The folder of a site that has its vector to make, at time 10.
pub(in crate::pipeline) fn about_to_contribute() -> tempfile::TempDir {
    let few = (0..4).map(|number| site(number, 4, 2)).collect();
    let (mut sites, ..) = share(few);
    sites.swap_remove(0).scratch.folder
}

/// Sites whose shares are exchanged, so that the vector is next.
pub(super) fn shared() -> (Vec<Site>, SessionOrder, Coordinator) {
    share(sites(4))
}

pub(super) fn share(mut sites: Vec<Site>) -> (Vec<Site>, SessionOrder, Coordinator) {
    let (order, coordinator) = share_attempt(&mut sites, 0);
    (sites, order, coordinator)
}

/// The same in this attempt.
pub(super) fn share_attempt(sites: &mut [Site], attempt: u32) -> (SessionOrder, Coordinator) {
    let order = statistics(sites, attempt);
    let mut coordinator = Coordinator::new(&order);
    for site in &*sites {
        assert_eq!(site.join(&order).state, SessionState::Keys);
    }
    for stage in [Stage::Keys, Stage::Shares] {
        coordinator.collect(sites, stage);
        for (position, site) in sites.iter_mut().enumerate() {
            coordinator.tell(site, position, stage);
        }
    }
    (order, coordinator)
}
