//! Keys, masks, shares and signatures of a session. Everything is bound to the session's hash.

use std::fmt;

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead as _, Payload},
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use vsss_rs::Gf256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::session::{Ring, Session};

/// A Shamir share of a 32-byte secret: its point, then a byte for each byte of the secret.
pub(super) const SHARE_BYTES: usize = 33;
/// Two shares and the tag of the cipher.
pub(super) const CIPHERTEXT_BYTES: usize = 2 * SHARE_BYTES + 16;
pub(super) const SIGNATURE_BYTES: usize = 64;

pub(super) type Share = [u8; SHARE_BYTES];
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The three random roots of a site in one session: 96 fresh secret bytes. All its secrets are
/// derived from them. The last two are erased once the masked vector is made.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Roots {
    /// Of the key that encrypts shares.
    pub(super) channel: [u8; 32],
    /// Of the key that pairwise masks come from.
    pub(super) mask: [u8; 32],
    /// Of the self mask.
    pub(super) own: [u8; 32],
}

impl Roots {
    /// Roots from fresh random bytes, used for one session only.
    pub fn new(random: [u8; 96]) -> Self {
        let part = |at: usize| std::array::from_fn(|i| random[at + i]);
        Self { channel: part(0), mask: part(32), own: part(64) }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots(..)")
    }
}

/// The Ed25519 key with which a site signs in secure aggregation, and nowhere else.
pub struct ConsentKey(SigningKey);

impl ConsentKey {
    /// A key from 32 secret random bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The key that the roster lists.
    pub fn verify_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for ConsentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsentKey(..)")
    }
}

/// Strict verification: no keys of small order, one encoding of each signature.
pub(super) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// HKDF-SHA-256 with the session's id as salt. `context` is of fixed length for each label.
pub(super) fn derive(session: &Session, root: &[u8], label: &str, context: &[u8]) -> Secret {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&session.parameters().id.0), root)
        .expand_multi_info(&[label.as_bytes(), session.hash(), context], &mut *key)
        .expect("32 bytes are below the limit of 255 hashes");
    key
}

/// The X25519 keys of a site.
pub(super) struct KeyPair {
    secret: StaticSecret,
    pub(super) public: [u8; 32],
}

impl KeyPair {
    pub(super) fn channel(session: &Session, root: &[u8; 32]) -> Self {
        Self::from_secret(&derive(session, root, "channel-key", &[]))
    }

    pub(super) fn mask(session: &Session, root: &[u8; 32]) -> Self {
        Self::from_secret(&derive(session, root, "mask-key", &[]))
    }

    pub(super) fn from_secret(secret: &Secret) -> Self {
        let secret = StaticSecret::from(**secret);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    /// The bytes that are shared among the sites.
    pub(super) fn secret(&self) -> Secret {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// `None` for a key of small order, which would give everybody the same secret.
    pub(super) fn agree(&self, other: &[u8; 32]) -> Option<Secret> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*other));
        shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
    }
}

/// The seed of a site's self mask.
pub(super) fn own_seed(session: &Session, root: &[u8; 32]) -> Secret {
    derive(session, root, "own-seed", &[])
}

/// A commitment to the self seed, against which the coordinator checks what it rebuilt.
pub(super) fn commit(session: &Session, position: usize, seed: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"insitu-secagg-commit-v1");
    hash.update(session.hash());
    hash.update((position as u64).to_le_bytes());
    hash.update(seed);
    hash.finalize().into()
}

/// Whether a mask is added or taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// The sign with which `position` applies the mask it shares with `other`: the two cancel.
pub(super) const fn pair_sign(position: usize, other: usize) -> Sign {
    if position < other { Sign::Plus } else { Sign::Minus }
}

/// Applies the mask that two sites share, given their agreed secret.
pub(super) fn apply_pair_mask(
    session: &Session,
    agreed: &[u8; 32],
    (position, other): (usize, usize),
    sign: Sign,
    values: &mut [u64],
) {
    let (low, high) = (position.min(other), position.max(other));
    let seed = derive(session, agreed, "pair-mask", &ordered(low, high));
    apply_stream(&seed, session.parameters().ring, sign, values);
}

/// Applies the self mask of a seed.
pub(super) fn apply_own_mask(session: &Session, seed: &[u8; 32], sign: Sign, values: &mut [u64]) {
    let seed = derive(session, seed, "own-mask", &[]);
    apply_stream(&seed, session.parameters().ring, sign, values);
}

/// Adds or subtracts a ChaCha20 key stream (zero nonce), read as little-endian words.
///
/// Values are kept in 64 bits; of a 32-bit ring only the low half means anything.
fn apply_stream(seed: &Secret, ring: Ring, sign: Sign, values: &mut [u64]) {
    const CHUNK: usize = 1024;
    let mut stream = ChaCha20Rng::from_seed(**seed);
    let mut bytes = Zeroizing::new([0_u8; 8 * CHUNK]);
    for chunk in values.chunks_mut(CHUNK) {
        let used = &mut bytes[..chunk.len() * ring.bytes()];
        stream.fill_bytes(used);
        match ring {
            Ring::Bits32 => {
                apply_words(chunk, used, sign, |word| u64::from(u32::from_le_bytes(word)))
            }
            Ring::Bits64 => apply_words(chunk, used, sign, u64::from_le_bytes),
        }
    }
}

fn apply_words<const N: usize>(
    values: &mut [u64],
    stream: &[u8],
    sign: Sign,
    read: impl Fn([u8; N]) -> u64,
) {
    for (value, word) in values.iter_mut().zip(stream.as_chunks().0) {
        *value = match sign {
            Sign::Plus => value.wrapping_add(read(*word)),
            Sign::Minus => value.wrapping_sub(read(*word)),
        };
    }
}

/// Shares of `secret` for all positions of the roster, any T of which give it back.
///
/// The coefficients come from `root`, under a label of their own, so that nothing but the roots
/// needs to be random. A journal makes sure that they are used for one key list only.
pub(super) fn split(
    session: &Session,
    root: &[u8; 32],
    label: &str,
    secret: &Secret,
) -> Vec<Zeroizing<Share>> {
    let rng = ChaCha20Rng::from_seed(*derive(session, root, label, &[]));
    let shares = Gf256::split_bytes(session.parameters().threshold, session.sites(), **secret, rng)
        .expect("a session has 2 <= T <= n <= 255 and the secret is not empty");
    let fixed = |share: Vec<u8>| {
        let share = Zeroizing::new(share);
        Zeroizing::new(std::array::from_fn(|i| share[i]))
    };
    shares.into_iter().map(fixed).collect()
}

/// The secret of exactly T shares; wrong bytes when one of them is wrong, so check the result.
/// `None` for a repeated or zero point.
pub(super) fn combine(session: &Session, shares: &[&Share]) -> Option<Secret> {
    // `combine_bytes` does not know T and takes fewer without a word.
    if shares.len() != session.parameters().threshold {
        return None;
    }
    let mut owned: Vec<Vec<u8>> = shares.iter().map(|share| share.to_vec()).collect();
    let secret = Gf256::combine_bytes(&owned).ok().map(Zeroizing::new);
    owned.iter_mut().for_each(Zeroize::zeroize);
    secret.map(|secret| Zeroizing::new(std::array::from_fn(|i| secret[i])))
}

/// Encrypts the two shares that `from` gives to `to`. The nonce is zero because each key encrypts
/// one plaintext: it depends on both channel keys, which live for one session.
pub(super) fn seal(
    session: &Session,
    agreed: &[u8; 32],
    (from, to): (usize, usize),
    shares: (&Share, &Share),
) -> [u8; CIPHERTEXT_BYTES] {
    let mut plain = Zeroizing::new([0; 2 * SHARE_BYTES]);
    plain[..SHARE_BYTES].copy_from_slice(shares.0);
    plain[SHARE_BYTES..].copy_from_slice(shares.1);
    let sealed = cipher(session, agreed, from, to)
        .encrypt(&[0; 12].into(), Payload { msg: &*plain, aad: session.hash() })
        .expect("66 bytes are below the limit of the cipher");
    std::array::from_fn(|i| sealed[i])
}

/// The two shares that `from` gave to `to`. `None` unless they are authentic and for `to`'s point.
pub(super) fn open(
    session: &Session,
    agreed: &[u8; 32],
    (from, to): (usize, usize),
    sealed: &[u8],
) -> Option<(Zeroizing<Share>, Zeroizing<Share>)> {
    let payload = Payload { msg: sealed, aad: session.hash() };
    let plain =
        Zeroizing::new(cipher(session, agreed, from, to).decrypt(&[0; 12].into(), payload).ok()?);
    if plain.len() != 2 * SHARE_BYTES {
        return None;
    }
    let half = |at: usize| Zeroizing::new(std::array::from_fn(|i| plain[at + i]));
    let shares: (Zeroizing<Share>, Zeroizing<Share>) = (half(0), half(SHARE_BYTES));
    (shares.0[0] == point(to) && shares.1[0] == point(to)).then_some(shares)
}

/// The point at which a position holds its shares: 1 + position, never zero.
pub(super) fn point(position: usize) -> u8 {
    u8::try_from(position + 1).expect("a session has at most 255 sites")
}

fn cipher(session: &Session, agreed: &[u8; 32], from: usize, to: usize) -> ChaCha20Poly1305 {
    let key = derive(session, agreed, "share-enc", &ordered(from, to));
    ChaCha20Poly1305::new(&(*key).into())
}

/// Two positions, in this order, in two bytes each.
fn ordered(first: usize, second: usize) -> [u8; 4] {
    [point(first), 0, point(second), 0]
}

#[cfg(test)]
mod tests {
    use super::{
        super::session::{Parameters, SessionId, Site},
        *,
    };
    use crate::noise::GaussianScale;

    fn session(ring: Ring) -> Session {
        let site = |at: u8| Site { agent: [at; 32], certificate: [at; 32], verify_key: [at; 32] };
        Session::new(Parameters {
            id: SessionId([1; 32]),
            roster: (0..5).map(site).collect(),
            threshold: 4,
            colluders: 1,
            dimensions: 4,
            ring,
            noise: GaussianScale::from_steps(4096).unwrap(),
            input: [2; 32],
            deadlines: [1, 2, 3, 4, 5],
        })
        .unwrap()
    }

    /// The key stream of RFC 8439, appendix A.1, test vector 1 (zero key, zero nonce, block 0).
    #[test]
    fn masks_are_the_published_key_stream() {
        let zero = Zeroizing::new([0; 32]);
        let mut values = vec![0; 3];
        apply_stream(&zero, Ring::Bits32, Sign::Plus, &mut values);
        assert_eq!(values, [0xade0_b876, 0x903d_f1a0, 0xe56a_5d40]);
        let mut wide = vec![0; 1];
        apply_stream(&zero, Ring::Bits64, Sign::Plus, &mut wide);
        assert_eq!(wide, [0x903d_f1a0_ade0_b876]);
        apply_stream(&zero, Ring::Bits32, Sign::Minus, &mut values);
        assert_eq!(values, [0, 0, 0]);
    }

    /// Answers computed apart, from the definitions alone (HKDF, X25519, ChaCha20 and GF(256)
    /// arithmetic in Python): whoever implements this again must get these bytes.
    #[test]
    fn known_answers() {
        let session = session(Ring::Bits32);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(session.hash()),
            "0a9940ed4b64c8bf5c981f7cbfaa81417f20bb80e000f090f59306d4258e1290"
        );
        assert_eq!(
            hex(&KeyPair::mask(&session, &[7; 32]).public),
            "c5612e0cb871b85d54e629da87f8c123bdbc60573389fe306487f8a47e6fe009"
        );
        assert_eq!(
            hex(&commit(&session, 2, &[5; 32])),
            "64db90eab47d223e3bfc28735970e754f22a385050f35e9d130252b95ab20066"
        );
        let mut values = vec![0; 2];
        apply_pair_mask(&session, &[8; 32], (3, 1), Sign::Plus, &mut values);
        assert_eq!(values, [0x3aa6_102b, 0x0fae_55c1]);
        let mut own = vec![0; 2];
        apply_own_mask(&session, &[9; 32], Sign::Plus, &mut own);
        assert_eq!(own, [0xfe18_0c02, 0x27ee_af44]);
        let shares = [
            "01337c08dc0f31c886f8f30954baa40809370bd75e2ab886e7fc5e5cb2f30b1873",
            "02265c470b12e2da7554aa3eaab55ea343127b6954fc006444a0569baa0cd74369",
            "0478a5cf44bb2d3b61bbe0cc0d37794653990eff2341d852459859bef659b9716c",
            "059becc4e0adf147453334b5243a28fcb1c76c500c8a8f65fc5b498cc21fc28013",
        ];
        let byte =
            |share: &str, at: usize| u8::from_str_radix(&share[2 * at..2 * at + 2], 16).unwrap();
        let shares = shares.map(|share| -> Share { std::array::from_fn(|at| byte(share, at)) });
        let secret = combine(&session, &shares.each_ref()).unwrap();
        assert_eq!(&*secret, b"thirty-two bytes of a secret key");
    }

    #[test]
    fn any_threshold_of_shares_gives_the_secret_and_no_fewer() {
        let session = session(Ring::Bits32);
        let secret = Zeroizing::new(*b"thirty-two bytes of a secret key");
        let shares = split(&session, &[3; 32], "mask-shares", &secret);
        for left_out in 0..5 {
            let some: Vec<&Share> = shares
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != left_out)
                .map(|(_, s)| &**s)
                .collect();
            assert_eq!(*combine(&session, &some).unwrap(), *secret);
            assert!(combine(&session, &some[..3]).is_none());
        }
        // What a combination of T − 1 would give is not the secret.
        let few: Vec<Vec<u8>> = shares[..3].iter().map(|share| share.to_vec()).collect();
        assert_ne!(Gf256::combine_bytes(&few).unwrap(), secret.to_vec());
        // A repeated and a zero point are refused.
        let repeated = [&*shares[0], &*shares[0], &*shares[1], &*shares[2]];
        assert!(combine(&session, &repeated).is_none());
        let mut zero = *shares[0];
        zero[0] = 0;
        assert!(combine(&session, &[&zero, &*shares[1], &*shares[2], &*shares[3]]).is_none());
    }

    /// A fault that versions before 6 of the crate had: coefficients that were never even give the secret away over time.
    #[test]
    fn share_coefficients_take_all_values() {
        let session = session(Ring::Bits32);
        let mut seen = [false; 256];
        for case in 0..255_u8 {
            for share in split(&session, &[case; 32], "mask-shares", &Zeroizing::new([0; 32])) {
                share[1..].iter().for_each(|byte| seen[usize::from(*byte)] = true);
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn sealed_shares_open_only_for_their_pair_session_and_point() {
        let (a, b) = (session(Ring::Bits32), session(Ring::Bits64));
        let (first, second) = ([4; SHARE_BYTES], [4; SHARE_BYTES]); // point 4 is position 3
        let sealed = seal(&a, &[6; 32], (1, 3), (&first, &second));
        let opened = open(&a, &[6; 32], (1, 3), &sealed).unwrap();
        assert_eq!((*opened.0, *opened.1), (first, second));
        assert!(open(&a, &[6; 32], (3, 1), &sealed).is_none());
        assert!(open(&a, &[5; 32], (1, 3), &sealed).is_none());
        assert!(open(&b, &[6; 32], (1, 3), &sealed).is_none());
        let wrong_point = seal(&a, &[6; 32], (1, 2), (&first, &second));
        assert!(open(&a, &[6; 32], (1, 2), &wrong_point).is_none());
        let mut tampered = sealed;
        tampered[10] ^= 1;
        assert!(open(&a, &[6; 32], (1, 3), &tampered).is_none());
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let pair = KeyPair::from_secret(&Zeroizing::new([9; 32]));
        assert!(pair.agree(&[0; 32]).is_none());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(pair.agree(&one).is_none());
        let other = KeyPair::from_secret(&Zeroizing::new([10; 32]));
        assert_eq!(*pair.agree(&other.public).unwrap(), *other.agree(&pair.public).unwrap());
    }
}
