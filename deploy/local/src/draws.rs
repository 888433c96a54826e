//! Seeded draws for what `--seed` fixes: splits, notes, simulated annotators.
//!
//! A draw depends on the seed, its purpose and its subject, and on nothing that happened before:
//! processes may be killed and steps may come in any order, and the same seed still means the same
//! demonstration. Privacy noise is never drawn here.

/// A source of reproducible draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    seed: u64,
}

impl Draws {
    /// Draws for `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A uniform 64-bit draw for `purpose` about `subject`.
    pub(crate) fn bits(self, purpose: &str, subject: &str) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key("insitu 2026 demonstration draws");
        for part in [&self.seed.to_le_bytes(), purpose.as_bytes(), subject.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Whether something that happens with `probability` (in thousandths) happens.
    pub(crate) fn happens(self, thousandths: u64, purpose: &str, subject: &str) -> bool {
        self.bits(purpose, subject) % 1000 < thousandths
    }

    /// One of `choices`, which must not be empty.
    pub(crate) fn choose<'a, T>(self, choices: &'a [T], purpose: &str, subject: &str) -> &'a T {
        let count = choices.len() as u64;
        let index = usize::try_from(self.bits(purpose, subject) % count);
        &choices[index.expect("an index below a length")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_seed_purpose_and_subject_alone() {
        let draws = Draws::new(1);
        assert_eq!(draws.bits("split", "7"), Draws::new(1).bits("split", "7"));
        assert_ne!(draws.bits("split", "7"), Draws::new(2).bits("split", "7"));
        assert_ne!(draws.bits("split", "7"), draws.bits("slip", "7"));
        assert_ne!(draws.bits("a", "bc"), draws.bits("ab", "c"));
    }

    #[test]
    fn rare_events_are_rare() {
        let draws = Draws::new(3);
        let slips = (0..10_000).filter(|n| draws.happens(100, "slip", &n.to_string())).count();
        assert!((850..1150).contains(&slips), "{slips} of 10000 at 10 %");
    }
}
