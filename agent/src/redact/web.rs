//! E-mail and web addresses, grown from `@`, a scheme or `www.` in both directions.

use super::Find;
use super::kind::Kind;
use super::labels::Labels;
use super::scan::{Finds, char_at, char_before, in_words, is_mark};

/// Bytes of an address's local part (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Bytes of a domain name (RFC 5321, 4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;
/// Bytes of a web address: what browsers take.
const URL_BYTES_MAX: usize = 2_048;

/// Bytes of a part of a domain name (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Top-level domains that are no words of any text. Sorted.
const TOP: &[&str] = &[
    "app", "biz", "clinic", "cloud", "com", "dev", "edu", "eu", "example", "gov", "health",
    "hospital", "info", "int", "invalid", "mil", "net", "online", "org", "site", "test",
];
/// Those of countries, and others that may be a word. Sorted.
const COUNTRIES: &[&str] = &[
    "ai", "ar", "at", "au", "be", "br", "ca", "ch", "cl", "cn", "co", "cz", "de", "dk", "es", "fi",
    "fr", "gr", "hu", "ie", "il", "in", "io", "it", "jp", "kr", "lu", "me", "mx", "nl", "no", "nz",
    "pl", "pt", "ro", "ru", "se", "sg", "sk", "tr", "tv", "tw", "ua", "uk", "us", "za",
];

/// Every e-mail and web address.
pub(super) fn find(text: &str, finds: &Finds) -> Vec<Find> {
    let mails = finds.ats.iter().filter_map(|at| mail(text, *at));
    let mut covered = 0;
    let urls =
        finds.labels.iter().filter(|label| label.labels.meets(Labels::URL)).filter_map(|label| {
            // An address inside another is not read again: the work stays linear.
            let found = (label.start >= covered).then(|| url(text, label.start, label.end))??;
            covered = found.end;
            Some(found)
        });
    let mut upto = 0;
    let bare = finds.dots.iter().filter_map(|dot| {
        // A name with several dots is read once.
        let found = (*dot >= upto).then(|| bare(text, *dot))?;
        upto = found.map_or(dot + 1, |found| found.end);
        found
    });
    mails.chain(urls).chain(bare).collect()
}

/// A web address without a scheme, by a dot of its domain name: `hospital.org`, `klinik.example.de/x`.
fn bare(text: &str, dot: usize) -> Option<Find> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let bytes = text.as_bytes();
    let from = dot.saturating_sub(LABEL_BYTES_MAX);
    let before = bytes[from..dot].iter().rev().take_while(|byte| part(byte)).count();
    let start = dot - before;
    let whole = before > 1
        && !matches!(char_before(text, start), '@' | '.' | '_' | '/' | '\\')
        && !in_words(char_before(text, start));
    if !whole || !bytes[start].is_ascii_alphanumeric() {
        return None;
    }
    let limit = bytes.len().min(start + DOMAIN_BYTES_MAX);
    let domain = bytes[start..limit].iter().take_while(|byte| part(byte) || **byte == b'.').count();
    let domain = text[start..start + domain].trim_end_matches(['.', '-']);
    let end = start + domain.len();
    let (name, top) = domain.rsplit_once('.')?;
    // "abdomen.No" is the end of a sentence.
    let one_case = |text: &str| {
        !text.bytes().any(|byte| byte.is_ascii_uppercase())
            || !text.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    let small = top.to_ascii_lowercase();
    let next = char_at(text, end);
    if !one_case(top) || in_words(next) || matches!(next, '@' | '_') {
        return None;
    }
    let path = next == '/' && char_at(text, end + 1).is_alphanumeric();
    let known = TOP.binary_search(&small.as_str()).is_ok();
    let country = COUNTRIES.binary_search(&small.as_str()).is_ok();
    // Short ones are words as well, before which the space may be missing.
    let sure = known
        || country && (path || name.contains('.') && !name.split('.').any(|part| part.len() < 2));
    if !sure || domain.split('.').any(str::is_empty) {
        return None;
    }
    if path {
        return url(text, start, end + 1);
    }
    Some(Find { start, end, kind: Kind::Url, score: 0.8 })
}

fn mail(text: &str, at: usize) -> Option<Find> {
    let mut start = at;
    while start > 0 && at - start < LOCAL_BYTES_MAX {
        let c = char_before(text, start);
        if !(c.is_alphanumeric() || is_mark(c) || "._%+-'!#$&*/=?^`{|}~".contains(c)) {
            break;
        }
        start -= c.len_utf8();
    }
    // A quote, a bracket or "mailto=" before an address is not part of it.
    let local = text[start..at].trim_start_matches(|c: char| !c.is_alphanumeric());
    let start = at - local.len();
    let end = domain_end(text, at + 1)?;
    (!local.is_empty()).then_some(Find { start, end, kind: Kind::Email, score: 0.98 })
}

/// The end of a domain name with at least one dot (or an address in brackets) from `start`.
fn domain_end(text: &str, start: usize) -> Option<usize> {
    let mut end = start;
    let mut last_dot = None;
    while end < text.len() && end - start < DOMAIN_BYTES_MAX {
        let c = char_at(text, end);
        match c {
            '.' if end > start && char_at(text, end + 1).is_alphanumeric() => last_dot = Some(end),
            '-' if char_at(text, end + 1).is_alphanumeric() || char_at(text, end + 1) == '-' => {}
            _ if c.is_alphanumeric() || is_mark(c) || c == '_' => {}
            _ => break,
        }
        end += c.len_utf8();
    }
    let top = last_dot.map(|dot| &text[dot + 1..end])?;
    (top.chars().count() >= 2 && top.chars().any(char::is_alphabetic)).then_some(end)
}

fn url(text: &str, start: usize, host: usize) -> Option<Find> {
    let mut end = host;
    while end < text.len() && end - start < URL_BYTES_MAX {
        let c = char_at(text, end);
        if c.is_whitespace() || c.is_control() || "<>\"|\\^`{}«»“”[]".contains(c) {
            break;
        }
        end += c.len_utf8();
    }
    let address = text[start..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', '*']);
    // A bracket that the address opens belongs to it.
    let closed = address.contains('(') && text[start + address.len()..].starts_with(')');
    let end = start + address.len() + usize::from(closed);
    let long = end > host && char_at(text, host).is_alphanumeric();
    long.then_some(Find { start, end, kind: Kind::Url, score: 0.95 })
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scanner;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let finds = Scanner::new().scan(text);
        let found: Vec<_> = find(text, &finds).iter().map(|f| &text[f.start..f.end]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn addresses_end_before_punctuation() {
        check(
            "Write to (jane.o'neil+x@mail.example.co.uk).",
            &["jane.o'neil+x@mail.example.co.uk"],
        );
        check(
            "see https://a.intern/x?y=(1), or www.b.intern.",
            &["https://a.intern/x?y=(1)", "www.b.intern"],
        );
    }

    #[test]
    fn addresses_without_a_scheme() {
        check(
            "see hospital.org, My-Clinic.com/a/b?c=1. and klinik.example.de; goo.io/x (x.edu)",
            &["hospital.org", "My-Clinic.com/a/b?c=1", "klinik.example.de", "goo.io/x"],
        );
        check("e.g. fin.de semana, abdomen.No, 3.com, v1.2.3, Dr.Roe, file.txt, z.B. a.de/", &[]);
        check("jane@hospital.org", &["jane@hospital.org"]);
        assert!(TOP.is_sorted() && COUNTRIES.is_sorted());
    }

    #[test]
    fn letters_beyond_ascii() {
        check("jürgen@bücher.example x", &["jürgen@bücher.example"]);
    }

    #[test]
    fn an_at_alone_is_no_address() {
        check("meet @ noon, @handle, a@b, 5@10.5", &[]);
    }
}
