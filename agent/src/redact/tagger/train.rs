//! Training of the tagger's weights: maximum likelihood by AdaGrad (Duchi, Hazan, Singer, JMLR 12,
//! 2011) over the sequences of annotated texts.

use super::super::Span;
use super::class_of;
use super::crf::{Crf, LABELS, Lattice, OUTSIDE, Row};
use super::features::{BUCKETS, FEATURES, OWN_FEATURES, features};
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
    /// Texts per three in which the words' own features are hidden.
    pub hidden_thirds: usize,
    /// Occurrences below which a feature is not learned.
    pub occurrences_min: u16,
    /// Seed of the order of texts.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self { epochs: 6, rate: 0.25, decay: 1e-6, hidden_thirds: 1, occurrences_min: 3, seed: 1 }
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
    let sequences: Vec<Sequence> =
        texts.map(|(text, spans)| sequence(&lexicon, &text, &spans)).collect();
    let mut seen = vec![0_u16; BUCKETS];
    for bucket in sequences.iter().flat_map(|sequence| sequence.features.iter().flatten()) {
        seen[*bucket as usize] = seen[*bucket as usize].saturating_add(1);
    }
    let mut learner = Learner::new(training, seen);
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    let mut random = Random(training.seed | 1);
    for _ in 0..training.epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for index in &order {
            let hide = random.below(3) < training.hidden_thirds;
            learner.learn(&sequences[*index], hide);
        }
    }
    Crf::encode(&learner.rows, &learner.transitions)
}

fn sequence(lexicon: &Lexicon, text: &str, spans: &[Span]) -> Sequence {
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
    Sequence { features: features(lexicon, &tokens), labels }
}

struct Learner {
    training: Training,
    seen: Vec<u16>,
    rows: Vec<Row>,
    squares: Vec<Row>,
    transitions: [Row; LABELS],
    transition_squares: [Row; LABELS],
}

impl Learner {
    fn new(training: Training, seen: Vec<u16>) -> Self {
        Self {
            training,
            seen,
            rows: vec![[0.0; LABELS]; BUCKETS],
            squares: vec![[1e-3; LABELS]; BUCKETS],
            transitions: [[0.0; LABELS]; LABELS],
            transition_squares: [[1.0; LABELS]; LABELS],
        }
    }

    /// One step up the likelihood of `sequence`.
    fn learn(&mut self, sequence: &Sequence, hide: bool) {
        let first = if hide { OWN_FEATURES } else { 0 };
        let scores: Vec<Row> = sequence
            .features
            .iter()
            .map(|buckets| {
                let mut sums = [0.0; LABELS];
                for bucket in &buckets[first..] {
                    let row = &self.rows[*bucket as usize];
                    sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
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
        for ((buckets, posterior), label) in
            sequence.features.iter().zip(lattice.posteriors()).zip(&sequence.labels)
        {
            let mut gradient = posterior.map(|p| -p);
            gradient[*label] += 1.0;
            if gradient.iter().all(|value| value.abs() < 1e-4) {
                continue;
            }
            for bucket in &buckets[first..] {
                let bucket = *bucket as usize;
                if self.seen[bucket] >= self.training.occurrences_min {
                    ascend(
                        &mut self.rows[bucket],
                        &mut self.squares[bucket],
                        &gradient,
                        self.training,
                    );
                }
            }
        }
    }
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
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high % limit as u64).expect("less than a usize")
    }
}
