//! Sessions, played with the real state machines of the sites.

use std::convert::Infallible;

use insitu_privacy::secagg::{Client, ConsentKey, Roots, Stage};
use insitu_protocol::order::Order;
use insitu_protocol::release::Body;
use insitu_protocol::response::Refusal;
use insitu_protocol::session::SessionAnswer;

use super::desk::{self, Message};
use super::*;
use crate::tests::{Agent, NOW, Scene};

/// A site that takes part in sessions, without noise: sums can be compared exactly.
pub(crate) struct Party {
    name: String,
    agent: Agent,
    key: ConsentKey,
    /// What it adds.
    pub(crate) values: Vec<i64>,
    /// It vanishes before it sends this stage.
    pub(crate) leaves_before: usize,
    client: Option<Client>,
    answer: Vec<u8>,
}

impl Party {
    /// A member that has announced its key.
    pub(crate) fn new(scene: &Scene, name: &str, seed: u8) -> Self {
        let key = ConsentKey::new(&[seed; 32]);
        let agent = Agent::new(name);
        let verify_key = Fixed(key.verify_key());
        desk::announce(&scene.store, agent.sender(), verify_key, NOW).unwrap().unwrap();
        Self {
            name: name.to_owned(),
            agent,
            key,
            values: Vec::new(),
            leaves_before: STAGES,
            client: None,
            answer: Vec::new(),
        }
    }

    /// The newest session that the site is asked for.
    pub(crate) fn asked(&self, scene: &Scene, now: i64) -> Option<SessionOrder> {
        scene.orders(&self.name, now).into_iter().rev().find_map(|order| match order {
            Order::Session(order) => Some(order),
            Order::Project(_)
            | Order::TaskProject(_)
            | Order::Candidate(_)
            | Order::ThresholdProject(_)
            | Order::Bundle(_)
            | Order::Round(_)
            | Order::CoarseRound(_)
            | Order::Campaign(_)
            | Order::Functions(_)
            | Order::Evaluation(_) => None,
        })
    }

    fn send(
        &self,
        scene: &Scene,
        session: Digest,
        (stage, body): (Stage, &[u8]),
        now: i64,
    ) -> Result<SessionAnswer, Refusal> {
        let message = Message { session, stage: stage as u8, body };
        desk::message(&scene.store, &scene.sessions, self.agent.sender(), message, now).unwrap()
    }

    /// Sends the message of the first stage; what is answered.
    pub(crate) fn begin(
        &mut self,
        scene: &Scene,
        order: &SessionOrder,
        now: i64,
    ) -> Result<SessionAnswer, Refusal> {
        let position = desk::position(order, self.agent.sender()).unwrap();
        let body = self.body(&session_of(order).unwrap(), position, Stage::Keys);
        self.send(scene, id(order), (Stage::Keys, &body), now)
    }

    /// The message of a stage, from the answer to the one before.
    fn body(&mut self, session: &Session, position: usize, stage: Stage) -> Vec<u8> {
        let answer = &self.answer;
        let unsent = if stage == Stage::Keys {
            let seed = u8::try_from(position + 1).unwrap();
            let roots = Roots::new([seed; 96]);
            let (client, unsent) =
                Client::start(session.clone(), position, &self.key, roots).unwrap();
            self.client = Some(client);
            unsent
        } else {
            let client = self.client.as_mut().unwrap();
            match stage {
                Stage::Keys | Stage::Shares => client.share(answer).unwrap(),
                Stage::Masked => {
                    let shares = client.check_shares(answer).unwrap();
                    client.mask(shares, &self.values).unwrap()
                }
                Stage::Consent => client.consent(answer, &self.key).unwrap(),
                Stage::Reveal => client.reveal(answer).unwrap(),
            }
        };
        unsent.store(|_| Ok::<_, Infallible>(())).unwrap()
    }
}

/// What the release of a session's vector says it is.
fn vector_body(order: &SessionOrder, session: Digest) -> Body {
    match &order.purpose {
        Purpose::Update(round) => {
            Body::MaskedUpdate { run: round.run, round: round.round, session }
        }
        Purpose::Statistics { .. } => Body::MaskedStatistics { window: 1, session },
        Purpose::Evaluation(order) => {
            Body::MaskedEvaluation { evaluation: order.evaluation, session }
        }
    }
}

fn id(order: &SessionOrder) -> Digest {
    Fixed(session_of(order).unwrap().parameters().id.0)
}

/// Plays a session to its end. Time passes where a site is missing; `disturbed`, the coordinator
/// restarts before every message and every message comes twice.
pub(crate) fn play(
    scene: &mut Scene,
    order: &SessionOrder,
    parties: &mut [Party],
    now: &mut i64,
    disturbed: bool,
) {
    let (session, id) = (session_of(order).unwrap(), id(order));
    for stage in Stage::ALL {
        for party in parties.iter_mut().filter(|party| party.leaves_before > stage as usize) {
            let position = desk::position(order, party.agent.sender()).unwrap();
            let body = party.body(&session, position, stage);
            for _ in 0..1 + usize::from(disturbed) {
                if disturbed {
                    scene.restart();
                }
                if stage == Stage::Masked {
                    let values = body.as_chunks::<4>().0.iter();
                    let values = values.map(|bytes| i32::from_le_bytes(*bytes)).collect();
                    let release = party.agent.next(vector_body(order, id), values);
                    party.agent.send(scene, &release, *now).unwrap();
                } else {
                    party.send(scene, id, (stage, &body), *now).unwrap();
                }
            }
            if stage == Stage::Masked {
                let values = body.as_chunks::<4>().0.iter();
                let values = values.map(|bytes| i32::from_le_bytes(*bytes)).collect();
                party.agent.pass(&party.agent.next(vector_body(order, id), values));
            }
        }
        if parties.iter().any(|party| party.leaves_before <= stage as usize) {
            *now = order.deadlines_unix_s[stage as usize];
            scene.tick(*now).unwrap();
        }
        for party in parties.iter_mut().filter(|party| party.leaves_before > stage as usize) {
            match party.send(scene, id, (stage, &[]), *now).unwrap() {
                SessionAnswer::Ready(answer) => party.answer = answer.0,
                SessionAnswer::Done => assert_eq!(stage, Stage::Reveal),
                other @ (SessionAnswer::Wait { .. }
                | SessionAnswer::Dropped
                | SessionAnswer::Abandoned) => panic!("{} at {stage:?}: {other:?}", party.name),
            }
        }
    }
}

/// Sites that have announced their keys, in a federation with a bundle.
pub(crate) fn parties(sites: u8) -> (Scene, Vec<Party>) {
    let names: Vec<String> = (0..sites).map(|index| format!("site-{index}")).collect();
    let scene = Scene::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    scene.publish();
    let party = |(seed, name): (u8, &String)| Party::new(&scene, name, seed + 1);
    let parties = (0..).zip(&names).map(party).collect();
    (scene, parties)
}

/// A session over the project's statistics, proposed to all.
fn proposed(scene: &Scene) -> SessionOrder {
    let project = crate::tests::project();
    let proposed = scene.store.write::<_, StoreError>("propose", |tx| {
        let members = tx.members()?;
        let purpose = Purpose::Statistics {
            project: project.name.clone(),
            project_version: project.version,
            collection: Fixed([9; 16]),
        };
        let (invited, project) = (&members[..], &project);
        let proposal =
            Proposal { purpose, project, attempt: 0, invited, colluders: None, closes_in_s: 1000 };
        propose(tx, proposal, NOW)
    });
    let id = proposed.unwrap().unwrap();
    scene.store.read("session", |tx| tx.session(id)).unwrap().unwrap().order
}

fn stored_sum(scene: &Scene, order: &SessionOrder) -> crate::store::SumRow {
    scene.store.read("sum", |tx| tx.session_sum(id(order))).unwrap().unwrap()
}

#[test]
fn the_sum_is_that_of_the_survivors_through_restarts_repeats_and_drop_outs() {
    for (disturbed, leave) in [(false, [5, 5, 5]), (true, [0, 2, 3]), (true, [1, 2, 4])] {
        let (mut scene, mut parties) = parties(10);
        let order = proposed(&scene);
        assert_eq!((order.threshold, order.colluders), (7, 1));
        for (index, party) in parties.iter_mut().enumerate() {
            let index = i64::try_from(index).unwrap();
            let values = i64::try_from(vector::values(&order)).unwrap();
            party.values = (0..values).map(|cell| (cell - 9) * 1000 + 7 * index).collect();
            assert_eq!(party.asked(&scene, NOW).unwrap(), order);
        }
        for (party, leaves) in parties.iter_mut().skip(3).zip(leave) {
            party.leaves_before = leaves;
        }
        let mut now = NOW;
        play(&mut scene, &order, &mut parties, &mut now, disturbed);
        let sum = stored_sum(&scene, &order);
        let in_sum = |party: &&Party| party.leaves_before > Stage::Masked as usize;
        let survived: Vec<&Party> = parties.iter().filter(in_sum).collect();
        assert_eq!(sum.survived.len(), survived.len());
        let exact: Vec<i64> = (0..vector::values(&order))
            .map(|cell| survived.iter().map(|party| party.values[cell]).sum())
            .collect();
        assert_eq!(sum.sums.iter().map(|sum| i64::from(*sum)).collect::<Vec<_>>(), exact);
        // What led to it is gone, and who asks again hears how it ended.
        let events = scene.store.read("events", |tx| {
            let row = tx.session(id(&order))?.unwrap();
            tx.session_events(&row)
        });
        assert!(events.unwrap().is_empty());
        for party in &parties {
            let heard = party.send(&scene, id(&order), (Stage::Keys, &[]), now).unwrap();
            let done = in_sum(&party);
            assert_eq!(heard, if done { SessionAnswer::Done } else { SessionAnswer::Dropped });
            assert!(party.asked(&scene, now).is_none());
        }
        let alerts = scene.store.read("alerts", |tx| tx.alerts()).unwrap();
        assert!(alerts.is_empty(), "{alerts:?}");
    }
}

#[test]
fn what_does_not_belong_is_refused_and_noted() {
    let (scene, mut parties) = parties(4);
    let order = proposed(&scene);
    let (session, id) = (session_of(&order).unwrap(), id(&order));
    let body = parties[0].body(&session, 0, Stage::Keys);
    let [party, other, ..] = &parties[..] else { panic!() };
    let send = |party: &Party, stage, body: &[u8]| party.send(&scene, id, (stage, body), NOW);
    let refused = |stage: u8| Err(Refusal::Stage { stage });
    assert!(matches!(send(party, Stage::Keys, &body), Ok(SessionAnswer::Wait { .. })));
    // Another second message; a message too early, or in the wrong way; another's message; garbage.
    let mut changed = body.clone();
    changed[0] ^= 1;
    assert_eq!(send(party, Stage::Keys, &changed), refused(0));
    assert_eq!(send(party, Stage::Consent, &body), refused(3));
    assert_eq!(send(party, Stage::Masked, &body), refused(2));
    assert_eq!(send(other, Stage::Keys, &body), refused(0));
    assert_eq!(send(other, Stage::Keys, b"no key"), refused(0));
    let message = Message { session: id, stage: 5, body: &[] };
    let answer = |sender, message| {
        desk::message(&scene.store, &scene.sessions, sender, message, NOW).unwrap()
    };
    assert_eq!(answer(party.agent.sender(), message), refused(5));
    let stranger = Agent::new("stranger");
    let message = Message { session: id, stage: 0, body: &body };
    assert_eq!(answer(stranger.sender(), message), Err(Refusal::UnknownSession));
    let message = Message { session: Fixed([1; 32]), ..message };
    assert_eq!(answer(party.agent.sender(), message), Err(Refusal::UnknownSession));
    // The first message stands.
    assert!(matches!(send(party, Stage::Keys, &body), Ok(SessionAnswer::Wait { .. })));
    let alerts = scene.store.read("alerts", |tx| tx.alerts()).unwrap();
    let alerts: Vec<(&str, &str, u64)> = alerts
        .iter()
        .map(|alert| (alert.site.as_str(), alert.kind.as_str(), alert.times))
        .collect();
    assert_eq!(alerts, [("site-0", "equivocation", 1), ("site-1", "malformed", 2)]);
}

#[test]
fn a_late_vector_is_kept_for_the_chain_and_not_counted() {
    let (mut scene, mut parties) = parties(4);
    let order = proposed(&scene);
    let length = vector::values(&order);
    parties.iter_mut().for_each(|party| party.values = vec![1; length]);
    parties[3].leaves_before = Stage::Masked as usize;
    let mut now = NOW;
    play(&mut scene, &order, &mut parties, &mut now, false);
    assert_eq!(stored_sum(&scene, &order).sums, vec![3; length]);
    let body = vector_body(&order, id(&order));
    let late = parties[3].agent.next(body, vec![5; length]);
    let receipt = parties[3].agent.send(&scene, &late, now).unwrap();
    assert_eq!(receipt.sequence, 1);
    assert_eq!(stored_sum(&scene, &order).sums, vec![3; length]);
    // A vector of another length, or for another session, is not even that.
    parties[3].agent.pass(&late);
    let short = parties[3].agent.next(body, vec![5; length - 1]);
    assert_eq!(parties[3].agent.send(&scene, &short, now), Err(Refusal::Malformed));
    parties[3].agent.pass(&short);
    let body = Body::MaskedStatistics { window: 1, session: Fixed([3; 32]) };
    let unknown = parties[3].agent.next(body, vec![5; length]);
    assert_eq!(parties[3].agent.send(&scene, &unknown, now), Err(Refusal::UnknownSession));
}

#[test]
fn sums_that_might_not_fit_are_refused_with_the_numbers() {
    let project = crate::tests::project();
    let noise = insitu_privacy::secagg::NoisePart {
        fraction_bits: 0,
        scale: GaussianScale::from_steps(8000 * 1024).unwrap(),
    };
    let sensitivity = insitu_privacy::SquaredSensitivity::new(1 << 30);
    let refused = fits(&Segment { values: 4, sensitivity, noise }, 10).unwrap_err().to_string();
    assert!(refused.contains("32769 each") && refused.contains("25298"), "{refused}");
    let sensitivity = insitu_privacy::SquaredSensitivity::new(1 << 24);
    fits(&Segment { values: 4, sensitivity, noise }, 10).unwrap();
    assert!(project.training.fraction_bits <= 12, "the shipped project fits");
}
