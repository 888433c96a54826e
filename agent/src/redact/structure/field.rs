//! One field of a record: under the site's rule for it, or as text behind its name.

use super::super::clean::{self, Redacted, Unclean};
use super::super::kind::Kind;
use super::super::profile::{Hints, Mode};
use super::super::{Engine, Span};
use super::{Action, FieldRules, label};

impl Engine {
    /// What stands for a field's value: by the site's rule for it, or else what the engine leaves of
    /// it; `None` when it is left out: a rule says so, or it is a coordinate.
    ///
    /// # Errors
    /// [`Unclean`], and nobody may see the value.
    pub(crate) fn clean_field(
        &self,
        rules: &FieldRules,
        field: &str,
        value: &str,
        hints: &Hints,
        mode: Mode<'_>,
    ) -> Result<Option<Redacted>, Unclean> {
        Ok(match rules.action_or_usual(field) {
            Action::Drop => None,
            Action::Keep => Some(as_it_is(value)),
            Action::Hide(kind) => Some(self.hidden(kind, value, hints, mode)),
            Action::Text => {
                let name = field.rsplit('.').next().unwrap_or(field);
                Some(self.clean_behind(name, value, hints, mode)?)
            }
        })
    }

    /// A value read behind its field's name, which says what it may be.
    ///
    /// # Errors
    /// [`Unclean`], and nobody may see the value.
    pub(super) fn clean_behind(
        &self,
        name: &str,
        value: &str,
        hints: &Hints,
        mode: Mode<'_>,
    ) -> Result<Redacted, Unclean> {
        let label = label(name);
        let one_word = !value.contains(char::is_whitespace);
        let hints = &Hints { one_word, ..hints.clone() };
        if !label.is_empty() {
            let prefix = format!("{label}: ");
            let mut redacted = self.try_clean(&format!("{prefix}{value}"), hints, mode)?;
            let from = prefix.chars().count();
            // A name that would itself be taken for personal data says nothing.
            if redacted.spans.first().is_none_or(|span| span.start >= from) {
                for span in &mut redacted.spans {
                    (span.start, span.end) = (span.start - from, span.end - from);
                }
                for (start, end) in &mut redacted.places {
                    (*start, *end) = (*start - from, *end - from);
                }
                redacted.text = redacted.text.split_off(prefix.len());
                return Ok(redacted);
            }
        }
        self.try_clean(value, hints, mode)
    }

    /// The whole of a value, replaced; what is empty or masked stays, as does what is not looked for.
    fn hidden(&self, kind: Kind, value: &str, hints: &Hints, mode: Mode<'_>) -> Redacted {
        let empty = !value.chars().any(char::is_alphanumeric);
        if empty || !self.profile().hides(kind) || clean::is_mask(value) {
            return as_it_is(value);
        }
        let mut text = String::new();
        let replaced = clean::stand_in(&mut text, kind, value, mode, &hints.subject);
        let span = Span { start: 0, end: value.chars().count(), kind, score: 1.0 };
        Redacted {
            spans: vec![span],
            places: vec![(0, text.chars().count())],
            text,
            shown_later: 0,
            replaced: replaced.into_iter().collect(),
        }
    }
}

fn as_it_is(value: &str) -> Redacted {
    Redacted {
        text: value.to_owned(),
        spans: Vec::new(),
        places: Vec::new(),
        shown_later: 0,
        replaced: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Profile;
    use super::*;

    #[test]
    fn places_are_those_of_the_value_alone() {
        let engine = Engine::new(Profile { tagger: false, ..Profile::default() });
        let clean = |rules: &[(&str, Action)], field: &str, value: &str| {
            let rules = rules.iter().map(|(field, action)| ((*field).to_owned(), *action));
            let rules = FieldRules::new(rules.collect(), None);
            engine.clean_field(&rules, field, value, &Hints::default(), Mode::Mask).unwrap()
        };
        let born = clean(&[], "note.dateOfBirth", "é 12/2020").unwrap();
        assert_eq!(born.text, "é [DATE]");
        assert_eq!((born.spans[0].start, born.spans[0].end, born.places[0]), (2, 9, (2, 8)));
        let hidden = clean(&[("code", Action::Hide(Kind::Id))], "code", "é1").unwrap();
        assert_eq!((hidden.text.as_str(), hidden.places[0]), ("[ID]", (0, 4)));
        assert_eq!(clean(&[("d", Action::Keep)], "d", "12.03.2020").unwrap().text, "12.03.2020");
        assert!(clean(&[("d", Action::Drop)], "d", "12.03.2020").is_none());
        assert!(clean(&[], "home.latitude", "48.137154").is_none());
    }
}
