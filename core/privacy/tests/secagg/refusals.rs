//! Everything that a site or the coordinator must refuse.

use insitu_privacy::secagg::{
    Answer, Client, Event, Fault, JournalError, Malformed, Parameters, Refusal, Ring, Roots,
    Server, Session, SessionError, Stage, SumError,
};

use crate::harness::{Agent, Coordinator, key, next, parameters, run_to};

const SITES: usize = 4;
/// Position and record of a site in the key list, and in the list of signatures.
const KEY_RECORD: usize = 2 + 128;
const SIGNATURE_RECORD: usize = 2 + 64;

fn chosen() -> Parameters {
    parameters(0, SITES, 8, Ring::Bits32)
}

#[test]
fn keys_that_are_replaced_removed_or_repeated() {
    let (mut agents, coordinator) = run_to(chosen(), Stage::Keys);
    let list = coordinator.answer(0, Stage::Keys);
    let mut check = |bytes: &[u8], expected: Refusal| {
        assert_eq!(agents[0].step(Stage::Shares, bytes), Err(expected));
        assert_eq!(agents[0].client().stage(), Stage::Keys, "nothing was made");
    };
    let altered = |at: usize| {
        let mut altered = list.clone();
        altered[at] ^= 1;
        altered
    };
    check(&altered(2 * KEY_RECORD + 2 + 40), Refusal::Signature { position: 2 });
    check(&altered(2 + 3), Refusal::OwnKeys);
    check(&list[KEY_RECORD..], Refusal::OwnKeys);
    check(&list[..2 * KEY_RECORD], Refusal::TooFew { got: 2, needed: 3 });
    check(
        &list[..list.len() - 1],
        Refusal::Malformed(Malformed::Length { got: 519, expected: 130 }),
    );
    // One site's record under another's name: the signature names its owner.
    let mut moved = list.clone();
    moved.copy_within(2 * KEY_RECORD + 2..3 * KEY_RECORD, 3 * KEY_RECORD + 2);
    check(&moved, Refusal::Signature { position: 3 });
    let mut twice = list.clone();
    twice.copy_within(2 * KEY_RECORD..3 * KEY_RECORD, 3 * KEY_RECORD);
    check(&twice, Refusal::Malformed(Malformed::Position { index: 3 }));
    assert!(agents[0].step(Stage::Shares, &list).is_ok());
}

#[test]
fn a_second_list_of_any_kind_also_after_a_crash() {
    let (mut agents, mut coordinator) = run_to(chosen(), Stage::Keys);
    let list = coordinator.answer(0, Stage::Keys);
    let shorter = list[..3 * KEY_RECORD].to_vec();
    let body = agents[0].step(Stage::Shares, &list).unwrap();
    for _ in 0..2 {
        assert_eq!(agents[0].step(Stage::Shares, &shorter), Err(Refusal::SecondKeyList));
        assert_eq!(agents[0].step(Stage::Shares, &list).unwrap(), body);
        agents[0].kill();
    }
    for agent in &mut agents {
        let body = next(agent, Stage::Shares, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Shares, &body);
    }
    coordinator.close();
    let shares = coordinator.answer(0, Stage::Shares);
    // The same without the last site, which is as well-formed as the first.
    let mut fewer = shares[..shares.len() - 84].to_vec();
    fewer[0] &= 0b0111;
    let body = agents[0].step(Stage::Masked, &shares).unwrap();
    for _ in 0..2 {
        assert_eq!(agents[0].step(Stage::Masked, &fewer), Err(Refusal::SecondShareList));
        agents[0].kill();
    }
    for agent in &mut agents {
        let body = next(agent, Stage::Masked, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Masked, &body);
    }
    // Asked again, with another input: the old bytes.
    agents[0].input[0] += 1;
    agents[0].kill();
    assert_eq!(agents[0].step(Stage::Masked, &shares).unwrap(), body);
    coordinator.close();
    let survivors = coordinator.answer(0, Stage::Masked);
    let mut others = survivors.clone();
    others[32] &= 0b0111;
    let signature = agents[0].step(Stage::Consent, &survivors).unwrap();
    for _ in 0..2 {
        assert_eq!(agents[0].step(Stage::Consent, &others), Err(Refusal::SecondSurvivors));
        assert_eq!(agents[0].step(Stage::Consent, &survivors).unwrap(), signature);
        agents[0].kill();
    }
}

#[test]
fn a_tampered_share_blames_its_sender_before_anything_is_sent() {
    let (mut agents, coordinator) = run_to(chosen(), Stage::Shares);
    let shares = coordinator.answer(1, Stage::Shares);
    let mut tampered = shares.clone();
    tampered[1 + 2 * 84 + 2 + 20] ^= 1;
    assert_eq!(agents[1].step(Stage::Masked, &tampered), Err(Refusal::Share { position: 2 }));
    assert_eq!(agents[1].client().stage(), Stage::Shares, "nothing is spent");
    // The shares of another site do not open either.
    let of_other = coordinator.answer(2, Stage::Shares);
    assert_eq!(agents[1].step(Stage::Masked, &of_other), Err(Refusal::Share { position: 0 }));
    // Bitmap and list must name the same sites, this one among them, and at least T.
    let mut unlisted = shares.clone();
    unlisted[0] &= 0b0111;
    assert_eq!(agents[1].step(Stage::Masked, &unlisted), Err(Refusal::Sites));
    let mut without_me = shares.clone();
    without_me[0] &= 0b1101;
    assert_eq!(agents[1].step(Stage::Masked, &without_me), Err(Refusal::Sites));
    let mut few = shares.clone();
    few[0] = 0b0011;
    assert_eq!(agents[1].step(Stage::Masked, &few), Err(Refusal::TooFew { got: 2, needed: 3 }));
    let client = agents[1].client();
    let checked = client.check_shares(&shares).unwrap();
    assert_eq!(client.mask(checked, &[0; 7]).unwrap_err(), Refusal::Length { got: 7, expected: 8 });
    assert!(agents[1].step(Stage::Masked, &shares).is_ok());
}

#[test]
fn survivors_that_do_not_follow() {
    let (mut agents, coordinator) = run_to(chosen(), Stage::Masked);
    let survivors = coordinator.answer(0, Stage::Masked);
    let mut check = |survived: u8, flip: usize, expected: Refusal| {
        let mut bytes = survivors.clone();
        bytes[32] = survived;
        bytes[0] ^= u8::try_from(flip).unwrap();
        assert_eq!(agents[0].step(Stage::Consent, &bytes), Err(expected));
    };
    check(0b0011, 0, Refusal::TooFew { got: 2, needed: 3 });
    check(0b1110, 0, Refusal::Sites);
    check(0b1111, 1, Refusal::KeyList);
    check(0b1_1111, 0, Refusal::Malformed(Malformed::Padding));
    assert_eq!(agents[0].step(Stage::Reveal, &[]), Err(Refusal::OutOfOrder { at: Stage::Masked }));
}

/// A site's consent, as a record of the list of signatures.
fn signed(agent: &mut Agent, survivors: &[u8]) -> Vec<u8> {
    let signature = agent.step(Stage::Consent, survivors).unwrap();
    [&u16::try_from(agent.position).unwrap().to_le_bytes(), signature.as_slice()].concat()
}

/// The coordinator tells two sites that site 3 survived, and two that it did not.
#[test]
fn a_split_view_of_the_survivors_reveals_nothing() {
    let (mut agents, coordinator) = run_to(chosen(), Stage::Masked);
    let all = coordinator.answer(0, Stage::Masked);
    let mut some = all.clone();
    some[32] = 0b0111;
    let views = [(0, &all), (1, &all), (2, &some)];
    let signatures = views.map(|(at, view)| signed(&mut agents[at], view)).concat();
    assert_eq!(agents[0].step(Stage::Reveal, &signatures), Err(Refusal::Signature { position: 2 }));
    assert_eq!(agents[2].step(Stage::Reveal, &signatures), Err(Refusal::Signature { position: 0 }));
    let valid = &signatures[..2 * SIGNATURE_RECORD];
    assert_eq!(agents[0].step(Stage::Reveal, valid), Err(Refusal::TooFew { got: 2, needed: 3 }));
}

/// A site restored from a backup signs a second list: it counts as one that colludes, and as long
/// as there are at most c of those no two lists collect T signatures.
#[test]
fn one_site_rolled_back_is_not_enough() {
    let (mut agents, coordinator) = run_to(Parameters { colluders: 1, ..chosen() }, Stage::Masked);
    let all = coordinator.answer(0, Stage::Masked);
    let mut some = all.clone();
    some[32] = 0b0111;
    let backup = agents[0].disk.clone();
    let first = [0, 1, 3].map(|at| signed(&mut agents[at], &all)).concat();
    assert!(agents[1].step(Stage::Reveal, &first).is_ok());
    agents[0].disk = backup;
    agents[0].kill();
    let second = [0, 2].map(|at| signed(&mut agents[at], &some)).concat();
    assert_eq!(agents[2].step(Stage::Reveal, &second), Err(Refusal::TooFew { got: 2, needed: 3 }));
}

/// A survivor whose signature missed the deadline still helps to remove the masks.
#[test]
fn a_late_signature_does_not_keep_a_site_from_revealing() {
    let (mut agents, mut coordinator) = run_to(chosen(), Stage::Masked);
    for agent in &mut agents[..3] {
        let body = next(agent, Stage::Consent, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Consent, &body);
    }
    coordinator.close();
    let late = next(&mut agents[3], Stage::Consent, &coordinator).unwrap();
    let not_open = Fault::NotOpen { stage: Stage::Consent };
    assert_eq!(coordinator.server.receive(3, Stage::Consent, &late), Err(not_open));
    for agent in &mut agents[1..] {
        let body = next(agent, Stage::Reveal, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Reveal, &body);
    }
    coordinator.close();
    let first: i64 = agents.iter().map(|agent| agent.input[0]).sum();
    assert_eq!(coordinator.server.sum().unwrap().values[0], first);
}

#[test]
fn signatures_that_are_too_few_repeated_or_of_the_vanished() {
    let (mut agents, mut coordinator) = run_to(chosen(), Stage::Shares);
    for agent in &mut agents[..3] {
        let body = next(agent, Stage::Masked, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Masked, &body);
    }
    coordinator.close();
    for agent in &mut agents[..3] {
        let body = next(agent, Stage::Consent, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Consent, &body);
    }
    coordinator.close();
    let list = coordinator.answer(0, Stage::Consent);
    let short = &list[..2 * SIGNATURE_RECORD];
    assert_eq!(agents[0].step(Stage::Reveal, short), Err(Refusal::TooFew { got: 2, needed: 3 }));
    let repeated = [short, &list[SIGNATURE_RECORD..2 * SIGNATURE_RECORD]].concat();
    let malformed = Refusal::Malformed(Malformed::Position { index: 2 });
    assert_eq!(agents[0].step(Stage::Reveal, &repeated), Err(malformed));
    let mut of_vanished = list.clone();
    of_vanished[2 * SIGNATURE_RECORD] = 3;
    assert_eq!(
        agents[0].step(Stage::Reveal, &of_vanished),
        Err(Refusal::Signature { position: 3 })
    );
    assert!(agents[0].step(Stage::Reveal, &list).is_ok());
}

#[test]
fn fewer_sites_than_the_threshold_give_no_sum() {
    for last in [Stage::Keys, Stage::Shares, Stage::Masked, Stage::Consent, Stage::Reveal] {
        let session = Session::new(chosen()).unwrap();
        let mut coordinator = Coordinator::new(&session);
        let mut agents: Vec<Agent> =
            (0..SITES).map(|at| Agent::new(&session, at, vec![1; 8])).collect();
        for stage in Stage::ALL.into_iter().take_while(|stage| *stage <= last) {
            let answering = if stage == last { 2 } else { SITES };
            for agent in &mut agents[..answering] {
                let body = next(agent, stage, &coordinator).unwrap();
                coordinator.receive(agent.position, stage, &body);
            }
            if stage == last {
                assert_eq!(coordinator.server.close(), Err(Fault::TooFew { got: 2, needed: 3 }));
                assert_eq!(coordinator.server.answer(0, stage), Answer::Wait);
            } else {
                coordinator.close();
            }
        }
        assert_eq!(coordinator.server.sum(), Err(SumError::Open { stage: last }));
    }
}

#[test]
fn the_coordinator_refuses_equivocation_lateness_strangers_and_forgeries() {
    let (mut agents, mut coordinator) = run_to(chosen(), Stage::Shares);
    let body = next(&mut agents[0], Stage::Masked, &coordinator).unwrap();
    coordinator.receive(0, Stage::Masked, &body);
    let mut other = body.clone();
    other[5] ^= 1;
    let server = &mut coordinator.server;
    let equivocation = Fault::Equivocation { position: 0, stage: Stage::Masked };
    assert_eq!(server.receive(0, Stage::Masked, &other), Err(equivocation));
    let short = Fault::Malformed(Malformed::Length { got: 31, expected: 32 });
    assert_eq!(server.receive(1, Stage::Masked, &body[..31]), Err(short));
    assert_eq!(
        server.receive(1, Stage::Reveal, &body),
        Err(Fault::NotOpen { stage: Stage::Reveal })
    );
    let stranger = Fault::Unexpected { position: 9, stage: Stage::Masked };
    assert_eq!(server.receive(9, Stage::Masked, &body), Err(stranger));
    for agent in &mut agents[1..3] {
        let body = next(agent, Stage::Masked, &coordinator).unwrap();
        coordinator.receive(agent.position, Stage::Masked, &body);
    }
    let late = next(&mut agents[3], Stage::Masked, &coordinator).unwrap();
    coordinator.close();
    let server = &mut coordinator.server;
    assert_eq!(
        server.receive(3, Stage::Masked, &late),
        Err(Fault::NotOpen { stage: Stage::Masked })
    );
    assert_eq!(server.answer(3, Stage::Masked), Answer::Dropped);
    assert_eq!(server.receive(0, Stage::Consent, &[7; 64]), Err(Fault::Signature { position: 0 }));
    // A stored history that could not have been accepted is refused as a whole.
    let session = Session::new(chosen()).unwrap();
    let closed = Event::Closed(Stage::Keys);
    assert!(matches!(Server::replay(session, [closed]), Err(Fault::TooFew { got: 0, .. })));
}

/// One site reveals nonsense. With a share to spare the sum is right, without one there is none.
#[test]
fn wrong_shares_are_worked_around_or_end_the_session() {
    for (sites, spoilt, revealing, works) in [(4, 1, 4, true), (4, 1, 3, false), (10, 3, 10, true)]
    {
        let (mut agents, mut coordinator) =
            run_to(parameters(0, sites, 8, Ring::Bits32), Stage::Consent);
        for agent in &mut agents[..revealing] {
            let mut body = next(agent, Stage::Reveal, &coordinator).unwrap();
            if agent.position < spoilt {
                // The first byte of each share's value; position, kind and point stay.
                body.chunks_mut(36).for_each(|record| record[4] ^= 0x55);
            }
            coordinator.receive(agent.position, Stage::Reveal, &body);
        }
        coordinator.close();
        match coordinator.server.sum() {
            Ok(sum) => {
                assert!(works);
                let first: i64 = agents.iter().map(|agent| agent.input[0]).sum();
                assert_eq!(sum.values[0], first);
            }
            Err(error) => {
                assert!(!works, "{error}");
                assert_eq!(error, SumError::Secret { position: 0, shares: revealing });
            }
        }
    }
}

#[test]
fn sites_with_other_parameters_share_nothing() {
    let (mut agents, coordinator) = run_to(chosen(), Stage::Keys);
    let other = Session::new(Parameters { input: [6; 32], ..chosen() }).unwrap();
    let mut fooled = Agent::new(&other, 0, vec![0; 8]);
    let body = fooled.start(0);
    // Neither the coordinator of the true session nor its sites take the keys.
    let mut server = Server::new(Session::new(chosen()).unwrap());
    assert_eq!(server.receive(0, Stage::Keys, &body), Err(Fault::Signature { position: 0 }));
    let list = coordinator.answer(1, Stage::Keys);
    let mixed = [&list[..2], &body, &list[KEY_RECORD..]].concat();
    assert_eq!(agents[1].step(Stage::Shares, &mixed), Err(Refusal::Signature { position: 0 }));
    // Nor does the fooled site take theirs.
    assert_eq!(fooled.step(Stage::Shares, &mixed), Err(Refusal::Signature { position: 1 }));
}

#[test]
fn journals_that_are_damaged_or_foreign() {
    let (agents, _) = run_to(chosen(), Stage::Shares);
    let (session, disk) = (agents[0].session.clone(), agents[0].disk.clone());
    let restore = |session: &Session, position, disk: &[u8]| {
        Client::restore(session.clone(), position, disk).map(|client| client.stage())
    };
    assert_eq!(restore(&session, 0, &disk), Ok(Stage::Shares));
    for length in [0, 31, 100, disk.len() - 1] {
        let damaged = JournalError::Damaged { got: length };
        assert_eq!(restore(&session, 0, &disk[..length]), Err(damaged));
    }
    for at in (0..disk.len()).step_by(7) {
        let mut damaged = disk.clone();
        damaged[at] ^= 4;
        assert!(restore(&session, 0, &damaged).is_err(), "byte {at}");
    }
    assert_eq!(restore(&session, 1, &disk), Err(JournalError::Foreign));
    let other = Session::new(parameters(9, SITES, 8, Ring::Bits32)).unwrap();
    assert_eq!(restore(&other, 0, &disk), Err(JournalError::Foreign));
}

/// After the vector is masked the journal no longer holds what would unmask it.
#[test]
fn the_roots_of_the_masks_are_erased() {
    let (before, _) = run_to(chosen(), Stage::Shares);
    let (after, _) = run_to(chosen(), Stage::Masked);
    let holds = |disk: &[u8], root: u8| disk.windows(16).any(|window| window == [root; 16]);
    for (agent, kept) in [(&before[1], true), (&after[1], false)] {
        assert!(holds(&agent.disk, 6), "the channel root is needed to the end");
        assert_eq!(holds(&agent.disk, 7), kept);
        assert_eq!(holds(&agent.disk, 8), kept);
    }
}

#[test]
fn parameters_that_would_not_be_safe() {
    let with = |sites, threshold, colluders| {
        let mut chosen = parameters(0, sites, 8, Ring::Bits32);
        (chosen.threshold, chosen.colluders) = (threshold, colluders);
        Session::new(chosen).map(|_| ())
    };
    assert_eq!(with(2, 2, 0), Err(SessionError::Sites { got: 2 }));
    assert_eq!(
        with(4, 2, 0),
        Err(SessionError::Threshold { threshold: 2, sites: 4, colluders: 0 })
    );
    assert_eq!(
        with(4, 3, 2),
        Err(SessionError::Threshold { threshold: 3, sites: 4, colluders: 2 })
    );
    assert_eq!(with(4, 4, 3), Err(SessionError::TooFewHonest { threshold: 4, colluders: 3 }));
    assert_eq!(with(4, 3, 1), Ok(()));
    for sites in 3..=255 {
        assert_eq!(with(sites, Session::default_threshold(sites), 0), Ok(()), "{sites}");
    }
    let mut repeated = chosen();
    repeated.roster[2].verify_key = repeated.roster[1].verify_key;
    assert_eq!(Session::new(repeated).unwrap_err(), SessionError::Repeated { position: 2 });
    // A site that is listed under another key than its own does not start.
    let session = Session::new(chosen()).unwrap();
    let started = Client::start(session, 1, &key(2), Roots::new([9; 96]));
    assert_eq!(started.unwrap_err(), Refusal::NotInRoster);
}
