//! The coordinator's side: collects messages and answers with lists.

use std::{collections::BTreeMap, fmt};

use super::{
    crypto::{self, SIGNATURE_BYTES},
    message::{
        Keys, Malformed, Stage, consent_message, exactly, hash_of_key_list, read_revealed,
        read_shares, read_vector, write_records,
    },
    session::Session,
    sites::Sites,
};

/// Something to store durably before it is acted on: before a message is acknowledged, before an
/// answer that follows from a closed stage is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A site's message was accepted.
    Received {
        /// Its position in the roster.
        position: usize,
        /// What it answers.
        stage: Stage,
        /// The message.
        body: Vec<u8>,
    },
    /// A stage was closed: later messages of it are refused.
    Closed(Stage),
}

/// A message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Store it, then acknowledge it.
    New,
    /// The same bytes as before: acknowledge again.
    Again,
}

/// A message that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not of a site that this stage expects.
    #[error("site {position} is not expected at {stage:?}")]
    Unexpected {
        /// Its position in the roster.
        position: usize,
        /// The stage.
        stage: Stage,
    },
    /// The stage is closed, or not open yet.
    #[error("{stage:?} is not open")]
    NotOpen {
        /// The stage.
        stage: Stage,
    },
    /// Other bytes than the first time. The first ones stay.
    #[error("site {position} sent two messages for {stage:?}")]
    Equivocation {
        /// Its position in the roster.
        position: usize,
        /// The stage.
        stage: Stage,
    },
    /// Not a message of this stage.
    #[error("the message is malformed")]
    Malformed(#[source] Malformed),
    /// The signature is not the site's, or is over other lists.
    #[error("the signature of site {position} is not valid")]
    Signature {
        /// Its position in the roster.
        position: usize,
    },
    /// A stage cannot close with fewer sites than the threshold.
    #[error("{got} sites answered, {needed} needed")]
    TooFew {
        /// Sites that answered.
        got: usize,
        /// T.
        needed: usize,
    },
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// What a site gets that asks for the answer of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The stage is still open.
    Wait,
    /// The answer, the same each time.
    Ready(Vec<u8>),
    /// The site did not answer in time and is no longer part of the session.
    Dropped,
}

/// One session at the coordinator.
pub struct Server {
    pub(super) session: Session,
    /// The first message of each site, by stage.
    pub(super) bodies: [BTreeMap<usize, Vec<u8>>; Stage::COUNT],
    /// The stage that is open; `None` when all are closed.
    pub(super) open: Option<Stage>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Server {
    /// A session that waits for keys.
    pub const fn new(session: Session) -> Self {
        Self { session, bodies: [const { BTreeMap::new() }; Stage::COUNT], open: Some(Stage::Keys) }
    }

    /// The session as its stored events have it, in the order in which they were stored.
    ///
    /// # Errors
    /// [`Fault`] for an event that could not have been accepted.
    pub fn replay(
        session: Session,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Self, Fault> {
        let mut server = Self::new(session);
        for event in events {
            match event {
                Event::Received { position, stage, body } => {
                    server.receive(position, stage, &body)?;
                }
                Event::Closed(stage) if server.open == Some(stage) => server.close()?,
                Event::Closed(stage) => return Err(Fault::NotOpen { stage }),
            }
        }
        Ok(server)
    }

    /// Takes a message of the site at `position`, as the caller authenticated it.
    ///
    /// # Errors
    /// [`Fault`]; nothing changed then.
    pub fn receive(
        &mut self,
        position: usize,
        stage: Stage,
        body: &[u8],
    ) -> Result<Accepted, Fault> {
        if let Some(first) = self.bodies[stage as usize].get(&position) {
            let same = first == body;
            return if same {
                Ok(Accepted::Again)
            } else {
                Err(Fault::Equivocation { position, stage })
            };
        }
        if self.open != Some(stage) {
            return Err(Fault::NotOpen { stage });
        }
        if !self.expected(stage).contains(position) {
            return Err(Fault::Unexpected { position, stage });
        }
        self.check(position, stage, body)?;
        self.bodies[stage as usize].insert(position, body.to_vec());
        Ok(Accepted::New)
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The stage that is open; `None` when all are closed.
    pub const fn open(&self) -> Option<Stage> {
        self.open
    }

    /// Whether every site that the open stage expects has answered.
    pub fn is_complete(&self) -> bool {
        self.open.is_some_and(|stage| self.expected(stage) == self.answered(stage))
    }

    /// Closes the open stage: when it is complete, or at its deadline. Store [`Event::Closed`]
    /// before any answer that follows is given: who answered is then fixed, for ever.
    ///
    /// # Errors
    /// [`Fault::TooFew`] below the threshold: wait, or give the session up. [`Fault::NotOpen`]
    /// when all are closed.
    pub fn close(&mut self) -> Result<(), Fault> {
        let stage = self.open.ok_or(Fault::NotOpen { stage: Stage::Reveal })?;
        let (got, needed) = (self.answered(stage).len(), self.session.parameters().threshold);
        if got < needed {
            return Err(Fault::TooFew { got, needed });
        }
        self.open = stage.next();
        Ok(())
    }

    /// What the site at `position` gets for its message of `stage`, once that is closed. After
    /// [`Stage::Reveal`] it is the digest of the sum, which the caller knows: never [`Answer::Ready`].
    pub fn answer(&self, position: usize, stage: Stage) -> Answer {
        if self.open.is_some_and(|open| open <= stage) || stage == Stage::Reveal {
            return Answer::Wait;
        }
        // A survivor whose signature came too late for the list can still reveal.
        let needed = if stage == Stage::Consent { Stage::Masked } else { stage };
        if !self.answered(needed).contains(position) {
            return Answer::Dropped;
        }
        Answer::Ready(match stage {
            Stage::Keys | Stage::Consent => self.list(stage),
            Stage::Shares => self.share_list(position),
            Stage::Masked => {
                [self.key_list_hash().as_slice(), &self.answered(Stage::Masked).to_bytes()].concat()
            }
            Stage::Reveal => Vec::new(), // excluded above
        })
    }

    /// Who answered a stage.
    pub fn answered(&self, stage: Stage) -> Sites {
        let bodies = &self.bodies[stage as usize];
        (0..self.session.sites()).map(|position| bodies.contains_key(&position)).collect()
    }

    /// Who may answer a stage: whoever answered the one before; for the last, all survivors.
    fn expected(&self, stage: Stage) -> Sites {
        match stage {
            Stage::Keys => Sites::all(self.session.sites()),
            Stage::Shares => self.answered(Stage::Keys),
            Stage::Masked => self.answered(Stage::Shares),
            Stage::Consent | Stage::Reveal => self.answered(Stage::Masked),
        }
    }

    fn check(&self, position: usize, stage: Stage, body: &[u8]) -> Result<(), Fault> {
        let roster = self.session.sites();
        match stage {
            Stage::Keys => {
                let keys = Keys::from_bytes(body)?;
                let message = Keys::signed(&self.session, position, &keys.channel, &keys.mask);
                self.check_signature(position, &message, &keys.signature)
            }
            Stage::Shares => {
                let (_, sealed) = read_shares(body, roster)?;
                let to = self.answered(Stage::Keys);
                if to.iter().eq(sealed.iter().map(|(position, _)| *position)) {
                    return Ok(());
                }
                let expected = 32 + to.len() * (2 + crypto::CIPHERTEXT_BYTES);
                Err(Malformed::Length { got: body.len(), expected }.into())
            }
            Stage::Masked => Ok(read_vector(body, &self.session).map(|_| ())?),
            Stage::Consent => {
                let (shared, survived) =
                    (self.answered(Stage::Shares), self.answered(Stage::Masked));
                let message =
                    consent_message(&self.session, &self.key_list_hash(), &shared, &survived);
                self.check_signature(position, &message, exactly(body)?)
            }
            Stage::Reveal => {
                let (shared, survived) =
                    (self.answered(Stage::Shares), self.answered(Stage::Masked));
                Ok(read_revealed(body, &shared, &survived, roster).map(|_| ())?)
            }
        }
    }

    fn check_signature(
        &self,
        position: usize,
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), Fault> {
        let key = &self.session.parameters().roster[position].verify_key;
        if crypto::verify(key, message, signature) {
            Ok(())
        } else {
            Err(Fault::Signature { position })
        }
    }

    fn list(&self, stage: Stage) -> Vec<u8> {
        let mut list = Vec::new();
        let bodies = self.bodies[stage as usize].iter();
        write_records(bodies.map(|(position, body)| (*position, body.as_slice())), &mut list);
        list
    }

    fn key_list_hash(&self) -> [u8; 32] {
        hash_of_key_list(&self.session, &self.list(Stage::Keys))
    }

    fn share_list(&self, to: usize) -> Vec<u8> {
        let mut list = self.answered(Stage::Shares).to_bytes();
        for (from, body) in &self.bodies[Stage::Shares as usize] {
            let (_, sealed) = stored(read_shares(body, self.session.sites()));
            write_records(
                sealed.into_iter().filter(|(at, _)| *at == to).map(|(_, sealed)| (*from, sealed)),
                &mut list,
            );
        }
        list
    }

    pub(super) fn keys(&self, position: usize) -> Keys {
        stored(Keys::from_bytes(&self.bodies[Stage::Keys as usize][&position]))
    }

    pub(super) fn commitment(&self, position: usize) -> [u8; 32] {
        stored(read_shares(&self.bodies[Stage::Shares as usize][&position], self.session.sites())).0
    }
}

/// A message that was checked when it was accepted.
pub(super) fn stored<T>(checked: Result<T, Malformed>) -> T {
    checked.expect("only messages that pass this are accepted")
}
