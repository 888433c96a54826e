//! Secure aggregation of 29,645 values over 10 sites, without the sampling of noise: time of a site
//! by message, time of the coordinator, bytes. The best of several sessions, since the wall clock
//! of a shared machine only ever adds.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a benchmark measures real time, prints it, and stops at the first surprise"
)]

use std::{convert::Infallible, hint::black_box, time::Instant};

use insitu_privacy::{
    GaussianScale,
    secagg::{
        Answer, Client, ConsentKey, Parameters, Ring, Roots, Server, Session, SessionId, Site,
        Stage, Unsent,
    },
};

const DIMENSIONS: usize = 29_645;
const SESSIONS: u32 = 15;

fn main() {
    for (sites, gone) in [(10, 0), (10, 3), (50, 0), (50, 15)] {
        let mut best = [f64::INFINITY; Stage::COUNT + 1];
        let mut bytes = (0, 0);
        for number in 0..SESSIONS {
            let (times, sizes) = run(number, sites, gone);
            bytes = sizes;
            for (best, time) in best.iter_mut().zip(times) {
                *best = best.min(time);
            }
        }
        let client: f64 = best[..Stage::COUNT].iter().sum();
        let [keys, shares, masked, consent, reveal, server] = best;
        println!(
            "n {sites:2} gone {gone:2}: site {client:.2} ms ({keys:.2} {shares:.2} {masked:.2} {consent:.2} {reveal:.2}), coordinator {server:.2} ms, up {} B, down {} B",
            bytes.0, bytes.1
        );
    }
}

/// Milliseconds of the mean site by stage and of the coordinator; bytes up and down of a site.
fn run(number: u32, sites: usize, gone: usize) -> ([f64; Stage::COUNT + 1], (usize, usize)) {
    let keys: Vec<ConsentKey> = (0..sites).map(|at| ConsentKey::new(&[at as u8; 32])).collect();
    let session = session(number, &keys);
    let input: Vec<i64> =
        (0..DIMENSIONS as i64).map(|at| at * 7_919 % 16_777_216 - 8_388_608).collect();
    let mut server = Server::new(session.clone());
    let mut clients: Vec<Option<Client>> = (0..sites).map(|_| None).collect();
    let mut times = [0.0; Stage::COUNT + 1];
    let (mut up, mut down) = (0, 0);
    let mut previous = None;
    for stage in Stage::ALL {
        let left = if stage >= Stage::Masked { sites - gone } else { sites };
        for position in 0..left {
            let answer = previous.map(|before| match server.answer(position, before) {
                Answer::Ready(answer) => answer,
                other @ (Answer::Wait | Answer::Dropped) => panic!("{other:?}"),
            });
            let answer = answer.unwrap_or_default();
            let start = Instant::now();
            let client = &mut clients[position];
            let unsent = match (stage, client) {
                (Stage::Keys, client) => {
                    let roots = Roots::new(std::array::from_fn(|i| (i + position) as u8));
                    let (made, unsent) =
                        Client::start(session.clone(), position, &keys[position], roots).unwrap();
                    *client = Some(made);
                    unsent
                }
                (_, Some(client)) => step(client, stage, &answer, &input, &keys[position]),
                (_, None) => panic!("started at the first stage"),
            };
            let body = unsent
                .store(|journal| {
                    black_box(journal);
                    Ok::<(), Infallible>(())
                })
                .unwrap();
            times[stage as usize] += start.elapsed().as_secs_f64() * 1e3 / left as f64;
            if position == 0 {
                (up, down) = (up + body.len(), down + answer.len());
            }
            let start = Instant::now();
            server.receive(position, stage, &body).unwrap();
            times[Stage::COUNT] += start.elapsed().as_secs_f64() * 1e3;
        }
        server.close().unwrap();
        previous = Some(stage);
    }
    let start = Instant::now();
    black_box(server.sum().unwrap());
    times[Stage::COUNT] += start.elapsed().as_secs_f64() * 1e3;
    (times, (up, down))
}

fn step(
    client: &mut Client,
    stage: Stage,
    answer: &[u8],
    input: &[i64],
    key: &ConsentKey,
) -> Unsent {
    match stage {
        Stage::Keys => client.unsent(),
        Stage::Shares => client.share(answer).unwrap(),
        Stage::Masked => {
            let shares = client.check_shares(answer).unwrap();
            client.mask(shares, input).unwrap()
        }
        Stage::Consent => client.consent(answer, key).unwrap(),
        Stage::Reveal => client.reveal(answer).unwrap(),
    }
}

fn session(number: u32, keys: &[ConsentKey]) -> Session {
    let site = |(at, key): (usize, &ConsentKey)| Site {
        agent: [at as u8; 32],
        certificate: [at as u8; 32],
        verify_key: key.verify_key(),
    };
    Session::new(Parameters {
        id: SessionId::derive(&[0; 32], number, 0),
        roster: keys.iter().enumerate().map(site).collect(),
        threshold: Session::default_threshold(keys.len()),
        colluders: 0,
        dimensions: DIMENSIONS,
        ring: Ring::Bits32,
        noise: GaussianScale::from_steps(4096).unwrap(),
        input: [0; 32],
        deadlines: [0; Stage::COUNT],
    })
    .unwrap()
}
