//! Removing the masks, from the messages that the server collected.

use std::collections::BTreeMap;

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sha2::{Digest as _, Sha256};

use super::{
    crypto::{
        self, KeyPair, SHARE_BYTES, Secret, Sign, apply_own_mask, apply_pair_mask, pair_sign,
    },
    message::{Stage, read_revealed, read_vector},
    server::{Server, stored},
    session::{Ring, Session},
    sites::Sites,
};

/// Combinations of shares that are tried for one secret before the session is given up.
const COMBINATIONS_MAX: usize = 5_000;

/// The result: the sum over the sites that survived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The noised sum, `[dimensions]`, read as signed values of the ring.
    pub values: Vec<i64>,
    /// The sites in it. Each has its share of the noise in it.
    pub survived: Sites,
    /// SHA-256 of the values as 8-byte little-endian integers, to be published.
    pub digest: [u8; 32],
}

/// Why there is no sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SumError {
    /// Not all stages are closed.
    #[error("{stage:?} is not closed")]
    Open {
        /// The first open stage.
        stage: Stage,
    },
    /// No combination of shares that was tried gives the secret that this site committed to.
    #[error("the secret of site {position} cannot be rebuilt from {shares} shares")]
    Secret {
        /// The site whose secret it is.
        position: usize,
        /// Shares at hand.
        shares: usize,
    },
    /// A site showed a key of small order.
    #[error("the key of site {position} agrees on nothing")]
    WeakKey {
        /// The site that is blamed.
        position: usize,
    },
}

impl Server {
    /// Removes the masks. The same each time it is called.
    ///
    /// # Errors
    /// [`SumError`]. [`SumError::Secret`] ends the session: the noise in it is spent.
    pub fn sum(&self) -> Result<Sum, SumError> {
        if let Some(stage) = self.open {
            return Err(SumError::Open { stage });
        }
        let (shared, survived) = (self.answered(Stage::Shares), self.answered(Stage::Masked));
        let mut values = vec![0_u64; self.session.parameters().dimensions];
        for body in self.bodies[Stage::Masked as usize].values() {
            for (value, masked) in values.iter_mut().zip(stored(read_vector(body, &self.session))) {
                *value = value.wrapping_add(masked);
            }
        }
        let mut revealed = Revealed::of(self, &shared, &survived);
        for position in shared.iter() {
            if survived.contains(position) {
                let seed = revealed.secret(&self.session, position, |seed| {
                    crypto::commit(&self.session, position, seed) == self.commitment(position)
                })?;
                apply_own_mask(&self.session, &seed, Sign::Minus, &mut values);
            } else {
                let shown = self.keys(position);
                let secret = revealed.secret(&self.session, position, |secret| {
                    KeyPair::from_secret(secret).public == shown.mask
                })?;
                self.remove_pair_masks(
                    position,
                    &KeyPair::from_secret(&secret),
                    &survived,
                    &mut values,
                )?;
            }
        }
        Ok(Sum::new(values, self.session.parameters().ring, survived))
    }

    /// Takes away the masks that the survivors applied for a site that vanished.
    fn remove_pair_masks(
        &self,
        gone: usize,
        pair: &KeyPair,
        survived: &Sites,
        values: &mut [u64],
    ) -> Result<(), SumError> {
        for position in survived.iter() {
            let shown = self.keys(position).mask;
            let agreed = pair.agree(&shown).ok_or(SumError::WeakKey { position })?;
            // What the survivor added with its sign, the vanished one's opposite sign cancels.
            apply_pair_mask(
                &self.session,
                &agreed,
                (gone, position),
                pair_sign(gone, position),
                values,
            );
        }
        Ok(())
    }
}

impl Sum {
    fn new(values: Vec<u64>, ring: Ring, survived: Sites) -> Self {
        let signed = |value: u64| match ring {
            // The low half carries the value: shift its sign bit to the top and back.
            Ring::Bits32 => (value << 32).cast_signed() >> 32,
            Ring::Bits64 => value.cast_signed(),
        };
        let values: Vec<i64> = values.into_iter().map(signed).collect();
        let mut hash = Sha256::new();
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        Self { values, survived, digest: hash.finalize().into() }
    }
}

/// The shares that were revealed, by the site whose secret they are of.
struct Revealed<'a> {
    shares: BTreeMap<usize, Vec<&'a [u8; SHARE_BYTES]>>,
    /// Indices of holders, those whose shares gave a right secret first.
    order: Vec<usize>,
}

impl<'a> Revealed<'a> {
    fn of(server: &'a Server, shared: &Sites, survived: &Sites) -> Self {
        let bodies = &server.bodies[Stage::Reveal as usize];
        let mut shares: BTreeMap<usize, Vec<&[u8; SHARE_BYTES]>> = BTreeMap::new();
        for body in bodies.values() {
            for (position, share) in
                stored(read_revealed(body, shared, survived, server.session.sites()))
            {
                shares.entry(position).or_default().push(share);
            }
        }
        Self { shares, order: (0..bodies.len()).collect() }
    }

    /// The secret of a site that passes `is_right`. A wrong share makes a combination wrong, so
    /// others are tried. Holders that were good for an earlier secret come first, so that a bad
    /// holder costs one search and not one for each secret.
    fn secret(
        &mut self,
        session: &Session,
        position: usize,
        is_right: impl Fn(&Secret) -> bool,
    ) -> Result<Secret, SumError> {
        let shares = self.shares.get(&position).map_or(&[][..], Vec::as_slice);
        let threshold = session.parameters().threshold;
        if shares.len() < threshold {
            return Err(SumError::Secret { position, shares: shares.len() });
        }
        let mut holders = self.order.clone();
        let mut shuffle = ChaCha20Rng::from_seed([0; 32]); // reproducible; nothing secret
        for attempt in 0..COMBINATIONS_MAX {
            let some: Vec<_> = holders[..threshold].iter().map(|holder| shares[*holder]).collect();
            if let Some(secret) = crypto::combine(session, &some).filter(|secret| is_right(secret))
            {
                let good = &holders[..threshold];
                self.order.sort_by_key(|holder| !good.contains(holder));
                return Ok(secret);
            }
            // Each rotation leaves out other neighbours: they find any single bad holder. Of
            // several, shuffles find a good choice with probability C(R-b, T)/C(R, T) each.
            if attempt < shares.len() {
                holders.rotate_left(1);
            } else {
                for at in 0..threshold {
                    let with = at + uniform_below(holders.len() - at, &mut shuffle);
                    holders.swap(at, with);
                }
            }
        }
        Err(SumError::Secret { position, shares: shares.len() })
    }
}

/// An index below `limit`, at most 255: the bias of the remainder is far below anything that
/// matters to a search.
fn uniform_below(limit: usize, rng: &mut ChaCha20Rng) -> usize {
    rng.next_u32() as usize % limit
}
