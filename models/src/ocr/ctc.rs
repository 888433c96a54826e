//! From the probabilities of a recogniser's steps to a text.
//!
//! # Source
//! A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, *Connectionist Temporal Classification*, ICML
//! 2006, section 3.2: best path decoding. PaddleOCR and RapidOCR decode so (`CTCLabelDecode`), and give
//! the *mean* of the letters' probabilities. Here a text is as sure as its least sure letter: one
//! wrong letter makes a name of a marking, and a mean hides it in a long line. Whether a letter is small
//! or large does not matter (`12 CM`), so that the probabilities of both are one; nor do spaces, which
//! recognisers see or do not see.

use std::collections::HashMap;

/// What stands for no letter.
const BLANK: usize = 0;

/// The letters that a recogniser knows.
pub(super) struct Alphabet {
    letters: Vec<String>,
    /// Of each letter, the place of the same one, small or large as it is not.
    cases: Vec<Option<usize>>,
}

impl Alphabet {
    pub(super) fn new(letters: Vec<String>) -> Self {
        let places: HashMap<&str, usize> =
            letters.iter().enumerate().map(|(at, letter)| (letter.as_str(), at)).collect();
        let other = |letter: &String| {
            let (small, large) = (letter.to_lowercase(), letter.to_uppercase());
            places.get(if small == *letter { large } else { small }.as_str()).copied()
        };
        let cases = letters.iter().map(other).enumerate();
        let cases = cases.map(|(at, other)| other.filter(|other| *other != at)).collect();
        Self { letters, cases }
    }

    /// Classes of a step: blank, the letters, space.
    pub(super) fn classes(&self) -> usize {
        self.letters.len() + 2
    }

    /// The text on the best path through `steps`, row-major `[steps, classes]`; and the least probability
    /// of one of its letters, small or large, 0 where there is none.
    pub(super) fn decode(&self, steps: &[f32]) -> (String, f32) {
        let (mut text, mut least) = (String::new(), 1.0_f32);
        let mut before = BLANK;
        for step in steps.chunks_exact(self.classes()) {
            let best = step.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1));
            let Some((class, probability)) = best else { continue };
            if class != BLANK && class != before {
                if let Some(letter) = self.letters.get(class - 1) {
                    text.push_str(letter);
                    let other = self.cases[class - 1].map_or(0.0, |other| step[other + 1]);
                    least = least.min(probability + other);
                } else {
                    text.push(' ');
                }
            }
            before = class;
        }
        let confidence = if text.trim().is_empty() { 0.0 } else { least };
        (text, confidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What steps say whose best classes, with their probabilities, are these.
    fn decoded(path: &[(usize, f32)]) -> (String, f32) {
        let letters = Alphabet::new(["a", "b", "A", "1"].map(str::to_owned).into());
        let step = |(class, probability): &(usize, f32)| {
            let mut step = [0.0; 6];
            step[*class] = *probability;
            step
        };
        letters.decode(&path.iter().flat_map(step).collect::<Vec<_>>())
    }

    #[test]
    fn a_letter_is_told_once_unless_a_blank_is_between() {
        assert_eq!(decoded(&[(1, 0.9), (1, 0.8), (2, 0.7)]), ("ab".to_owned(), 0.7));
        assert_eq!(decoded(&[(1, 0.9), (0, 0.9), (1, 0.9)]), ("aa".to_owned(), 0.9));
        assert_eq!(decoded(&[(0, 0.5), (1, 0.9), (5, 0.4), (2, 0.9)]), ("a b".to_owned(), 0.9));
    }

    #[test]
    fn a_text_is_as_sure_as_its_least_sure_letter() {
        let (_, confidence) = decoded(&[(1, 0.99), (2, 0.99), (1, 0.4), (2, 0.99)]);
        assert!((confidence - 0.4).abs() < 1e-6);
        // The second step of a letter, and blanks, are not asked.
        assert_eq!(decoded(&[(1, 0.9), (1, 0.4), (0, 0.4)]), ("a".to_owned(), 0.9));
    }

    #[test]
    fn small_and_large_are_one_letter_to_a_confidence() {
        let letters = Alphabet::new(["a", "b", "A", "1"].map(str::to_owned).into());
        let (text, confidence) = letters.decode(&[0.1, 0.3, 0.1, 0.4, 0.1, 0.0]);
        assert_eq!(text, "A");
        assert!((confidence - 0.7).abs() < 1e-6);
        let (text, confidence) = letters.decode(&[0.1, 0.0, 0.3, 0.0, 0.6, 0.0]);
        assert_eq!((text.as_str(), confidence), ("1", 0.6));
    }

    #[test]
    fn nothing_is_no_text_and_not_sure() {
        assert_eq!(decoded(&[(0, 0.9), (0, 0.9)]), (String::new(), 0.0));
        assert_eq!(decoded(&[(5, 0.9)]), (" ".to_owned(), 0.0));
        assert_eq!(decoded(&[]), (String::new(), 0.0));
    }
}
