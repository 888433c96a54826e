//! Sites and a coordinator in one process, with durable storage that outlives them.

use std::convert::Infallible;

use insitu_privacy::{
    GaussianScale,
    secagg::{
        Accepted, Answer, Client, ConsentKey, Event, Parameters, Refusal, Ring, Roots, Server,
        Session, SessionId, Site, Stage, Unsent,
    },
};

/// A key, roots and vectors that follow from small numbers.
fn bytes(kind: u8, session: u64, position: usize) -> [u8; 32] {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&session.to_le_bytes());
    bytes[8..16].copy_from_slice(&(position as u64).to_le_bytes());
    bytes
}

pub(crate) fn key(position: usize) -> ConsentKey {
    ConsentKey::new(&bytes(1, 0, position))
}

pub(crate) fn parameters(number: u64, sites: usize, dimensions: usize, ring: Ring) -> Parameters {
    let site = |position| Site {
        agent: bytes(2, 0, position),
        certificate: bytes(3, 0, position),
        verify_key: key(position).verify_key(),
    };
    Parameters {
        id: SessionId::derive(&bytes(4, number, 0), 0, 0),
        roster: (0..sites).map(site).collect(),
        threshold: Session::default_threshold(sites),
        colluders: 0,
        dimensions,
        ring,
        noise: GaussianScale::from_steps(4096).unwrap(),
        input: [5; 32],
        deadlines: [1, 2, 3, 4, 5],
    }
}

/// A site: what is on its disk, and the program, which may be torn down at any time.
pub(crate) struct Agent {
    pub(crate) session: Session,
    pub(crate) position: usize,
    pub(crate) disk: Vec<u8>,
    pub(crate) input: Vec<i64>,
    program: Option<Client>,
}

impl Agent {
    pub(crate) fn new(session: &Session, position: usize, input: Vec<i64>) -> Self {
        Self { session: session.clone(), position, disk: Vec::new(), input, program: None }
    }

    /// Starts the session and gives its first message.
    pub(crate) fn start(&mut self, number: u64) -> Vec<u8> {
        let parts = [6, 7, 8].map(|kind| bytes(kind, number, self.position));
        let roots = Roots::new(std::array::from_fn(|at| parts[at / 32][at % 32]));
        let (client, unsent) =
            Client::start(self.session.clone(), self.position, &key(self.position), roots).unwrap();
        self.program = Some(client);
        self.send(unsent)
    }

    /// Kills the program; the next use restores it from disk.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        self.program.get_or_insert_with(|| {
            Client::restore(self.session.clone(), self.position, &self.disk).unwrap()
        })
    }

    /// The next message, from the answer to the one before.
    pub(crate) fn step(&mut self, stage: Stage, answer: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (key, input) = (key(self.position), self.input.clone());
        let client = self.client();
        let unsent = match stage {
            Stage::Keys => client.unsent(),
            Stage::Shares => client.share(answer)?,
            Stage::Masked if client.stage() >= Stage::Masked => {
                // Asked again: the same list is refused as out of order, then the old bytes.
                match client.check_shares(answer) {
                    Err(Refusal::OutOfOrder { .. }) => client.unsent(),
                    Err(refusal) => return Err(refusal),
                    Ok(_) => unreachable!("a list was accepted twice"),
                }
            }
            Stage::Masked => {
                let shares = client.check_shares(answer)?;
                client.mask(shares, &input)?
            }
            Stage::Consent => client.consent(answer, &key)?,
            Stage::Reveal => client.reveal(answer)?,
        };
        Ok(self.send(unsent))
    }

    fn send(&mut self, unsent: Unsent) -> Vec<u8> {
        let disk = &mut self.disk;
        let sent = unsent.store(|journal| {
            *disk = journal.to_vec();
            Ok::<(), Infallible>(())
        });
        let Ok(body) = sent;
        body
    }
}

/// The coordinator: its stored events, and the program.
pub(crate) struct Coordinator {
    pub(crate) server: Server,
    events: Vec<Event>,
}

impl Coordinator {
    pub(crate) fn new(session: &Session) -> Self {
        Self { server: Server::new(session.clone()), events: Vec::new() }
    }

    pub(crate) fn receive(&mut self, position: usize, stage: Stage, body: &[u8]) {
        if self.server.receive(position, stage, body).unwrap() == Accepted::New {
            self.events.push(Event::Received { position, stage, body: body.to_vec() });
        }
    }

    pub(crate) fn close(&mut self) {
        let stage = self.server.open().unwrap();
        self.server.close().unwrap();
        self.events.push(Event::Closed(stage));
    }

    pub(crate) fn restart(&mut self) {
        let session = self.server.session().clone();
        self.server = Server::replay(session, self.events.iter().cloned()).unwrap();
    }

    pub(crate) fn answer(&self, position: usize, stage: Stage) -> Vec<u8> {
        match self.server.answer(position, stage) {
            Answer::Ready(answer) => answer,
            other @ (Answer::Wait | Answer::Dropped) => {
                panic!("no answer to {stage:?} for {position}: {other:?}")
            }
        }
    }
}

/// A session in which every site answers up to and including `last`, and that stage is closed.
pub(crate) fn run_to(parameters: Parameters, last: Stage) -> (Vec<Agent>, Coordinator) {
    let session = Session::new(parameters).unwrap();
    let dimensions = session.parameters().dimensions;
    let mut coordinator = Coordinator::new(&session);
    let mut agents: Vec<Agent> = (0..session.sites())
        .map(|position| Agent::new(&session, position, input(position, dimensions)))
        .collect();
    for stage in Stage::ALL.into_iter().take_while(|stage| *stage <= last) {
        for agent in &mut agents {
            let body = next(agent, stage, &coordinator).unwrap();
            coordinator.receive(agent.position, stage, &body);
        }
        coordinator.close();
    }
    (agents, coordinator)
}

/// The message of `stage`, from what the coordinator answers to the one before.
pub(crate) fn next(
    agent: &mut Agent,
    stage: Stage,
    coordinator: &Coordinator,
) -> Result<Vec<u8>, Refusal> {
    match previous(stage) {
        None => Ok(agent.start(0)),
        Some(before) => {
            let answer = coordinator.answer(agent.position, before);
            agent.step(stage, &answer)
        }
    }
}

pub(crate) fn previous(stage: Stage) -> Option<Stage> {
    Stage::ALL.into_iter().take_while(|earlier| *earlier < stage).last()
}

/// A site's vector: 24-bit signed values.
pub(crate) fn input(position: usize, dimensions: usize) -> Vec<i64> {
    let value =
        |at: usize| (at as i64 * 7_919 + position as i64 * 104_729) % 16_777_216 - 8_388_608;
    (0..dimensions).map(value).collect()
}
