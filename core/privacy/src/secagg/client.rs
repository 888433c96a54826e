//! The site's side: five messages, each made once.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

use super::{
    crypto::{
        self, ConsentKey, KeyPair, Roots, SIGNATURE_BYTES, Share, Sign, apply_own_mask,
        apply_pair_mask, pair_sign,
    },
    journal::{Journal, JournalError},
    message::{
        Keys, Malformed, ShareKind, Stage, consent_message, exactly, hash_of_key_list,
        read_key_list, read_records, read_share_list, read_survivors, write_records, write_vector,
    },
    session::Session,
    sites::Sites,
};

/// Why a site does not go on. It tells the coordinator which, and drops out of the session; what
/// it sent so far stays valid, and another message at this stage may still be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The site is not in the roster, or under another key.
    #[error("this site is not in the roster under its key")]
    NotInRoster,
    /// The answer is not well-formed.
    #[error("the answer is malformed")]
    Malformed(#[source] Malformed),
    /// The answer belongs to another stage than the one the site is in.
    #[error("the site is at {at:?}, which does not take this answer")]
    OutOfOrder {
        /// The last stage whose message was made.
        at: Stage,
    },
    /// Fewer sites than the threshold.
    #[error("{got} sites are fewer than the {needed} that must answer")]
    TooFew {
        /// Sites or signatures.
        got: usize,
        /// T.
        needed: usize,
    },
    /// The site's own keys are missing or replaced.
    #[error("the site's own keys are missing or replaced")]
    OwnKeys,
    /// A signature over keys or survivors is not that site's.
    #[error("the signature of site {position} is not valid")]
    Signature {
        /// The site that is blamed.
        position: usize,
    },
    /// Two sites show the same key.
    #[error("site {position} shows a key of another site")]
    RepeatedKey {
        /// The later one.
        position: usize,
    },
    /// A key of small order.
    #[error("the key of site {position} agrees on nothing")]
    WeakKey {
        /// The site that is blamed.
        position: usize,
    },
    /// A share that was altered, or is for another session, site or point.
    #[error("the shares of site {position} do not open")]
    Share {
        /// The site that is blamed.
        position: usize,
    },
    /// A list is not part of the list before it, or leaves this site out.
    #[error("the list of sites does not follow from the one before")]
    Sites,
    /// Hash of another key list than this site was given.
    #[error("the coordinator showed others another key list")]
    KeyList,
    /// Another key list after one was accepted.
    #[error("a second key list")]
    SecondKeyList,
    /// Another list of shares after one was accepted.
    #[error("a second list of shares")]
    SecondShareList,
    /// Another list of survivors after one was signed.
    #[error("a second list of survivors")]
    SecondSurvivors,
    /// A vector of another length than the session's.
    #[error("{got} values, expected {expected}")]
    Length {
        /// Values given.
        got: usize,
        /// Values of the session.
        expected: usize,
    },
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// A message that may not be sent before the journal is durable.
#[must_use = "store the journal, then send"]
pub struct Unsent {
    journal: Zeroizing<Vec<u8>>,
    body: Vec<u8>,
}

impl Unsent {
    /// Hands the journal to `store`, which returns once it is durable in place of the session's
    /// last one, and only then gives the body to send.
    ///
    /// # Errors
    /// Those of `store`; the message stays unsent, and the client must be restored from whatever
    /// journal is durable.
    pub fn store<E>(self, store: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<Vec<u8>, E> {
        store(&self.journal)?;
        Ok(self.body)
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Shares that were received and checked: the last moment at which dropping out costs nothing.
/// Reserve the budget, draw the noise, then give it to [`Client::mask`].
pub struct CheckedShares {
    bytes: Vec<u8>,
    shared: Sites,
}

impl fmt::Debug for CheckedShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedShares").field("sites", &self.shared.len()).finish_non_exhaustive()
    }
}

/// One site in one session.
pub struct Client {
    session: Session,
    position: usize,
    journal: Journal,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("position", &self.position)
            .field("stage", &self.journal.stage)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Takes part in a session: once for each session id, which the caller keeps a list of.
    ///
    /// # Errors
    /// [`Refusal::NotInRoster`].
    pub fn start(
        session: Session,
        position: usize,
        key: &ConsentKey,
        roots: Roots,
    ) -> Result<(Self, Unsent), Refusal> {
        let listed = session.parameters().roster.get(position);
        if listed.is_none_or(|site| site.verify_key != key.verify_key()) {
            return Err(Refusal::NotInRoster);
        }
        let channel = KeyPair::channel(&session, &roots.channel).public;
        let mask = KeyPair::mask(&session, &roots.mask).public;
        let signature = key.sign(&Keys::signed(&session, position, &channel, &mask));
        let journal = Journal {
            stage: Stage::Keys,
            roots,
            key_list: Vec::new(),
            share_list: Vec::new(),
            survivors: Vec::new(),
            body: Keys { channel, mask, signature }.to_bytes(),
        };
        let client = Self { session, position, journal };
        let unsent = client.unsent();
        Ok((client, unsent))
    }

    /// The client as its last durable journal has it.
    ///
    /// # Errors
    /// [`JournalError`]: drop out of the session, and never start it again.
    pub fn restore(
        session: Session,
        position: usize,
        journal: &[u8],
    ) -> Result<Self, JournalError> {
        let journal = Journal::from_bytes(journal, &session, position)?;
        Ok(Self { session, position, journal })
    }

    /// The last stage whose message was made.
    pub const fn stage(&self) -> Stage {
        self.journal.stage
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The last message again, byte for byte. It is unsent until the journal is durable, which it
    /// is after a restart.
    pub fn unsent(&self) -> Unsent {
        Unsent {
            journal: self.journal.to_bytes(&self.session, self.position),
            body: self.journal.body.clone(),
        }
    }

    /// The second message, from the key list.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changed then.
    pub fn share(&mut self, key_list: &[u8]) -> Result<Unsent, Refusal> {
        if self.journal.stage != Stage::Keys {
            return self.again(
                Stage::Shares,
                key_list == self.journal.key_list,
                Refusal::SecondKeyList,
            );
        }
        let keys = self.check_key_list(key_list)?;
        let (session, roots) = (&self.session, &self.journal.roots);
        let channel = KeyPair::channel(session, &roots.channel);
        let mask = KeyPair::mask(session, &roots.mask);
        let own = crypto::own_seed(session, &roots.own);
        let of_mask = crypto::split(session, &roots.mask, "mask-shares", &mask.secret());
        let of_own = crypto::split(session, &roots.own, "own-shares", &own);
        let mut body = crypto::commit(session, self.position, &own).to_vec();
        for (to, keys) in &keys {
            let agreed = channel.agree(&keys.channel).ok_or(Refusal::WeakKey { position: *to })?;
            let shares = (&*of_mask[*to], &*of_own[*to]);
            let sealed = crypto::seal(session, &agreed, (self.position, *to), shares);
            write_records([(*to, sealed.as_slice())], &mut body);
        }
        self.journal.key_list = key_list.to_vec();
        Ok(self.made(Stage::Shares, body))
    }

    /// Opens the shares from the answer to the second stage, and changes nothing.
    ///
    /// # Errors
    /// [`Refusal`]. Once the vector is masked, [`Refusal::OutOfOrder`] for the same list: resend.
    pub fn check_shares(&self, share_list: &[u8]) -> Result<CheckedShares, Refusal> {
        match self.journal.stage {
            Stage::Shares => {}
            at @ Stage::Keys => return Err(Refusal::OutOfOrder { at }),
            at if share_list == self.journal.share_list => return Err(Refusal::OutOfOrder { at }),
            Stage::Masked | Stage::Consent | Stage::Reveal => return Err(Refusal::SecondShareList),
        }
        let keys = read_key_list(&self.journal.key_list, self.session.sites())?;
        let (shared, _) = read_share_list(share_list, self.session.sites())?;
        let listed = Sites::from_iter(positions(&keys, self.session.sites()));
        self.require(&shared)?;
        if !shared.is_within(&listed) || !shared.contains(self.position) {
            return Err(Refusal::Sites);
        }
        self.open_all(&keys, share_list)?;
        Ok(CheckedShares { bytes: share_list.to_vec(), shared })
    }

    /// The third message: `noised` (the site's exact sum with its share of the noise), masked.
    ///
    /// `noised` is taken modulo the ring. The roots of both masks are erased from the journal.
    /// Once this was called for the session it is never computed again: [`Client::unsent`] has
    /// the same bytes, whatever the input.
    ///
    /// # Errors
    /// [`Refusal::Length`], [`Refusal::WeakKey`], [`Refusal::OutOfOrder`]; nothing changed then.
    pub fn mask(&mut self, shares: CheckedShares, noised: &[i64]) -> Result<Unsent, Refusal> {
        if self.journal.stage != Stage::Shares {
            return Err(Refusal::OutOfOrder { at: self.journal.stage });
        }
        let expected = self.session.parameters().dimensions;
        if noised.len() != expected {
            return Err(Refusal::Length { got: noised.len(), expected });
        }
        let keys = read_key_list(&self.journal.key_list, self.session.sites())?;
        let (session, roots, me) = (&self.session, &self.journal.roots, self.position);
        let mask = KeyPair::mask(session, &roots.mask);
        let mut values: Vec<u64> = noised.iter().map(|value| value.cast_unsigned()).collect();
        apply_own_mask(session, &crypto::own_seed(session, &roots.own), Sign::Plus, &mut values);
        for (other, keys) in keys.iter().filter(|(at, _)| *at != me && shares.shared.contains(*at))
        {
            let agreed = mask.agree(&keys.mask).ok_or(Refusal::WeakKey { position: *other })?;
            apply_pair_mask(session, &agreed, (me, *other), pair_sign(me, *other), &mut values);
        }
        let body = write_vector(&values, session.parameters().ring);
        self.journal.roots.mask.zeroize();
        self.journal.roots.own.zeroize();
        self.journal.share_list = shares.bytes;
        Ok(self.made(Stage::Masked, body))
    }

    /// The fourth message: the signature over the survivors. One list in a session, ever.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changed then.
    pub fn consent(&mut self, survivors: &[u8], key: &ConsentKey) -> Result<Unsent, Refusal> {
        if self.journal.stage != Stage::Masked {
            let same = survivors == self.journal.survivors;
            return self.again(Stage::Consent, same, Refusal::SecondSurvivors);
        }
        let (hash, survived) = read_survivors(survivors, self.session.sites())?;
        if hash != hash_of_key_list(&self.session, &self.journal.key_list) {
            return Err(Refusal::KeyList);
        }
        let shared = self.shared()?;
        self.require(&survived)?;
        if !survived.is_within(&shared) || !survived.contains(self.position) {
            return Err(Refusal::Sites);
        }
        let signature = key.sign(&consent_message(&self.session, &hash, &shared, &survived));
        self.journal.survivors = survivors.to_vec();
        Ok(self.made(Stage::Consent, signature.to_vec()))
    }

    /// The fifth message: of each site that shared, the one share that the survivors allow.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changed then.
    pub fn reveal(&mut self, signatures: &[u8]) -> Result<Unsent, Refusal> {
        match self.journal.stage {
            Stage::Consent => {}
            Stage::Reveal => return Ok(self.unsent()),
            at @ (Stage::Keys | Stage::Shares | Stage::Masked) => {
                return Err(Refusal::OutOfOrder { at });
            }
        }
        let (hash, survived) = read_survivors(&self.journal.survivors, self.session.sites())?;
        let message = consent_message(&self.session, &hash, &self.shared()?, &survived);
        // Records ascend, so a signature cannot be repeated.
        let signed = read_records(signatures, SIGNATURE_BYTES, self.session.sites())?;
        for (position, signature) in &signed {
            let key = &self.session.parameters().roster[*position].verify_key;
            if !survived.contains(*position) || !crypto::verify(key, &message, exactly(signature)?)
            {
                return Err(Refusal::Signature { position: *position });
            }
        }
        self.require_count(signed.len())?;
        let keys = read_key_list(&self.journal.key_list, self.session.sites())?;
        let mut body = Vec::new();
        for (from, (of_mask, of_own)) in self.open_all(&keys, &self.journal.share_list)? {
            let kind = ShareKind::of(from, &survived);
            let share = match kind {
                ShareKind::Own => of_own,
                ShareKind::Mask => of_mask,
            };
            let mut record = Zeroizing::new([kind.to_byte(); ShareKind::RECORD_BYTES]);
            record[1..].copy_from_slice(&*share);
            write_records([(from, record.as_slice())], &mut body);
        }
        Ok(self.made(Stage::Reveal, body))
    }

    fn made(&mut self, stage: Stage, body: Vec<u8>) -> Unsent {
        self.journal.stage = stage;
        self.journal.body = body;
        self.unsent()
    }

    /// The answer to a message that led to `made` before: the same bytes, if it is the same.
    fn again(&self, made: Stage, same: bool, second: Refusal) -> Result<Unsent, Refusal> {
        let at = self.journal.stage;
        if at < made || (same && at > made) {
            return Err(Refusal::OutOfOrder { at });
        }
        if same { Ok(self.unsent()) } else { Err(second) }
    }

    fn require(&self, sites: &Sites) -> Result<(), Refusal> {
        self.require_count(sites.len())
    }

    fn require_count(&self, got: usize) -> Result<(), Refusal> {
        let needed = self.session.parameters().threshold;
        if got < needed { Err(Refusal::TooFew { got, needed }) } else { Ok(()) }
    }

    fn check_key_list(&self, bytes: &[u8]) -> Result<Vec<(usize, Keys)>, Refusal> {
        let session = &self.session;
        let keys = read_key_list(bytes, session.sites())?;
        self.require_count(keys.len())?;
        let own = keys.iter().find(|(position, _)| *position == self.position);
        if own.is_none_or(|(_, keys)| keys.to_bytes() != self.journal.body) {
            return Err(Refusal::OwnKeys);
        }
        for (index, (position, shown)) in keys.iter().enumerate() {
            let position = *position;
            let signed = Keys::signed(session, position, &shown.channel, &shown.mask);
            let key = &session.parameters().roster[position].verify_key;
            if !crypto::verify(key, &signed, &shown.signature) {
                return Err(Refusal::Signature { position });
            }
            let all = |keys: &Keys| [keys.channel, keys.mask];
            let earlier = keys[..index].iter().flat_map(|(_, keys)| all(keys));
            if shown.channel == shown.mask
                || earlier.into_iter().any(|key| all(shown).contains(&key))
            {
                return Err(Refusal::RepeatedKey { position });
            }
        }
        Ok(keys)
    }

    /// Who shared, as the accepted list of shares has it.
    fn shared(&self) -> Result<Sites, Refusal> {
        Ok(read_share_list(&self.journal.share_list, self.session.sites())?.0)
    }

    /// The shares of the mask key and of the self seed from every site of the list, opened.
    fn open_all(
        &self,
        keys: &[(usize, Keys)],
        share_list: &[u8],
    ) -> Result<Vec<(usize, OpenShares)>, Refusal> {
        let (shared, sealed) = read_share_list(share_list, self.session.sites())?;
        if !shared.iter().eq(sealed.iter().map(|(from, _)| *from)) {
            return Err(Refusal::Sites);
        }
        let channel = KeyPair::channel(&self.session, &self.journal.roots.channel);
        let senders = keys.iter().filter(|(from, _)| shared.contains(*from));
        let open = |((from, keys), (_, sealed)): (&(usize, Keys), &(usize, &[u8]))| {
            let position = *from;
            let agreed = channel.agree(&keys.channel).ok_or(Refusal::WeakKey { position })?;
            crypto::open(&self.session, &agreed, (position, self.position), sealed)
                .map(|shares| (position, shares))
                .ok_or(Refusal::Share { position })
        };
        senders.zip(&sealed).map(open).collect()
    }
}

/// A share of the mask key, and one of the self seed.
type OpenShares = (Zeroizing<Share>, Zeroizing<Share>);

fn positions(keys: &[(usize, Keys)], roster: usize) -> Vec<bool> {
    let mut present = vec![false; roster];
    keys.iter().for_each(|(position, _)| present[*position] = true);
    present
}
