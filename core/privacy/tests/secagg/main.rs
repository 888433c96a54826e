//! Secure aggregation as a whole: sums, drop-outs, restarts, refusals, noise.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod harness;
mod refusals;

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use harness::{Agent, Coordinator, input, next, parameters, previous, run_to};
use insitu_privacy::{
    GaussianScale, Rho, SquaredSensitivity, add_noise,
    secagg::{Answer, Parameters, Ring, Session, Stage, distributed_rho, share_of},
};

fn below(limit: usize, rng: &mut ChaCha20Rng) -> usize {
    rng.next_u32() as usize % limit
}

/// The sum over some sites as the ring gives it back.
fn plain_sum(ring: Ring, vectors: &[Vec<i64>]) -> Vec<i64> {
    let add = |at: usize| vectors.iter().fold(0_i64, |sum, vector| sum.wrapping_add(vector[at]));
    let wrap = |value: i64| match ring {
        Ring::Bits32 => value << 32 >> 32,
        Ring::Bits64 => value,
    };
    (0..vectors[0].len()).map(|at| wrap(add(at))).collect()
}

/// One random session; gives how many sites vanished.
fn random_session(number: u64, sites: usize, hard: bool, rng: &mut ChaCha20Rng) -> usize {
    let ring = if number.is_multiple_of(2) { Ring::Bits32 } else { Ring::Bits64 };
    let mut chosen = parameters(number, sites, 33, ring);
    let tolerated = sites - chosen.threshold;
    let colluders = (sites - 2 * tolerated - 1).min(chosen.threshold - 2);
    chosen.colluders = below(colluders + 1, rng);
    let session = Session::new(chosen).unwrap();
    // The message that each site no longer sends; 5 is never.
    let mut until = vec![Stage::COUNT; sites];
    for _ in 0..below(tolerated + 1, rng) {
        until[below(sites, rng)] = below(Stage::COUNT, rng);
    }
    let mut agents: Vec<Agent> = (0..sites)
        .map(|at| {
            Agent::new(
                &session,
                at,
                (0..33).map(|_| i64::from(rng.next_u32()) << 20 >> 12).collect(),
            )
        })
        .collect();
    let mut coordinator = Coordinator::new(&session);
    for stage in Stage::ALL {
        for agent in agents.iter_mut().filter(|agent| stage as usize <= until[agent.position]) {
            if stage as usize == until[agent.position] {
                continue;
            }
            if hard && stage != Stage::Keys {
                agent.kill();
            }
            let body = if stage == Stage::Keys {
                agent.start(number)
            } else {
                next(agent, stage, &coordinator).unwrap()
            };
            coordinator.receive(agent.position, stage, &body);
            if hard {
                agent.kill();
                coordinator.restart();
                let answer =
                    previous(stage).map(|before| coordinator.answer(agent.position, before));
                let again = agent.step(stage, &answer.unwrap_or_default()).unwrap();
                assert_eq!(again, body, "a retry sends the same bytes");
                coordinator.receive(agent.position, stage, &again);
            }
        }
        coordinator.close();
    }
    let survivors: Vec<Vec<i64>> = agents
        .iter()
        .filter(|agent| until[agent.position] > Stage::Masked as usize)
        .map(|agent| agent.input.clone())
        .collect();
    let sum = coordinator.server.sum().unwrap();
    assert_eq!(sum.survived.len(), survivors.len());
    assert_eq!(
        sum.values,
        plain_sum(ring, &survivors),
        "session {number}: n {sites}, until {until:?}"
    );
    until.iter().filter(|until| **until < Stage::COUNT).count()
}

#[test]
fn sums_are_exact_whoever_vanishes_whenever_and_whatever_restarts() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut vanished = 0;
    for number in 0..240 {
        let sites = [3, 4, 5, 7, 10, 20][below(6, &mut rng)];
        vanished += random_session(number, sites, number >= 120, &mut rng);
    }
    assert!(vanished > 200, "the sessions must be hard: {vanished} sites vanished");
}

#[test]
fn messages_have_the_stated_sizes() {
    let (sites, dimensions) = (10, 50);
    let (mut agents, mut coordinator) =
        run_to(parameters(0, sites, dimensions, Ring::Bits32), Stage::Masked);
    let mut up = 0;
    for stage in [Stage::Keys, Stage::Shares, Stage::Masked] {
        up += match stage {
            Stage::Keys => 128,
            Stage::Shares => 32 + 84 * sites,
            Stage::Masked | Stage::Consent | Stage::Reveal => 4 * dimensions,
        };
    }
    for stage in [Stage::Consent, Stage::Reveal] {
        for agent in &mut agents {
            let body = next(agent, stage, &coordinator).unwrap();
            up += if agent.position == 0 { body.len() } else { 0 };
            coordinator.receive(agent.position, stage, &body);
        }
        coordinator.close();
    }
    assert_eq!(up, 4 * dimensions + 224 + 120 * sites);
    let down: usize = [Stage::Keys, Stage::Shares, Stage::Masked, Stage::Consent]
        .into_iter()
        .map(|stage| coordinator.answer(0, stage).len())
        .sum();
    assert_eq!(down, 214 * sites + 66 * sites + 32 + 2 * sites.div_ceil(8));
}

/// A single masked vector, and the sum of all but one site's, look uniform.
#[test]
fn what_the_coordinator_sees_before_the_end_is_noise() {
    let (agents, coordinator) = run_to(parameters(0, 4, 20_000, Ring::Bits32), Stage::Masked);
    let answers: Vec<Vec<u8>> = agents.iter().map(|agent| agent.disk.clone()).collect();
    // The journal ends with the body and a checksum of 32 bytes.
    let masked = |at: usize| &answers[at][answers[at].len() - 32 - 80_000..answers[at].len() - 32];
    let word =
        |bytes: &[u8], i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
    for sites in [vec![0], vec![0, 1], vec![0, 1, 2], vec![0, 1, 2, 3]] {
        let mut counts = [0_u32; 256];
        for i in 0..20_000 {
            let sum = sites.iter().fold(0_u32, |sum, at| sum.wrapping_add(word(masked(*at), i)));
            counts[(sum >> 24) as usize] += 1;
        }
        let expected = 20_000.0 / 256.0;
        let chi: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
        // 255 degrees of freedom: beyond 410 once in 10⁹ (and this run is fixed by its seeds).
        assert!(chi < 410.0, "{sites:?}: {chi}");
    }
    assert!(matches!(coordinator.server.answer(0, Stage::Reveal), Answer::Wait));
}

/// The noise in the sum is that of one release at the same price, not that of each site.
#[test]
fn the_sum_carries_the_noise_of_one_release() {
    const DIMENSIONS: usize = 10_000;
    for (sites, gone) in [(4, 0), (4, 1), (10, 0), (10, 3)] {
        let sensitivity = SquaredSensitivity::new(1 << 24);
        let price = Rho::from_nano(24_360_000);
        let central = GaussianScale::for_budget(sensitivity, price).unwrap();
        let mut chosen = parameters(1, sites, DIMENSIONS, Ring::Bits32);
        chosen.noise = share_of(central, chosen.threshold).unwrap();
        let session = Session::new(Parameters { noise: chosen.noise, ..chosen }).unwrap();
        assert!(distributed_rho(&session, sensitivity) <= price);
        let scale = session.parameters().noise;
        let exact: Vec<Vec<i64>> = (0..sites).map(|at| input(at, DIMENSIONS)).collect();
        let mut agents: Vec<Agent> = (0..sites)
            .map(|at| Agent::new(&session, at, add_noise(&exact[at], scale).unwrap()))
            .collect();
        let mut coordinator = Coordinator::new(&session);
        for stage in Stage::ALL {
            let left = if stage >= Stage::Masked { sites - gone } else { sites };
            for agent in &mut agents[..left] {
                let body = next(agent, stage, &coordinator).unwrap();
                coordinator.receive(agent.position, stage, &body);
            }
            coordinator.close();
        }
        let sum = coordinator.server.sum().unwrap();
        let plain = plain_sum(Ring::Bits32, &exact[..sites - gone]);
        let residuals: Vec<f64> =
            sum.values.iter().zip(&plain).map(|(a, b)| (a - b) as f64).collect();
        let variance = residuals.iter().map(|r| r * r).sum::<f64>() / DIMENSIONS as f64;
        let expected = (sites - gone) as f64 * scale.as_f64().powi(2);
        let ratio = variance / expected;
        println!(
            "n {sites} gone {gone}: variance ratio {ratio:.4}, against one release {:.3}",
            variance / central.as_f64().powi(2)
        );
        // Deviation √(2/10,000) = .0141; 6.1 of them are a false alarm of 10⁻⁹.
        assert!((ratio - 1.0).abs() < 6.1 * 0.0141, "{ratio}");
        // Never less than one release has, never near the n releases of noise at each site.
        assert!(variance > 0.9 * central.as_f64().powi(2));
        assert!(variance < 0.6 * sites as f64 * central.as_f64().powi(2));
    }
}
