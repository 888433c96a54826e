//! Training of the tagger's weights: maximum likelihood by AdaGrad (Duchi, Hazan, Singer, JMLR 12,
//! 2011) over the sequences of annotated texts.

use super::super::Span;
use super::class_of;
use super::crf::{Crf, LABELS, Lattice, OUTSIDE, Row};
use super::features::{FEATURE_BITS, FEATURES, ROWS, features, split};
use super::lexicon::Lexicon;
use super::tokens::tokens;

/// How training works.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Times that each text is seen.
    pub epochs: usize,
    /// First step of each weight.
    pub rate: f32,
    /// Pull of each weight to zero, per step.
    pub decay: f32,
    /// Occurrences below which a feature is not learned.
    pub occurrences_min: u8,
    /// Seed of the order of texts and of the words made unknown.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self { epochs: 6, rate: 0.25, decay: 1e-6, occurrences_min: 3, seed: 1 }
    }
}

/// One text as training sees it.
struct Sequence {
    features: Vec<[u32; FEATURES]>,
    labels: Vec<usize>,
}

/// Learns weights from texts with their spans; the bytes are a weight file.
pub fn train(texts: impl Iterator<Item = (String, Vec<Span>)>, training: Training) -> Vec<u8> {
    let lexicon = Lexicon::shipped();
    let mut random = Random(training.seed | 1);
    let sequences: Vec<Sequence> =
        texts.map(|(text, spans)| sequence(&lexicon, &text, &spans, random.next())).collect();
    let mut learner = Learner::new(training, &sequences);
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    for _ in 0..training.epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for index in &order {
            learner.learn(&sequences[*index]);
        }
    }
    Crf::encode(&learner.rows, &learner.checks(), &learner.transitions)
}

fn sequence(lexicon: &Lexicon, text: &str, spans: &[Span], blind: u64) -> Sequence {
    let tokens = tokens(text);
    let mut points = 0;
    let mut byte = 0;
    let labels = tokens
        .iter()
        .map(|token| {
            points += text[byte..token.start].chars().count();
            byte = token.start;
            let inside = spans.iter().find(|span| span.start <= points && points < span.end);
            match inside
                .and_then(|span| class_of(span.kind).map(|class| (class, span.start == points)))
            {
                Some((class, first)) => 2 * class + if first { 1 } else { 2 },
                None => OUTSIDE,
            }
        })
        .collect();
    Sequence { features: features(lexicon, &tokens, Some(blind)), labels }
}

struct Learner {
    training: Training,
    /// Of each row, the check of the feature that owns it; [`NOBODY`] when none does.
    owners: Vec<u16>,
    rows: Vec<Row>,
    squares: Vec<Row>,
    transitions: [Row; LABELS],
    transition_squares: [Row; LABELS],
}

impl Learner {
    fn new(training: Training, sequences: &[Sequence]) -> Self {
        Self {
            training,
            owners: owners(sequences, training.occurrences_min),
            rows: vec![[0.0; LABELS]; ROWS],
            squares: vec![[1e-3; LABELS]; ROWS],
            transitions: [[0.0; LABELS]; LABELS],
            transition_squares: [[1.0; LABELS]; LABELS],
        }
    }

    /// The feature's row, if it owns one.
    fn row(&self, feature: u32) -> Option<usize> {
        let (row, check) = split(feature);
        (self.owners[row] == u16::from(check)).then_some(row)
    }

    /// One step up the likelihood of `sequence`.
    fn learn(&mut self, sequence: &Sequence) {
        let scores: Vec<Row> = sequence
            .features
            .iter()
            .map(|features| {
                let mut sums = [0.0; LABELS];
                for row in features.iter().filter_map(|feature| self.row(*feature)) {
                    sums.iter_mut().zip(self.rows[row]).for_each(|(sum, weight)| *sum += weight);
                }
                sums
            })
            .collect();
        let lattice = Lattice::new(&scores, &self.transitions);
        for at in 1..sequence.labels.len() {
            let mut gradient = lattice.pair_posteriors(at).map(|row| row.map(|p| -p));
            gradient[sequence.labels[at - 1]][sequence.labels[at]] += 1.0;
            for (row, (squares, step)) in
                self.transitions.iter_mut().zip(self.transition_squares.iter_mut().zip(&gradient))
            {
                ascend(row, squares, step, self.training);
            }
        }
        for ((features, posterior), label) in
            sequence.features.iter().zip(lattice.posteriors()).zip(&sequence.labels)
        {
            let mut gradient = posterior.map(|p| -p);
            gradient[*label] += 1.0;
            if gradient.iter().all(|value| value.abs() < 1e-4) {
                continue;
            }
            for feature in features {
                if let Some(row) = self.row(*feature) {
                    let (weights, squares) = (&mut self.rows[row], &mut self.squares[row]);
                    ascend(weights, squares, &gradient, self.training);
                }
            }
        }
    }

    /// The check of each row, for the weight file.
    fn checks(&self) -> Vec<u8> {
        self.owners.iter().map(|owner| u8::try_from(*owner).unwrap_or_default()).collect()
    }
}

/// No feature owns the row.
const NOBODY: u16 = u16::MAX;

/// Of each row, the check of the feature that is seen most often, if that is often enough.
fn owners(sequences: &[Sequence], occurrences_min: u8) -> Vec<u16> {
    let mut seen = vec![0_u8; 1 << FEATURE_BITS];
    let all = || sequences.iter().flat_map(|sequence| sequence.features.iter().flatten());
    for feature in all() {
        let count = &mut seen[*feature as usize];
        *count = count.saturating_add(1);
    }
    let checks = 1 << u8::BITS;
    seen.chunks_exact(checks)
        .map(|counts| {
            let most = (0_u16..).zip(counts).max_by_key(|(_, count)| **count);
            most.filter(|(_, count)| **count >= occurrences_min).map_or(NOBODY, |(check, _)| check)
        })
        .collect()
}

fn ascend(row: &mut Row, squares: &mut Row, gradient: &Row, training: Training) {
    for ((weight, square), slope) in row.iter_mut().zip(squares).zip(gradient) {
        let slope = slope - training.decay * *weight;
        *square += slope * slope;
        *weight += training.rate * slope / square.sqrt();
    }
}

/// xorshift64* (Vigna, ACM TOMS 42, 2016): order of texts only, nothing that needs secrecy.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 33) % limit as u64).expect("less than a usize")
    }
}
