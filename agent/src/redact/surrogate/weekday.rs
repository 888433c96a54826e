//! Weekdays beside dates: they belong to them, and move with them.

/// Days of the week from Monday, as a date may start with them. They are moved in their own language.
const WEEKDAYS: &[[&str; 7]] = &[
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    ["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"],
    ["mo", "di", "mi", "do", "fr", "sa", "so"],
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
];

/// Where the weekday starts that stands before a date at byte `at`: "Monday, ", "Montag, den ", "Mo., ".
pub(in crate::redact) fn weekday_before(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].trim_end_matches(' ');
    let before =
        [" den", " the"].iter().find_map(|word| before.strip_suffix(word)).unwrap_or(before);
    let gap = before.trim_end_matches([',', '.', ' ']);
    let (start, _) = gap.char_indices().rev().take_while(|(_, c)| c.is_alphabetic()).last()?;
    let word = &gap[start..];
    let is_day = row_of(word).is_some();
    // "so 3.3." and "Sat 3/3" are other words, unless a sign marks them as short forms.
    let short = word.chars().count() <= 3;
    let capital = word.starts_with(char::is_uppercase);
    let marked = gap.len() < before.len() || !matches!(word, "Do" | "Mar" | "Sat" | "So");
    (is_day && (!short || capital && marked) && !text[..start].ends_with(is_part)).then_some(start)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '\'' | '\u{2019}')
}

/// The weekday that `text` starts with: its row of [`WEEKDAYS`], and its length in bytes.
pub(super) fn first(text: &str) -> Option<(&'static [&'static str; 7], usize)> {
    let length = text.find(|c: char| !c.is_alphabetic())?;
    Some((row_of(&text[..length])?, length))
}

/// The row of [`WEEKDAYS`] with `word`, whatever its case.
fn row_of(word: &str) -> Option<&'static [&'static str; 7]> {
    let small = word.to_lowercase();
    WEEKDAYS.iter().find(|row| row.contains(&small.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weekday_before_a_date_is_part_of_it() {
        let check = |text: &str, expected: Option<usize>| {
            let at = text.find(|c: char| c.is_ascii_digit()).unwrap();
            assert_eq!(weekday_before(text, at), expected, "{text}");
        };
        check("on Monday, 4 March", Some(3));
        check("am Montag, den 4. März", Some(3));
        check("el lunes 4 de marzo", Some(3));
        check("(Mo., 4.3.)", Some(1));
        check("so, 4.3.", None);
        check("Sat 4.3.", None);
        check("Wed 4 March", Some(0));
        check("Sitzung Di. 4.3.", Some(8));
        check("Rosenmontag, 4.3.", None);
        check("4 March", None);
    }
}
